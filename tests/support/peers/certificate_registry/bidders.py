"""The fake certificate-registry's record of bidders, as qualification-registry reports them."""

from dataclasses import dataclass

from typing_extensions import override

from servicekit.context import Context
from tests.support.peers.bidder_states import RecordedBidders
from toroku.certificate.v1 import certificate_registry_pb2, certificate_registry_pb2_grpc


@dataclass(kw_only=True)
class BidderRecords(RecordedBidders, certificate_registry_pb2_grpc.CertificateRegistryServicer):
    """Keeps the reported states of bidders."""

    @override
    async def RecordBidderStates(
        self, request: certificate_registry_pb2.RecordBidderStatesRequest, context: Context
    ) -> certificate_registry_pb2.RecordBidderStatesResponse:
        self.keep_bidders(request.bidder_states)
        await self.run_before_answer()
        return certificate_registry_pb2.RecordBidderStatesResponse()
