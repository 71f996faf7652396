"""contact-notification as agency-sync sees it: has changes count at further agencies."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from typing_extensions import override

from servicekit.context import Context
from tests.support.peers.fake_peer import FakePeer
from toroku.contact.v1 import contact_notification_pb2
from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationServicer


@dataclass(kw_only=True)
class PropagatedChangesPeer(FakePeer, ContactNotificationServicer):
    """Keeps which changes count where."""

    counting: set[tuple[str, str]] = field(default_factory=set)
    change_requests: list[contact_notification_pb2.PropagateChangesRequest] = field(default_factory=list)
    unknown_changes: set[str] = field(default_factory=set)
    # Runs before each answer.
    before_answer: Callable[[], Awaitable[None]] | None = None

    def agencies_of(self, change_id: object) -> set[str]:
        """Returns the agencies at which a change counts."""
        return {agency for counting_id, agency in self.counting if counting_id == str(change_id)}

    @override
    async def PropagateChanges(
        self, request: contact_notification_pb2.PropagateChangesRequest, context: Context
    ) -> contact_notification_pb2.PropagateChangesResponse:
        self.receive("PropagateChanges")
        self.change_requests.append(request)
        pairs = {(change_id, agency.agency) for agency in request.agencies for change_id in agency.change_ids}
        if self.before_answer is not None:
            await self.before_answer()
        self.counting |= {pair for pair in pairs if pair[0] not in self.unknown_changes}
        unknown = {change_id for change_id, _ in pairs} & self.unknown_changes
        return contact_notification_pb2.PropagateChangesResponse(unknown_change_ids=sorted(unknown))
