"""Incidents on their way to the record: what strangers can cause, and a record that is away."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from refusals import Code, Refusal
from servicekit import incidents
from servicekit.incidents import Incident, IncidentLog, note_subject


def new_incident() -> Incident:
    return Incident(
        incident_id=uuid4(),
        inquiry_number="a" * 32,
        happened_at=datetime(2026, 12, 1, tzinfo=UTC),
        operation="Registration",
        step="FindBidder",
        agency="",
        category="",
        certificate_sha256=b"",
        bidder_id="",
        reason="BIDDER_NOT_FOUND",
        metadata={},
        fields={},
    )


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidents, "_PAUSE", 0.0)
    monkeypatch.setattr(incidents, "_PAUSE_AFTER_FAILURE", 0.0)


async def test_each_incident_is_sent_once() -> None:
    sent: list[Incident] = []

    async def send(portion: Sequence[Incident]) -> None:
        sent.extend(portion)

    record = IncidentLog(send)
    noted = [new_incident() for _ in range(5)]
    async with record.running():
        for incident in noted:
            record.note(incident)
            await asyncio.sleep(0)

    assert sent == noted


async def test_strangers_cause_two_hundred_at_once_and_a_proven_card_is_still_on_record() -> None:
    sent: list[Incident] = []

    async def send(portion: Sequence[Incident]) -> None:
        sent.extend(portion)

    record = IncidentLog(send)
    last = new_incident()
    async with record.running():
        for _ in range(1_000):
            record.note(new_incident())
        note_subject(b"c" * 32)
        record.note(last)

    assert len(sent) == 201
    assert sent[-1] == last


async def test_record_that_is_away_costs_its_incidents_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async def send(_: Sequence[Incident]) -> None:
        raise Refusal("PEER_UNREACHABLE", Code.UNAVAILABLE)

    record = IncidentLog(send)
    with caplog.at_level(logging.WARNING):
        async with record.running():
            record.note(new_incident())

    assert "1 incidents are not on record for the help desk: PEER_UNREACHABLE" in caplog.text
