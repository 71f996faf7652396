"""The store of agency-sync against a real PostgreSQL: what each change guarantees its caller."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from agency_sync.domain.card_state import (
    AgencyRegistration,
    CardState,
    CompanyComparison,
    HolderComparison,
    KeptState,
    Origin,
    Proven,
    RegistrationState,
)
from agency_sync.domain.intention import Intention, IntentionState, KeptIntention
from agency_sync.domain.propagation import Propagation, PropagationState
from agency_sync.store import card_states, intentions, listed_intentions, propagations
from servicekit.database import Database
from servicekit.statements import Statement
from servicekit.versions import Version

pytestmark = pytest.mark.every_postgresql

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
CLAIM = timedelta(minutes=3)
FIRST = Version(1, 1)
AGE_CLAIMS = Statement(text("UPDATE intentions SET taken_until = taken_until - CAST(:duration AS interval)"))


@pytest.fixture
async def database(migrated_database: Callable[[str], str]) -> AsyncIterator[Database]:
    async with Database.open(migrated_database("agency_sync"), pool=4) as connected:
        yield connected


def card_state(registration_id: UUID, *, version: Version = FIRST) -> CardState:
    return CardState(
        certificate_sha256=sha256(registration_id.bytes).digest(),
        category="works",
        version=version,
        bidder_id="1000000001",
        is_live=True,
        is_suspended=False,
        proven=Proven(True, CompanyComparison.UNREADABLE, HolderComparison.DIFFERENT),
        registrations={"city": AgencyRegistration(registration_id, RegistrationState.GOOD, Origin.CONTRACTOR)},
    )


async def open_intention(database: Database, *, at: datetime = NOW) -> KeptIntention:
    state = card_state(uuid4())
    registration_id = state.registrations["city"].registration_id
    opened = KeptIntention(registration_id, state.key, "city", 1, IntentionState.OPEN)
    async with database.transaction() as connection:
        assert await card_states.replace_states(connection, [state]) == {state.key: None}
        await intentions.open_intentions(connection, [opened], now=at, planned_at=[at])
    return opened


async def claim_all(database: Database) -> list[Intention]:
    async with database.transaction() as connection:
        batch = await intentions.claim_open(connection, limit=500, duration=CLAIM)
    return list(batch.intentions)


async def state_of(database: Database, registration_id: UUID) -> IntentionState | None:
    async with database.read() as connection:
        intention = await listed_intentions.find_intention(connection, registration_id, "city")
    return None if intention is None else intention.state


async def claim(database: Database, *, after: timedelta = timedelta(0), limit: int = 500) -> list[UUID]:
    """Claims so much later than the claims before, and returns the registrations."""
    async with database.transaction() as connection:
        if after:
            await connection.change(AGE_CLAIMS, duration=after)
        batch = await intentions.claim_open(connection, limit=limit, duration=CLAIM)
    return [intention.registration_id for intention in batch.intentions]


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
        await card_states.replace_states(connection, [card_state(registration_id, version=stored)])
        written = await card_states.replace_states(connection, [card_state(registration_id, version=delivered)])
    assert bool(written) is is_written


async def test_kept_state_is_what_was_written(database: Database) -> None:
    opened = await open_intention(database)
    (intention,) = await claim_all(database)
    state = card_state(opened.registration_id)
    assert (intention.bidder_id, intention.proven, intention.registrations, intention.card_version) == (
        state.bidder_id,
        state.proven,
        state.registrations,
        FIRST,
    )
    async with database.transaction() as connection:
        newer = [replace(state, version=Version(1, 2)), replace(state, category="goods")]
        before = await card_states.replace_states(connection, newer)
    assert before == {
        state.key: KeptState(FIRST, frozenset({opened.registration_id})),
        (state.certificate_sha256, "goods"): None,
    }


async def test_oldest_open_intentions_are_claimed_first(database: Database) -> None:
    opened = [await open_intention(database, at=NOW - timedelta(hours=number)) for number in range(3)]
    assert set(await claim(database, limit=2)) == {opened[2].registration_id, opened[1].registration_id}
    assert await claim(database, limit=2) == [opened[0].registration_id]


async def test_claimed_intention_is_skipped_until_its_claim_expires(database: Database) -> None:
    opened = await open_intention(database)
    assert await claim(database) == [opened.registration_id]
    assert await claim(database, after=CLAIM - timedelta(seconds=5)) == []
    assert await claim(database, after=timedelta(seconds=5)) == [opened.registration_id]


async def test_claim_by_a_clock_that_was_a_month_ahead_holds_nobody_up(database: Database) -> None:
    opened = await open_intention(database)
    assert await claim(database) == [opened.registration_id]
    assert await claim(database, after=-timedelta(days=30)) == [opened.registration_id]
    assert await claim(database) == []


async def test_intention_that_another_transaction_claims_is_skipped_without_waiting(database: Database) -> None:
    await open_intention(database)
    async with database.transaction() as connection:
        assert len((await intentions.claim_open(connection, limit=500, duration=CLAIM)).intentions) == 1
        assert await claim(database) == []


async def test_refused_intention_is_claimed_alone_when_no_other_is_free(database: Database) -> None:
    refused, *fresh = [await open_intention(database, at=NOW - timedelta(hours=number)) for number in (9, 2, 1)]
    claimed = {intention.registration_id: intention for intention in await claim_all(database)}
    async with database.transaction() as connection:

        async def claim_some(limit: int) -> tuple[Sequence[Intention], bool]:
            batch = await intentions.claim_open(connection, limit=limit, duration=CLAIM)
            return batch.intentions, batch.may_have_more

        await intentions.postpone(connection, claimed[refused.registration_id], "INTERNAL_FAILURE")
        await intentions.release(connection, [claimed[each.registration_id] for each in fresh])
        assert await claim_some(1) == ([claimed[fresh[0].registration_id]], True)
        # It is not due yet.
        assert await claim_some(2) == ([claimed[fresh[1].registration_id]], False)
        assert await claim_some(2) == ([], False)
        await intentions.release(connection, [claimed[fresh[0].registration_id]])
        await connection.execute("UPDATE intentions SET due_at = now() - interval '1 second' WHERE due_at IS NOT NULL")
        assert await claim_some(2) == ([claimed[fresh[0].registration_id]], True)
        assert await claim_some(2) == ([replace(claimed[refused.registration_id], was_refused=True)], True)
        assert await claim_some(2) == ([], False)


async def test_released_intention_can_be_claimed_at_once(database: Database) -> None:
    opened = await open_intention(database)
    claimed = await claim_all(database)
    async with database.transaction() as connection:
        await intentions.release(connection, claimed)
    assert await claim(database) == [opened.registration_id]


async def test_intention_that_was_opened_anew_is_not_closed(database: Database) -> None:
    opened = await open_intention(database)
    carried_out = await claim_all(database)
    async with database.transaction() as connection:
        await intentions.open_intentions(connection, [replace(opened, epoch=2)], now=NOW, planned_at=[NOW])
        await intentions.close(connection, carried_out, now=NOW)
    assert await claim(database) == [opened.registration_id]


@pytest.mark.parametrize("state", [IntentionState.WAITING, IntentionState.DONE])
async def test_intention_that_is_no_longer_open_is_neither_claimed_nor_changed_by_a_worker(
    database: Database, state: IntentionState
) -> None:
    opened = await open_intention(database)
    claimed = await claim_all(database)
    async with database.transaction() as connection:
        await intentions.change_states(connection, [replace(opened, state=state)], now=NOW)
        await intentions.wait(connection, claimed)
        await intentions.close(connection, claimed, now=NOW)
    assert await state_of(database, opened.registration_id) is state
    assert await claim(database, after=CLAIM) == []


@pytest.mark.parametrize("is_newer", [False, True])
async def test_intention_waits_unless_its_card_has_a_newer_state(database: Database, is_newer: bool) -> None:
    opened = await open_intention(database)
    claimed = await claim_all(database)
    async with database.transaction() as connection:
        if is_newer:
            await card_states.replace_states(connection, [card_state(opened.registration_id, version=Version(1, 2))])
        await intentions.wait(connection, claimed)
    assert await state_of(database, opened.registration_id) is (
        IntentionState.OPEN if is_newer else IntentionState.WAITING
    )
    assert await claim(database) == ([opened.registration_id] if is_newer else [])


async def test_intention_of_another_agency_is_not_found(database: Database) -> None:
    opened = await open_intention(database)
    async with database.read() as connection:
        assert await listed_intentions.find_intention(connection, opened.registration_id, "town") is None
        assert await listed_intentions.find_intention(connection, uuid4(), "city") is None


async def test_propagation_that_is_done_stays_done(database: Database) -> None:
    opened, target = await open_intention(database), uuid4()
    done = Propagation(opened.registration_id, "town", PropagationState.DONE, "", target, NOW)
    late = Propagation(opened.registration_id, "town", PropagationState.REFUSED, "CARD_NOT_GOOD", None, NOW)
    async with database.transaction() as connection:
        await propagations.record_propagations(connection, [late], now=NOW)
        await propagations.record_propagations(connection, [done], now=NOW)
        await propagations.record_propagations(connection, [late], now=NOW)
        assert await propagations.list_propagations(connection, [opened.registration_id]) == [done]


async def test_empty_batch_is_no_error(database: Database) -> None:
    async with database.transaction() as connection:
        await propagations.record_propagations(connection, [], now=NOW)
        await intentions.close(connection, [], now=NOW)
        await intentions.wait(connection, [])
        await intentions.change_states(connection, [], now=NOW)
        await intentions.open_intentions(connection, [], now=NOW, planned_at=[])
        await propagations.forget_propagations(connection, [])
        assert await card_states.replace_states(connection, []) == {}
        assert await intentions.lock_by_card(connection, []) == []


async def test_thirty_thousand_states_are_recorded_with_one_statement(database: Database) -> None:
    states = [
        Propagation(uuid4(), f"agency-{agency}", PropagationState.DONE, "", uuid4(), NOW)
        for _ in range(500)
        for agency in range(60)
    ]
    async with database.transaction() as connection:
        await propagations.record_propagations(connection, states, now=NOW)
        assert await connection.fetch_value(Statement(text("SELECT count(*) FROM propagations"))) == len(states)
