"""certificate-registry as a consumer of events about bidders."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qualification_registry.convert import write_bidder
from qualification_registry.domain.bidders import Bidder
from toroku.certificate.v1 import certificate_registry_pb2

if TYPE_CHECKING:
    from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryAsyncStub

_TIMEOUT_SECONDS = 50


class CertificateRegistry:
    """The peer that records the states of bidders."""

    def __init__(self, stub: "CertificateRegistryAsyncStub") -> None:
        self._stub = stub

    async def record_bidders(self, bidders: Sequence[Bidder]) -> None:
        """Sends the states of bidders. Raises what the peer refuses, PEER_UNREACHABLE and PEER_FAILED."""
        request = certificate_registry_pb2.RecordBiddersRequest(bidders=map(write_bidder, bidders))
        await self._stub.RecordBidders(request, timeout=_TIMEOUT_SECONDS)
