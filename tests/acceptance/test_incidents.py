"""What a help desk will find by the number on a contractor's screen (照会番号)."""

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from refusals import Refusal
from tests.support.running_instance import RunningInstance


async def test_refused_search_is_on_record_with_number_card_and_reason_and_nothing_typed(
    instance: RunningInstance,
) -> None:
    trace = "c7" * 16
    contractor = instance.contractor()
    contractor.traceparent = f"00-{trace}-{'6b' * 8}-00"
    await contractor.enter()
    with pytest.raises(Refusal, match="BIDDER_NOT_FOUND"):
        await contractor.find(password="Wrong0Pw")

    incidents = await find_incidents(instance, trace)

    (incident,) = incidents
    assert (incident["reported_by"], incident["operation"], incident["step"]) == (
        "front-door",
        "Registration",
        "FindBidder",
    )
    assert (incident["agency"], incident["category"]) == (contractor.agency, contractor.category)
    assert incident["certificate_sha256"] == contractor.card.sha256
    assert incident["reason"] == "BIDDER_NOT_FOUND"
    for typed in (contractor.company_name, contractor.bidder_id, "Wrong0Pw"):
        assert typed not in str(incident)


async def find_incidents(instance: RunningInstance, number: str) -> list[Mapping[str, Any]]:
    """Waits until there is an incident with this number, and returns all of them."""
    dsn = instance.launched.services["certificate-registry"].database
    assert dsn is not None

    async def read() -> list[Mapping[str, Any]]:
        async with await psycopg.AsyncConnection.connect(dsn, row_factory=dict_row) as connection:
            rows = await connection.execute("SELECT * FROM incident WHERE inquiry_number = %s", [number])
            return [dict(row) for row in await rows.fetchall()]

    return await instance.poll(read, bool)
