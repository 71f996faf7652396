"""agency-sync as a consumer of registrations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from certificate_registry import convert
from certificate_registry.domain.registration import RegistrationEvent
from toroku.agencysync.v1 import agency_sync_pb2

if TYPE_CHECKING:
    from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncAsyncStub


@dataclass(frozen=True, slots=True)
class AgencySync:
    """Reports registrations to agency-sync."""

    stub: "AgencySyncAsyncStub"

    async def record_registration(self, event: RegistrationEvent) -> None:
        """Reports a registration; raises Refusal if the service is unreachable or refuses it."""
        await self.stub.RecordRegistration(
            agency_sync_pb2.RecordRegistrationRequest(event=convert.write_registration_event(event))
        )
