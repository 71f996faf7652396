"""The fake certificate-registry's record of bidders, as qualification-registry reports them."""

from dataclasses import dataclass, field

from typing_extensions import override

from servicekit.context import Context
from tests.support.peers.fake_peer import FakePeer
from toroku.certificate.v1 import certificate_registry_pb2, certificate_registry_pb2_grpc
from toroku.qualification.v1 import bidder_pb2


@dataclass(kw_only=True)
class BidderRecords(FakePeer, certificate_registry_pb2_grpc.CertificateRegistryServicer):
    """Keeps the reported bidders in the order in which they arrive."""

    recorded_bidders: list[bidder_pb2.Bidder] = field(default_factory=list)

    @override
    async def RecordBidders(
        self, request: certificate_registry_pb2.RecordBiddersRequest, context: Context
    ) -> certificate_registry_pb2.RecordBiddersResponse:
        self.receive("RecordBidders")
        self.recorded_bidders.extend(request.bidders)
        return certificate_registry_pb2.RecordBiddersResponse()
