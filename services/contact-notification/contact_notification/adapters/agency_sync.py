"""agency-sync as a consumer of owners' states and as a witness of our history."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contact_notification.convert.owner_states import write_owner_state
from contact_notification.domain.owner_state import OwnerState
from history.convert import write_witness_request
from history.heads import Head
from toroku.agencysync.v1 import agency_sync_pb2

if TYPE_CHECKING:
    from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncAsyncStub

SERVICE = "contact-notification"


@dataclass(frozen=True, slots=True)
class AgencySync:
    """Tells agency-sync the states of contacts' owners."""

    stub: "AgencySyncAsyncStub"

    async def record_contact_owners(self, states: Sequence[OwnerState]) -> None:
        """Hands states over; raises what the peer refuses, PEER_UNREACHABLE and PEER_FAILED."""
        messages = map(write_owner_state, states)
        await self.stub.RecordContactOwners(agency_sync_pb2.RecordContactOwnersRequest(owners=messages))

    async def record_history_head(self, head: Head) -> None:
        """Hands over the newest head of our history; raises as above."""
        await self.stub.RecordHistoryHead(write_witness_request(SERVICE, head))
