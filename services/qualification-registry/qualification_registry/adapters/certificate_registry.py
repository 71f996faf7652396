"""certificate-registry as a consumer of bidders' states."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qualification_registry.convert.bidders import write_bidder_state
from qualification_registry.domain.bidder_state import BidderState
from toroku.certificate.v1 import certificate_registry_pb2

if TYPE_CHECKING:
    from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryAsyncStub


@dataclass(frozen=True, slots=True)
class CertificateRegistry:
    """Tells certificate-registry the states of bidders."""

    stub: "CertificateRegistryAsyncStub"

    async def record_bidder_states(self, states: Sequence[BidderState]) -> None:
        """Hands states over; raises what the peer refuses, PEER_UNREACHABLE and PEER_FAILED."""
        messages = map(write_bidder_state, states)
        await self.stub.RecordBidderStates(certificate_registry_pb2.RecordBidderStatesRequest(bidder_states=messages))
