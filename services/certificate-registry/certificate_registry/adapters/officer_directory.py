"""The services that keep the officers: each serves toroku.officer.v1.OfficerDirectory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from certificate_registry.convert import officers as convert
from certificate_registry.domain.officer import Officer
from toroku.officer.v1 import officer_directory_pb2

if TYPE_CHECKING:
    from toroku.officer.v1.officer_directory_pb2_grpc import OfficerDirectoryAsyncStub


@dataclass(frozen=True, slots=True)
class OfficerDirectory:
    """Tells one service the states of officers."""

    stub: "OfficerDirectoryAsyncStub"

    async def record_officers(self, officers: Sequence[Officer]) -> None:
        """Hands states over; raises Refusal if the service is unreachable or refuses them."""
        messages = [convert.write_state(officer) for officer in officers]
        await self.stub.RecordOfficers(officer_directory_pb2.RecordOfficersRequest(officers=messages))
