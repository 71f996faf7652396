"""The fake certificate-registry's record of bidders, as qualification-registry reports them."""

from dataclasses import dataclass, field

from typing_extensions import override

from refusals import Code, Refusal
from servicekit.context import Context
from tests.support.peers.fake_peer import FakePeer
from toroku.certificate.v1 import certificate_registry_pb2, certificate_registry_pb2_grpc
from toroku.qualification.v1 import bidder_pb2


@dataclass(kw_only=True)
class BidderRecords(FakePeer, certificate_registry_pb2_grpc.CertificateRegistryServicer):
    """Keeps the reported bidders in the order in which they arrive."""

    recorded_bidders: list[bidder_pb2.Bidder] = field(default_factory=list)
    # The ids of bidders whose state it does not take.
    refused_bidders: set[str] = field(default_factory=set)

    @override
    async def RecordBidders(
        self, request: certificate_registry_pb2.RecordBiddersRequest, context: Context
    ) -> certificate_registry_pb2.RecordBiddersResponse:
        self.receive("RecordBidders")
        for bidder in request.bidders:
            if bidder.bidder_id in self.refused_bidders:
                raise Refusal("BIDDER_STATUS_UNKNOWN", Code.INVALID_ARGUMENT, {"bidder_id": bidder.bidder_id})
        self.recorded_bidders.extend(request.bidders)
        return certificate_registry_pb2.RecordBiddersResponse()
