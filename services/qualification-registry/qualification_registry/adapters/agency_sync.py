"""agency-sync as a consumer of bidders' states."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from history.convert import write_witness_request
from history.heads import Head
from qualification_registry.convert.bidders import write_bidder_state
from qualification_registry.domain.bidder_state import BidderState
from toroku.agencysync.v1 import agency_sync_pb2

if TYPE_CHECKING:
    from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncAsyncStub

SERVICE = "qualification-registry"


@dataclass(frozen=True, slots=True)
class AgencySync:
    """Tells agency-sync the states of bidders."""

    stub: "AgencySyncAsyncStub"

    async def record_bidder_states(self, states: Sequence[BidderState]) -> None:
        """Hands states over; raises what the peer refuses, PEER_UNREACHABLE and PEER_FAILED."""
        messages = map(write_bidder_state, states)
        await self.stub.RecordBidderStates(agency_sync_pb2.RecordBidderStatesRequest(bidder_states=messages))

    async def record_history_head(self, head: Head) -> None:
        """Hands over the newest head of our history; raises as above."""
        await self.stub.RecordHistoryHead(write_witness_request(SERVICE, head))
