"""contact-notification as a consumer of card states and the sender of notices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from certificate_registry.convert import notices as notice_messages
from certificate_registry.convert import officers as officer_messages
from certificate_registry.convert import registry as convert
from certificate_registry.domain.card_state import CardState
from certificate_registry.domain.notice import Notice
from certificate_registry.domain.officer_notice import OfficerNotice
from toroku.contact.v1 import contact_notification_pb2

if TYPE_CHECKING:
    from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationAsyncStub


@dataclass(frozen=True, slots=True)
class ContactNotification:
    """Tells contact-notification the states of cards, and has it send notices."""

    stub: "ContactNotificationAsyncStub"

    async def record_card_states(self, states: Sequence[CardState]) -> None:
        """Hands states over; raises Refusal if the service is unreachable or refuses them."""
        messages = [convert.write_card_state(state) for state in states]
        await self.stub.RecordCardStates(contact_notification_pb2.RecordCardStatesRequest(card_states=messages))

    async def send_notices(self, notices: Sequence[Notice]) -> None:
        """Hands notices over; raises Refusal if the service is unreachable or refuses one, and then takes none."""
        messages = [notice_messages.write_notice(notice) for notice in notices]
        await self.stub.SendNotices(contact_notification_pb2.SendNoticesRequest(notices=messages))

    async def send_officer_notices(self, notices: Sequence[OfficerNotice]) -> None:
        """Hands notices to officers over; raises as `send_notices`."""
        messages = [officer_messages.write_notice(notice) for notice in notices]
        await self.stub.SendNotices(contact_notification_pb2.SendNoticesRequest(notices=messages))
