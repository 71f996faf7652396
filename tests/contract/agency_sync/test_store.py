"""The store of agency-sync against a real PostgreSQL: what each change promises its caller."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from agency_sync import store
from agency_sync.domain import Intention, Propagation, PropagationState, Registration, Timing, Version
from servicekit.database import Database

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
HOLD = timedelta(minutes=3)
FIRST = Version(1, 1)


@pytest.fixture
async def database(migrated_database: Callable[[str], str]) -> AsyncIterator[Database]:
    async with Database.open(migrated_database("agency_sync"), pool=4) as opened:
        yield opened


def registration(registration_id: UUID | None = None, *, version: Version = FIRST) -> Registration:
    registration_id = registration_id or uuid4()
    return Registration(registration_id, "city", "works", b"\x01" * 32, "1000000001", NOW, False, version)


async def intended(database: Database, *, timing: Timing = Timing.AT_ONCE, at: datetime = NOW) -> Registration:
    made = registration()
    async with database.transaction() as connection:
        assert await store.record_registration(connection, made)
        await store.intend(connection, made, timing, now=at)
    return made


async def taken(database: Database, *, now: datetime = NOW, most: int = 500) -> list[UUID]:
    async with database.transaction() as connection:
        found = await store.take_open(connection, Timing.AT_ONCE, most=most, now=now, hold=HOLD)
    return [intention.registration_id for intention in found]


@pytest.mark.parametrize(
    ("held", "told", "is_taken"),
    [
        (Version(1, 2), Version(1, 2), False),
        (Version(1, 2), Version(1, 1), False),
        (Version(1, 2), Version(1, 3), True),
        (Version(1, 9), Version(2, 1), True),
        (Version(2, 1), Version(1, 9), False),
    ],
)
async def test_only_a_higher_version_is_taken(database: Database, held: Version, told: Version, is_taken: bool) -> None:
    registration_id = uuid4()
    async with database.transaction() as connection:
        assert await store.record_registration(connection, registration(registration_id, version=held))
        assert await store.record_registration(connection, registration(registration_id, version=told)) is is_taken


async def test_the_oldest_open_intentions_are_taken_first(database: Database) -> None:
    made = [await intended(database, at=NOW - timedelta(hours=number)) for number in range(3)]
    assert set(await taken(database, most=2)) == {made[2].registration_id, made[1].registration_id}
    assert await taken(database, most=2) == [made[0].registration_id]


async def test_what_is_taken_is_passed_over_until_its_time_is_over(database: Database) -> None:
    made = await intended(database)
    assert await taken(database) == [made.registration_id]
    assert await taken(database, now=NOW + HOLD - timedelta(seconds=1)) == []
    assert await taken(database, now=NOW + HOLD) == [made.registration_id]


async def test_what_another_transaction_is_taking_is_passed_over_without_waiting(database: Database) -> None:
    await intended(database)
    async with database.transaction() as connection:
        assert len(await store.take_open(connection, Timing.AT_ONCE, most=500, now=NOW, hold=HOLD)) == 1
        assert await taken(database) == []


async def test_what_is_given_back_can_be_taken_at_once(database: Database) -> None:
    made = await intended(database)
    async with database.transaction() as connection:
        found = await store.take_open(connection, Timing.AT_ONCE, most=500, now=NOW, hold=HOLD)
        await store.give_back(connection, found)
    assert await taken(database) == [made.registration_id]


async def test_what_is_meant_for_the_night_is_not_taken_at_once(database: Database) -> None:
    await intended(database, timing=Timing.NIGHT)
    assert await taken(database) == []


async def test_only_the_version_that_was_carried_out_is_closed(database: Database) -> None:
    made = await intended(database)
    carried_out = Intention(made.registration_id, "city", "works", "1000000001", Version(1, 1))
    newer = registration(made.registration_id, version=Version(1, 2))
    async with database.transaction() as connection:
        await store.record_registration(connection, newer)
        await store.intend(connection, newer, Timing.AT_ONCE, now=NOW)
        await store.close(connection, [carried_out], now=NOW)
    assert await taken(database) == [made.registration_id]


async def test_what_is_done_stays_done(database: Database) -> None:
    made, target = await intended(database), uuid4()
    done = Propagation(made.registration_id, "town", PropagationState.DONE, "", target, NOW)
    late = Propagation(made.registration_id, "town", PropagationState.REFUSED, "CARD_NOT_GOOD", None, NOW)
    async with database.transaction() as connection:
        await store.record_propagations(connection, [late], now=NOW)
        await store.record_propagations(connection, [done], now=NOW)
        await store.record_propagations(connection, [late], now=NOW)
        assert await store.propagations_of(connection, made.registration_id) == [done]


async def test_nothing_to_record_is_no_error(database: Database) -> None:
    async with database.transaction() as connection:
        await store.record_propagations(connection, [], now=NOW)
        await store.close(connection, [], now=NOW)


async def test_thirty_thousand_states_go_in_with_one_statement(database: Database) -> None:
    found = [
        Propagation(uuid4(), f"agency-{agency}", PropagationState.DONE, "", uuid4(), NOW)
        for _ in range(500)
        for agency in range(60)
    ]
    async with database.transaction() as connection:
        await store.record_propagations(connection, found, now=NOW)
        assert await connection.scalar(text("SELECT count(*) FROM propagations")) == len(found)
