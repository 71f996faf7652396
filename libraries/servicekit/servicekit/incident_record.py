"""certificate-registry, as the record of what was refused to contractors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servicekit.incidents import Incident
from servicekit.messages import write_timestamp
from toroku.certificate.v1 import incidents_pb2

if TYPE_CHECKING:
    from toroku.certificate.v1.incidents_pb2_grpc import IncidentsAsyncStub

# Seconds: nobody waits for it.
_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """The record of incidents, over its stub."""

    stub: "IncidentsAsyncStub"

    async def send(self, incidents: Sequence[Incident]) -> None:
        """Records incidents; raises Refusal."""
        request = incidents_pb2.RecordIncidentsRequest(incidents=map(_write_incident, incidents))
        await self.stub.RecordIncidents(request, timeout=_TIMEOUT)


def _write_incident(incident: Incident) -> incidents_pb2.Incident:
    return incidents_pb2.Incident(
        incident_id=str(incident.incident_id),
        inquiry_number=incident.inquiry_number,
        happened_at=write_timestamp(incident.happened_at),
        operation=incident.operation,
        step=incident.step,
        agency=incident.agency,
        category=incident.category,
        certificate_sha256=incident.certificate_sha256,
        bidder_id=incident.bidder_id,
        reason=incident.reason,
        metadata=incident.metadata,
        fields=incident.fields,
    )
