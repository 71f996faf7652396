"""The fake certificate-registry's record of bidders, as qualification-registry reports them."""

from dataclasses import dataclass, field

from typing_extensions import override

from servicekit.context import Context
from tests.support.peers.fake_peer import FakePeer
from toroku.certificate.v1 import service_pb2, service_pb2_grpc
from toroku.qualification.v1 import resources_pb2


@dataclass(kw_only=True)
class BidderRecords(FakePeer, service_pb2_grpc.CertificateRegistryServicer):
    """Keeps the reported bidders in the order in which they arrive."""

    recorded_bidders: list[resources_pb2.Bidder] = field(default_factory=list)

    @override
    async def RecordBidders(
        self, request: service_pb2.RecordBiddersRequest, context: Context
    ) -> service_pb2.RecordBiddersResponse:
        self.receive("RecordBidders")
        self.recorded_bidders.extend(request.bidders)
        return service_pb2.RecordBiddersResponse()
