"""Incidents from messages."""

import re
from datetime import UTC
from uuid import UUID

from certificate_registry.domain.incident import Incident
from instance_profile.base import Text
from refusals import Code, Refusal, Violation
from toroku.certificate.v1 import incidents_pb2

MOST_INCIDENTS = 200
_INQUIRY_NUMBER = re.compile(r"[0-9a-f]{32}")
_FORMS = {
    "incident_id": Text(ja="UUIDを指定してください。", en="Give a UUID."),
    "inquiry_number": Text(ja="16進数32桁を指定してください。", en="Give 32 hexadecimal digits."),
    "certificate_sha256": Text(ja="32バイトを指定するか、空にしてください。", en="Give 32 bytes, or none."),
}


def read_incidents(request: incidents_pb2.RecordIncidentsRequest, reported_by: str) -> list[Incident]:
    """Returns the incidents of a request by this service. Raises INPUT_TOO_MANY and FIELDS_INVALID."""
    if len(request.incidents) > MOST_INCIDENTS:
        raise Refusal("INPUT_TOO_MANY", Code.INVALID_ARGUMENT, {"most": str(MOST_INCIDENTS)})
    return [_read_incident(incident, place, reported_by) for place, incident in enumerate(request.incidents)]


def _read_incident(incident: incidents_pb2.Incident, place: int, reported_by: str) -> Incident:
    try:
        incident_id = UUID(incident.incident_id)
    except ValueError:
        raise _refuse(place, "incident_id") from None
    if not _INQUIRY_NUMBER.fullmatch(incident.inquiry_number):
        raise _refuse(place, "inquiry_number")
    if len(incident.certificate_sha256) not in (0, 32):
        raise _refuse(place, "certificate_sha256")
    return Incident(
        incident_id=incident_id,
        inquiry_number=incident.inquiry_number,
        happened_at=incident.happened_at.ToDatetime(UTC),
        reported_by=reported_by,
        operation=incident.operation,
        step=incident.step,
        agency=incident.agency,
        category=incident.category,
        certificate_sha256=incident.certificate_sha256 or None,
        bidder_id=incident.bidder_id or None,
        reason=incident.reason,
        metadata=dict(incident.metadata),
        fields=dict(incident.fields),
    )


def _refuse(place: int, field: str) -> Refusal:
    hint = {"hint_ja": _FORMS[field].ja, "hint_en": _FORMS[field].en}
    violation = Violation(f"incidents[{place}].{field}", "FIELD_PATTERN_DIFFERS", hint)
    return Refusal("FIELDS_INVALID", Code.INVALID_ARGUMENT, {}, [violation])
