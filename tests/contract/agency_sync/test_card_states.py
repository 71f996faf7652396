"""States of cards: the highest version counts, a new registration is propagated once, suspensions wait, ends void."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import permutations
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from servicekit.statements import Statement
from tests.support.example_profile import CITY, PREFECTURE, TOWN, VILLAGE, example_profile
from tests.support.services.agency_sync import (
    RunningAgencySync,
    agency_registration,
    card_state,
    running_agency_sync,
)
from toroku.certificate.v1 import card_pb2, card_state_pb2

SUSPENDED = card_state_pb2.REGISTRATION_STATE_SUSPENDED
PROPAGATED = card_pb2.REGISTRATION_ORIGIN_PROPAGATION
NOT_GOOD_ANYWHERE = {agency: ("REFUSED", "CARD_NOT_GOOD") for agency in (CITY, TOWN, VILLAGE)}
WAITING_EVERYWHERE = {agency: ("PLANNED", "PROPAGATION_SUSPENDED") for agency in (CITY, TOWN, VILLAGE)}

RUNS = Statement(
    text(
        "SELECT coalesce(sum(generic_plans + custom_plans), 0) FROM pg_prepared_statements "
        "WHERE statement NOT LIKE '%pg_prepared_statements%'"
    )
)


@pytest.fixture
async def sync(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningAgencySync]:
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, example_profile()) as running:
        await running.qualify(PREFECTURE, CITY, TOWN, VILLAGE)
        yield running


async def intention_states(sync: RunningAgencySync) -> list[str]:
    return [state for (state,) in await sync.rows("SELECT state FROM intentions ORDER BY state")]


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
async def test_newest_state_counts_in_whatever_order_states_arrive(
    sync: RunningAgencySync, order: tuple[int, ...]
) -> None:
    registration_id = uuid4()
    states = {
        1: card_state(registration_id, number=1),
        2: card_state(registration_id, number=2, suspended=True),
        3: card_state(registration_id, number=3, more=[agency_registration(VILLAGE, origin=PROPAGATED)]),
    }
    for number in order:
        await sync.record(states[number])
    assert await sync.rows(
        "SELECT version_epoch, version_number, is_suspended, (SELECT count(*) FROM jsonb_object_keys(registrations)) "
        "FROM card_states"
    ) == [(1, 3, False, 2)]
    assert await intention_states(sync) == ["open"]
    await sync.propagate()
    assert sync.certificate_registry.agencies_of(registration_id) == {CITY, TOWN}


async def test_newest_state_of_a_card_in_one_list_counts(sync: RunningAgencySync) -> None:
    registration_id = uuid4()
    await sync.record(
        card_state(registration_id, number=2, suspended=True),
        card_state(registration_id, number=3),
        card_state(registration_id, number=1),
    )
    assert await sync.rows("SELECT version_number FROM card_states") == [(3,)]
    assert await intention_states(sync) == ["open"]


async def count_statements(sync: RunningAgencySync) -> int:
    """Returns how many statements the service ran on its connection, without these questions."""
    async with sync.database.read() as connection:
        number: int = await connection.fetch_value(RUNS)
        return number


@pytest.mark.every_postgresql
async def test_list_of_five_hundred_states_takes_a_handful_of_statements(sync: RunningAgencySync) -> None:
    further = [f"agency-{number}" for number in range(60)]
    states = [
        card_state(more=[agency_registration(agency, origin=PROPAGATED) for agency in further]) for _ in range(500)
    ]
    before = await count_statements(sync)
    await sync.record(states[0])
    alone = await count_statements(sync) - before
    await sync.record(*states[1:])
    assert await count_statements(sync) - before - alone <= 15 >= alone
    assert await sync.rows("SELECT count(*) FROM card_states") == [(500,)]
    assert await intention_states(sync) == ["open"] * 500
    # Also what one transaction could not append to the feeds.
    assert await sync.jobs_waiting() == 3


async def test_concurrent_lists_of_the_same_cards_do_not_deadlock(sync: RunningAgencySync) -> None:
    ids = [uuid4() for _ in range(50)]
    async with asyncio.timeout(60):
        await asyncio.gather(
            *(
                sync.record(*(card_state(one, number=number, suspended=number % 2 == 1) for one in order))
                for number, order in enumerate((ids, ids[::-1], ids, ids[::-1], ids, ids[::-1]), start=1)
            )
        )
    assert await sync.rows("SELECT DISTINCT version_number FROM card_states") == [(6,)]
    assert await intention_states(sync) == ["open"] * 50


async def test_states_and_a_worker_at_the_same_cards_do_not_deadlock(sync: RunningAgencySync) -> None:
    ids = [uuid4() for _ in range(50)]
    await sync.record(*(card_state(one, number=1) for one in ids))
    async with asyncio.timeout(60):
        await asyncio.gather(
            sync.propagate(),
            *(
                sync.record(*(card_state(one, number=number, suspended=number % 2 == 0) for one in order))
                for number, order in enumerate((ids, ids[::-1], ids, ids[::-1]), start=2)
            ),
        )
    await sync.propagate()
    assert await intention_states(sync) == ["done"] * 50
    assert len(sync.certificate_registry.propagated) == 3 * 50


async def test_registration_that_a_later_state_adds_is_propagated_and_others_are_not_again(
    sync: RunningAgencySync,
) -> None:
    first, second = uuid4(), uuid4()
    await sync.record(card_state(first, number=1))
    await sync.propagate()
    await sync.record(
        card_state(
            first,
            number=2,
            more=[agency_registration(TOWN, second), agency_registration(CITY, origin=PROPAGATED)],
        )
    )
    await sync.propagate()
    assert [
        {one for propagation in request.agencies for one in propagation.registration_ids}
        for request in sync.certificate_registry.propagation_requests
    ] == [{str(first)}, {str(second)}]


async def test_instance_that_begins_to_propagate_leaves_older_registrations_alone(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn, first, second = migrated_database("agency_sync"), uuid4(), uuid4()
    async with running_agency_sync(dsn, tmp_path, example_profile(propagation="none")) as sync:
        await sync.record(card_state(first, number=1))
    async with running_agency_sync(dsn, tmp_path, example_profile()) as sync:
        await sync.record(card_state(first, number=2, more=[agency_registration(TOWN, second)]))
        assert await sync.rows("SELECT registration_id, state FROM intentions") == [(second, "open")]


async def test_higher_epoch_opens_every_registration_of_the_card_again(sync: RunningAgencySync) -> None:
    first, second = uuid4(), uuid4()
    more = [agency_registration(TOWN, second)]
    await sync.record(card_state(first, epoch=1, number=7, more=more))
    await sync.propagate()
    assert await intention_states(sync) == ["done", "done"]
    await sync.qualify(PREFECTURE, TOWN, VILLAGE)
    await sync.record(card_state(first, epoch=2, number=1, more=more))
    await sync.record(card_state(first, epoch=2, number=2, more=more))
    assert await intention_states(sync) == ["open", "open"]
    assert (await sync.propagations(first))[VILLAGE] == ("PLANNED", "")
    await sync.propagate()
    assert len(sync.certificate_registry.propagation_requests) == 2
    # Decided anew: what the restored registry no longer has does not go on being shown as done.
    assert (await sync.propagations(first))[CITY] == ("REFUSED", "BIDDER_NOT_QUALIFIED")


@pytest.mark.parametrize("where", ["card", "source"])
async def test_suspended_registration_waits_and_is_propagated_when_the_suspension_ends(
    sync: RunningAgencySync, where: str
) -> None:
    registration_id, other = uuid4(), uuid4()
    suspended = (
        card_state(registration_id, number=2, suspended=True)
        if where == "card"
        else card_state(registration_id, number=2, state=SUSPENDED)
    )
    await sync.record(card_state(registration_id, number=1))
    await sync.record(suspended)
    await sync.record(card_state(other))
    await sync.propagate()
    assert sync.certificate_registry.agencies_of(registration_id) == set()
    assert sync.certificate_registry.agencies_of(other) == {CITY, TOWN, VILLAGE}
    assert await sync.propagations(registration_id) == WAITING_EVERYWHERE
    await sync.propagate()
    assert len(sync.certificate_registry.propagation_requests) == 1

    jobs = await sync.jobs_waiting()
    await sync.record(card_state(registration_id, number=3))
    assert await sync.jobs_waiting() == jobs + 1
    await sync.propagate()
    assert sync.certificate_registry.agencies_of(registration_id) == {CITY, TOWN, VILLAGE}


async def test_registration_whose_first_state_is_suspended_waits(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state(suspended=True))
    assert await sync.jobs_waiting() == 0
    await sync.propagate()
    assert not sync.certificate_registry.propagation_requests
    assert await sync.propagations(registration_id) == WAITING_EVERYWHERE


async def test_suspension_elsewhere_keeps_no_registration_waiting(sync: RunningAgencySync) -> None:
    at_town = agency_registration(TOWN, state=SUSPENDED)
    registration_id = await sync.record(card_state(more=[at_town]))
    await sync.propagate()
    assert sync.certificate_registry.agencies_of(registration_id) == {CITY, VILLAGE}
    assert sync.certificate_registry.agencies_of(UUID(at_town.registration_id)) == set()


def ended_states(registration_id: UUID) -> dict[str, card_state_pb2.CardState]:
    return {
        "released": card_state(registration_id, number=2, binding=card_state_pb2.BINDING_STATE_RELEASED),
        "closed": card_state(registration_id, number=2, binding=card_state_pb2.BINDING_STATE_CLOSED),
        "unknown binding": card_state(registration_id, number=2, binding=card_state_pb2.BINDING_STATE_UNSPECIFIED),
        "replaced here": card_state(registration_id, number=2, state=card_state_pb2.REGISTRATION_STATE_REPLACED),
        "ended here": card_state(registration_id, number=2, state=card_state_pb2.REGISTRATION_STATE_ENDED),
    }


@pytest.mark.parametrize("how", sorted(ended_states(uuid4())))
@pytest.mark.parametrize("was_waiting", [False, True])
async def test_end_of_a_registration_voids_its_intention(sync: RunningAgencySync, how: str, was_waiting: bool) -> None:
    registration_id = uuid4()
    await sync.record(card_state(registration_id, number=1, suspended=was_waiting))
    await sync.record(ended_states(registration_id)[how])
    assert await intention_states(sync) == ["done"]
    assert await sync.propagations(registration_id) == NOT_GOOD_ANYWHERE
    await sync.propagate()
    assert not sync.certificate_registry.propagation_requests


async def test_end_that_is_heard_of_first_voids_the_registration_too(sync: RunningAgencySync) -> None:
    registration_id = uuid4()
    await sync.record(card_state(registration_id, number=2, binding=card_state_pb2.BINDING_STATE_RELEASED))
    await sync.record(card_state(registration_id, number=1))
    await sync.propagate()
    assert not sync.certificate_registry.propagation_requests
    assert await sync.propagations(registration_id) == NOT_GOOD_ANYWHERE


async def test_new_binding_of_a_card_voids_what_the_old_one_intended(sync: RunningAgencySync) -> None:
    old, new = card_state(number=1), card_state(number=2)
    new.certificate_sha256 = old.certificate_sha256
    old_id, new_id = await sync.record(old), await sync.record(new)
    await sync.propagate()
    assert await sync.propagations(old_id) == NOT_GOOD_ANYWHERE
    assert sync.certificate_registry.agencies_of(old_id) == set()
    assert sync.certificate_registry.agencies_of(new_id) == {CITY, TOWN, VILLAGE}


async def test_end_leaves_what_was_propagated_before_it(sync: RunningAgencySync) -> None:
    await sync.qualify(PREFECTURE, CITY)
    registration_id = await sync.record(card_state(uuid4(), number=1))
    await sync.propagate()
    before = await sync.propagations(registration_id)
    await sync.record(card_state(registration_id, number=2, binding=card_state_pb2.BINDING_STATE_CLOSED, more=[]))
    assert await sync.propagations(registration_id) == before


async def test_card_that_the_registry_finds_not_good_is_judged_again_with_its_next_good_state(
    sync: RunningAgencySync,
) -> None:
    # The suspension is in the registry, and its event still on the way.
    registration_id = await sync.record(card_state(uuid4(), number=1))
    sync.certificate_registry.cards_not_good.add(str(registration_id))
    await sync.propagate()
    assert await sync.propagations(registration_id) == NOT_GOOD_ANYWHERE
    await sync.record(card_state(registration_id, number=2, suspended=True))
    await sync.propagate()
    assert len(sync.certificate_registry.propagation_requests) == 1
    sync.certificate_registry.cards_not_good.clear()
    await sync.record(card_state(registration_id, number=3))
    await sync.propagate()
    assert sync.certificate_registry.agencies_of(registration_id) == {CITY, TOWN, VILLAGE}
    assert set((await sync.propagations(registration_id)).values()) == {("DONE", "")}


async def test_state_that_comes_while_its_card_is_found_not_good_has_it_judged_again(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state(uuid4(), number=1))
    sync.certificate_registry.cards_not_good.add(str(registration_id))

    async def resume() -> None:
        sync.certificate_registry.before_answer = None
        sync.certificate_registry.cards_not_good.clear()
        await sync.record(card_state(registration_id, number=3))

    sync.certificate_registry.before_answer = resume
    await sync.propagate()
    assert len(sync.certificate_registry.propagation_requests) == 2
    assert set((await sync.propagations(registration_id)).values()) == {("DONE", "")}


async def test_suspension_during_a_batch_leaves_its_intention_waiting(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state(uuid4(), number=1))
    sync.certificate_registry.cards_not_good.add(str(registration_id))

    async def suspend() -> None:
        await sync.record(card_state(registration_id, number=2, suspended=True))

    sync.certificate_registry.before_answer = suspend
    await sync.propagate()
    assert await intention_states(sync) == ["waiting"]
    assert len(sync.certificate_registry.propagation_requests) == 1


async def test_restore_during_a_batch_keeps_its_intention_open(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state(uuid4(), epoch=1))

    async def restore() -> None:
        sync.certificate_registry.before_answer = None
        await sync.record(card_state(registration_id, epoch=2))

    sync.certificate_registry.before_answer = restore
    await sync.propagate()
    assert await sync.rows("SELECT state, epoch FROM intentions") == [("open", 2)]
    assert await sync.jobs_waiting() == 2, "one for each time that it was opened"
    await sync.propagate()
    assert await sync.rows("SELECT state, epoch FROM intentions") == [("done", 2)]
    assert len(sync.certificate_registry.propagation_requests) == 2
