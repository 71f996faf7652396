"""Incidents as a peer tells them: what is kept of them, and what is refused."""

from typing import Any

import pytest

from certificate_registry.convert.incident import MOST_INCIDENTS, read_incidents
from refusals import Refusal
from toroku.certificate.v1.incidents_pb2 import Incident, RecordIncidentsRequest

GOOD: dict[str, Any] = {
    "incident_id": "0c9f6a9e-6f0e-4c0a-9a55-0c9f6a9e6f0e",
    "inquiry_number": "ab" * 16,
    "reason": "BIDDER_NOT_FOUND",
}


def test_unknown_card_and_bidder_are_none() -> None:
    (incident,) = read_incidents(RecordIncidentsRequest(incidents=[Incident(**GOOD)]), "portal")

    assert (incident.reported_by, incident.certificate_sha256, incident.bidder_id) == ("portal", None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [("incident_id", "1"), ("inquiry_number", "AB" * 16), ("inquiry_number", ""), ("certificate_sha256", b"short")],
)
def test_malformed_incident_is_refused_with_its_place_and_field(field: str, value: str | bytes) -> None:
    incidents = [Incident(**GOOD), Incident(**(GOOD | {field: value}))]

    with pytest.raises(Refusal) as refused:
        read_incidents(RecordIncidentsRequest(incidents=incidents), "portal")

    assert [violation.field for violation in refused.value.violations] == [f"incidents[1].{field}"]


def test_more_incidents_than_a_call_may_have_are_refused() -> None:
    incidents = [Incident(**GOOD)] * (MOST_INCIDENTS + 1)

    with pytest.raises(Refusal, match="INPUT_TOO_MANY"):
        read_incidents(RecordIncidentsRequest(incidents=incidents), "portal")
