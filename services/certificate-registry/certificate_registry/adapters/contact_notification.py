"""contact-notification as a consumer of registrations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from certificate_registry import convert
from certificate_registry.domain.registration import RegistrationEvent
from toroku.contact.v1 import contact_notification_pb2

if TYPE_CHECKING:
    from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationAsyncStub


@dataclass(frozen=True, slots=True)
class ContactNotification:
    """Reports registrations to contact-notification."""

    stub: "ContactNotificationAsyncStub"

    async def record_registration(self, event: RegistrationEvent) -> None:
        """Reports a registration; raises Refusal if the service is unreachable or refuses it."""
        await self.stub.RecordRegistration(
            contact_notification_pb2.RecordRegistrationRequest(event=convert.write_registration_event(event))
        )
