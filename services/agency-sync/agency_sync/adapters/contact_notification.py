"""contact-notification, which has changes count at further agencies."""

from collections.abc import Set
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from agency_sync.convert import agency_sync as convert
from agency_sync.domain.propagation import Plan

if TYPE_CHECKING:
    from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationAsyncStub


@dataclass(frozen=True, slots=True)
class ContactNotification:
    """The calls to contact-notification."""

    stub: "ContactNotificationAsyncStub"

    async def propagate_changes(self, plan: Plan, *, deadline: float) -> Set[UUID]:
        """Has the requested changes of a plan count at their agencies, and returns those that are not known there.

        The same plan again changes nothing. `deadline` is in seconds. Raises PEER_UNREACHABLE, PEER_FAILED.
        """
        response = await self.stub.PropagateChanges(convert.write_changes_request(plan), timeout=deadline)
        return convert.read_unknown_changes(response)
