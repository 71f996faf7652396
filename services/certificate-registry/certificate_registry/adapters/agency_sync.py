"""agency-sync as a consumer of card states."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from certificate_registry.convert import registry as convert
from certificate_registry.domain.card_state import CardState
from history.convert import write_witness_request
from history.heads import Head
from toroku.agencysync.v1 import agency_sync_pb2

if TYPE_CHECKING:
    from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncAsyncStub

SERVICE = "certificate-registry"


@dataclass(frozen=True, slots=True)
class AgencySync:
    """Tells agency-sync the states of cards."""

    stub: "AgencySyncAsyncStub"

    async def record_card_states(self, states: Sequence[CardState]) -> None:
        """Hands states over; raises Refusal if the service is unreachable or refuses them."""
        messages = [convert.write_card_state(state) for state in states]
        await self.stub.RecordCardStates(agency_sync_pb2.RecordCardStatesRequest(card_states=messages))

    async def record_history_head(self, head: Head) -> None:
        """Hands over the newest head of our history; raises as above."""
        await self.stub.RecordHistoryHead(write_witness_request(SERVICE, head))
