"""The store of agency-sync against a real PostgreSQL: what each change guarantees its caller."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from agency_sync.domain.intention import Intention, Timing
from agency_sync.domain.propagation import Propagation, PropagationState
from agency_sync.domain.registration import Registration
from agency_sync.store import intentions, propagations, registrations
from servicekit.database import Database
from servicekit.versions import Version

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
CLAIM = timedelta(minutes=3)
FIRST = Version(1, 1)


@pytest.fixture
async def database(migrated_database: Callable[[str], str]) -> AsyncIterator[Database]:
    async with Database.open(migrated_database("agency_sync"), pool=4) as connected:
        yield connected


def registration(registration_id: UUID | None = None, *, version: Version = FIRST) -> Registration:
    registration_id = registration_id or uuid4()
    return Registration(registration_id, "city", "works", b"\x01" * 32, "1000000001", NOW, False, version)


async def open_intention(database: Database, *, timing: Timing = Timing.AT_ONCE, at: datetime = NOW) -> Registration:
    opened = registration()
    async with database.transaction() as connection:
        assert await registrations.record_registration(connection, opened)
        await intentions.open_intention(connection, opened, timing, now=at)
    return opened


async def claim(database: Database, *, now: datetime = NOW, limit: int = 500) -> list[UUID]:
    async with database.transaction() as connection:
        claimed = await intentions.claim_open(connection, Timing.AT_ONCE, limit=limit, now=now, duration=CLAIM)
    return [intention.registration_id for intention in claimed]


@pytest.mark.parametrize(
    ("stored", "delivered", "is_written"),
    [
        (Version(1, 2), Version(1, 2), False),
        (Version(1, 2), Version(1, 1), False),
        (Version(1, 2), Version(1, 3), True),
        (Version(1, 9), Version(2, 1), True),
        (Version(2, 1), Version(1, 9), False),
    ],
)
async def test_only_a_higher_version_is_written(
    database: Database, stored: Version, delivered: Version, is_written: bool
) -> None:
    registration_id = uuid4()
    async with database.transaction() as connection:
        assert await registrations.record_registration(connection, registration(registration_id, version=stored))
        assert (
            await registrations.record_registration(connection, registration(registration_id, version=delivered))
            is is_written
        )


async def test_oldest_open_intentions_are_claimed_first(database: Database) -> None:
    opened = [await open_intention(database, at=NOW - timedelta(hours=number)) for number in range(3)]
    assert set(await claim(database, limit=2)) == {opened[2].registration_id, opened[1].registration_id}
    assert await claim(database, limit=2) == [opened[0].registration_id]


async def test_claimed_intention_is_skipped_until_its_claim_expires(database: Database) -> None:
    opened = await open_intention(database)
    assert await claim(database) == [opened.registration_id]
    assert await claim(database, now=NOW + CLAIM - timedelta(seconds=1)) == []
    assert await claim(database, now=NOW + CLAIM) == [opened.registration_id]


async def test_intention_that_another_transaction_claims_is_skipped_without_waiting(database: Database) -> None:
    await open_intention(database)
    async with database.transaction() as connection:
        assert len(await intentions.claim_open(connection, Timing.AT_ONCE, limit=500, now=NOW, duration=CLAIM)) == 1
        assert await claim(database) == []


async def test_released_intention_can_be_claimed_at_once(database: Database) -> None:
    opened = await open_intention(database)
    async with database.transaction() as connection:
        claimed = await intentions.claim_open(connection, Timing.AT_ONCE, limit=500, now=NOW, duration=CLAIM)
        await intentions.release(connection, claimed)
    assert await claim(database) == [opened.registration_id]


async def test_intention_for_the_night_is_not_claimed_at_once(database: Database) -> None:
    await open_intention(database, timing=Timing.NIGHT)
    assert await claim(database) == []


async def test_only_the_version_that_was_carried_out_is_closed(database: Database) -> None:
    opened = await open_intention(database)
    carried_out = Intention(opened.registration_id, "city", "works", "1000000001", Version(1, 1))
    newer = registration(opened.registration_id, version=Version(1, 2))
    async with database.transaction() as connection:
        await registrations.record_registration(connection, newer)
        await intentions.open_intention(connection, newer, Timing.AT_ONCE, now=NOW)
        await intentions.close(connection, [carried_out], now=NOW)
    assert await claim(database) == [opened.registration_id]


async def test_propagation_that_is_done_stays_done(database: Database) -> None:
    opened, target = await open_intention(database), uuid4()
    done = Propagation(opened.registration_id, "town", PropagationState.DONE, "", target, NOW)
    late = Propagation(opened.registration_id, "town", PropagationState.REFUSED, "CARD_NOT_GOOD", None, NOW)
    async with database.transaction() as connection:
        await propagations.record_propagations(connection, [late], now=NOW)
        await propagations.record_propagations(connection, [done], now=NOW)
        await propagations.record_propagations(connection, [late], now=NOW)
        assert await propagations.list_propagations(connection, opened.registration_id) == [done]


async def test_empty_batch_is_no_error(database: Database) -> None:
    async with database.transaction() as connection:
        await propagations.record_propagations(connection, [], now=NOW)
        await intentions.close(connection, [], now=NOW)


async def test_thirty_thousand_states_are_recorded_with_one_statement(database: Database) -> None:
    states = [
        Propagation(uuid4(), f"agency-{agency}", PropagationState.DONE, "", uuid4(), NOW)
        for _ in range(500)
        for agency in range(60)
    ]
    async with database.transaction() as connection:
        await propagations.record_propagations(connection, states, now=NOW)
        assert await connection.scalar(text("SELECT count(*) FROM propagations")) == len(states)
