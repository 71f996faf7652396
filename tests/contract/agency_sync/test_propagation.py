"""A registration reaches every other agency at which the bidder is qualified, once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from agency_sync.operations import batches
from agency_sync.store import intentions
from refusals import Refusal
from tests.support.example_profile import (
    CITY,
    GOODS,
    OTHER_BIDDER,
    PREFECTURE,
    TOWN,
    VILLAGE,
    example_profile,
)
from tests.support.running_worker import running_worker
from tests.support.services.agency_sync import RunningAgencySync, agency_registration, card_state, running_agency_sync
from tests.support.waiting import wait_until
from toroku.agencysync.v1 import agency_sync_pb2
from toroku.certificate.v1 import card_pb2


@pytest.fixture
async def sync(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningAgencySync]:
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, example_profile()) as running:
        await running.qualify(PREFECTURE, CITY, VILLAGE)
        yield running


@pytest.mark.requirement("SYN-01")
async def test_registration_reaches_all_other_agencies_where_the_bidder_is_qualified(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state())
    await sync.propagate()
    assert sync.certificate_registry.agencies_of(registration_id) == {CITY, VILLAGE}


@pytest.mark.requirement("SYN-01")
async def test_own_agency_of_a_registration_is_not_requested(sync: RunningAgencySync) -> None:
    await sync.record(card_state(agency=CITY))
    await sync.propagate()
    (request,) = sync.certificate_registry.propagation_requests
    assert {propagation.agency for propagation in request.agencies} == {PREFECTURE, VILLAGE}


@pytest.mark.requirement("SYN-03", "met")
async def test_agencies_of_a_later_qualification_follow_the_first_registration_at_one_of_them(
    sync: RunningAgencySync,
) -> None:
    await sync.qualify(PREFECTURE)
    card = card_state()
    await sync.record(card)
    await sync.propagate()
    assert not sync.certificate_registry.propagated
    await sync.qualify(PREFECTURE, CITY, TOWN, VILLAGE)
    await sync.propagate()
    assert not sync.certificate_registry.propagated, "nothing follows before the bidder registers its card"
    at_city = agency_registration(CITY)
    card.registrations.append(at_city)
    card.version.number += 1
    await sync.record(card)
    await sync.propagate()
    assert sync.certificate_registry.agencies_of(UUID(at_city.registration_id)) == {TOWN, VILLAGE}
    assert await sync.propagations(UUID(at_city.registration_id), agency=CITY) == {
        PREFECTURE: ("DONE", ""),
        TOWN: ("DONE", ""),
        VILLAGE: ("DONE", ""),
    }


async def test_agency_that_does_not_offer_the_category_is_left_out(sync: RunningAgencySync) -> None:
    await sync.qualify(PREFECTURE, CITY, VILLAGE, category=GOODS)
    registration_id = await sync.record(card_state(category=GOODS))
    await sync.propagate()
    assert sync.certificate_registry.agencies_of(registration_id) == {CITY}
    assert VILLAGE not in await sync.propagations(registration_id)


@pytest.mark.requirement("SYN-05")
async def test_propagation_is_planned_until_it_is_done_or_refused(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state())
    assert await sync.propagations(registration_id) == {
        CITY: ("PLANNED", ""),
        TOWN: ("PLANNED", ""),
        VILLAGE: ("PLANNED", ""),
    }
    await sync.propagate()
    assert await sync.propagations(registration_id) == {
        CITY: ("DONE", ""),
        TOWN: ("REFUSED", "BIDDER_NOT_QUALIFIED"),
        VILLAGE: ("DONE", ""),
    }


@pytest.mark.every_postgresql
async def test_officers_list_propagations(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state())
    response = await sync.from_officer.ListPropagations(
        agency_sync_pb2.ListPropagationsRequest(registration_id=str(registration_id), agency=PREFECTURE)
    )
    assert len(response.propagations) == 3


@pytest.mark.parametrize("registration_id", ["", "4711", "7d4f1c1e-52f4-4c6b-9d07-0f7a1f0d3c55"])
async def test_unknown_registration_has_no_propagations(sync: RunningAgencySync, registration_id: str) -> None:
    response = await sync.from_officer.ListPropagations(
        agency_sync_pb2.ListPropagationsRequest(registration_id=registration_id, agency=PREFECTURE)
    )
    assert not response.propagations


async def test_registration_of_another_agency_has_no_propagations(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state(agency=CITY))
    assert await sync.propagations(registration_id) == {}
    await sync.propagate()
    assert await sync.propagations(registration_id) == {}
    assert len(await sync.propagations(registration_id, agency=CITY)) == 3


@pytest.mark.parametrize("agency", [CITY, "", "nowhere"])
async def test_officer_lists_propagations_of_its_own_agency_alone(sync: RunningAgencySync, agency: str) -> None:
    registration_id = await sync.record(card_state(agency=CITY))
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await sync.from_officer.ListPropagations(
            agency_sync_pb2.ListPropagationsRequest(registration_id=str(registration_id), agency=agency)
        )


@pytest.mark.requirement("SYN-05")
async def test_refused_propagation_has_its_reason(sync: RunningAgencySync) -> None:
    not_good, unknown = card_state(), card_state()
    sync.certificate_registry.cards_not_good.add(not_good.registrations[0].registration_id)
    sync.certificate_registry.unknown.add(unknown.registrations[0].registration_id)
    ids = [await sync.record(not_good), await sync.record(unknown)]
    await sync.propagate()
    assert (await sync.propagations(ids[0]))[CITY] == ("REFUSED", "CARD_NOT_GOOD")
    assert (await sync.propagations(ids[1]))[CITY] == ("REFUSED", "REGISTRATION_UNKNOWN")


async def test_batch_takes_one_call(sync: RunningAgencySync) -> None:
    await sync.qualify(TOWN, bidder_id=OTHER_BIDDER)
    for _ in range(3):
        await sync.record(card_state())
        await sync.record(card_state(category=GOODS))
        await sync.record(card_state(bidder_id=OTHER_BIDDER))
    await sync.propagate()
    (request,) = sync.certificate_registry.propagation_requests
    assert {propagation.agency: len(propagation.registration_ids) for propagation in request.agencies} == {
        CITY: 3,
        VILLAGE: 3,
        TOWN: 3,
    }


@pytest.mark.every_postgresql
async def test_one_run_carries_out_several_batches(sync: RunningAgencySync) -> None:
    await sync.execute(
        "INSERT INTO card_states SELECT sha256(n::text::bytea), 'works', 1, 1, '1000000001', true, false, "
        "true, 'same', 'contract party', 'trusted', NULL, NULL, '{}' FROM generate_series(1, 1201) AS n"
    )
    await sync.execute(
        "INSERT INTO intentions SELECT gen_random_uuid(), certificate_sha256, category, 'prefecture', "
        "'open', 1, now() - interval '1 year' FROM card_states"
    )
    await sync.propagate()
    assert len(sync.certificate_registry.propagated) == 2 * 1201
    assert await sync.rows("SELECT state, count(*) FROM intentions GROUP BY 1") == [("done", 1201)]
    assert await sync.rows("SELECT state, count(*) FROM propagations GROUP BY 1 ORDER BY 1") == [
        ("done", 2 * 1201),
        ("refused", 1201),
    ]


async def test_repeated_state_opens_no_intention_again(sync: RunningAgencySync) -> None:
    state = card_state()
    registration_id = await sync.record(state)
    await sync.propagate()
    await sync.record(state)
    assert await sync.rows("SELECT state FROM intentions") == [("done",)]
    await sync.propagate()
    assert len(sync.certificate_registry.propagation_requests) == 1
    assert (await sync.propagations(registration_id))[CITY] == ("DONE", "")


async def test_higher_epoch_opens_the_intention_again(sync: RunningAgencySync) -> None:
    registration_id = uuid4()
    await sync.record(card_state(registration_id, epoch=1, number=7))
    await sync.propagate()
    sync.certificate_registry.propagated.clear()
    await sync.record(card_state(registration_id, epoch=2, number=1))
    await sync.propagate()
    assert sync.certificate_registry.agencies_of(registration_id) == {CITY, VILLAGE}


async def test_registration_made_by_propagation_is_not_propagated(sync: RunningAgencySync) -> None:
    state = card_state(origin=card_pb2.REGISTRATION_ORIGIN_PROPAGATION)
    registration_id = await sync.record(state)
    await sync.propagate()
    assert not sync.certificate_registry.propagation_requests
    assert await sync.propagations(registration_id) == {}


@pytest.mark.parametrize("deliveries", [2, 8])
async def test_concurrent_deliveries_open_one_intention(sync: RunningAgencySync, deliveries: int) -> None:
    state = card_state()
    await asyncio.gather(*(sync.record(state) for _ in range(deliveries)))
    assert await sync.jobs_waiting() == 1
    assert await sync.rows("SELECT count(*) FROM intentions") == [(1,)]


async def test_two_workers_never_claim_the_same_intention(sync: RunningAgencySync) -> None:
    for _ in range(20):
        await sync.record(card_state())
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        entered.set()
        await go_on.wait()

    sync.certificate_registry.before_answer = pause
    async with asyncio.timeout(20):
        first = asyncio.create_task(sync.propagate())
        await entered.wait()
        await sync.propagate()
        go_on.set()
        await first
    assert len(sync.certificate_registry.propagation_requests) == 1


async def test_failing_registry_loses_nothing(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state())
    sync.certificate_registry.failing = True
    with pytest.raises(Refusal, match="INTERNAL_FAILURE"):
        await sync.propagate()
    sync.certificate_registry.failing = False
    await sync.propagate()
    assert sync.certificate_registry.agencies_of(registration_id) == {CITY, VILLAGE}


async def test_next_try_makes_up_for_a_lost_answer(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state())

    async def lose() -> None:
        sync.certificate_registry.before_answer = None
        raise RuntimeError("the answer is lost")

    sync.certificate_registry.before_answer = lose
    with pytest.raises(Refusal, match="INTERNAL_FAILURE"):
        await sync.propagate()
    made = dict(sync.certificate_registry.propagated)
    await sync.propagate()
    assert sync.certificate_registry.propagated == made
    assert (await sync.propagations(registration_id))[CITY] == ("DONE", "")


async def test_batch_of_a_dead_worker_is_free_when_its_claim_expires(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state())
    async with sync.database.transaction() as connection:
        await intentions.claim_open(connection, limit=500, duration=batches.CLAIM)
    await sync.propagate()
    assert sync.certificate_registry.agencies_of(registration_id) == set()
    await sync.end_claims()
    await sync.propagate()
    assert sync.certificate_registry.agencies_of(registration_id) == {CITY, VILLAGE}


async def test_batch_stays_claimed_however_long_a_call_takes(
    sync: RunningAgencySync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "RENEWAL", 0.01)
    await sync.record(card_state())
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        entered.set()
        await go_on.wait()

    sync.certificate_registry.before_answer = pause
    async with asyncio.timeout(20):
        first = asyncio.create_task(sync.propagate())
        await entered.wait()
        await sync.end_claims()
        while await sync.rows("SELECT max(taken_until) <= now() FROM intentions") == [(True,)]:
            await asyncio.sleep(0.01)
        await sync.propagate()
        go_on.set()
        await first
    assert len(sync.certificate_registry.propagation_requests) == 1
    assert await sync.rows("SELECT state, taken_until FROM intentions") == [("done", None)]


async def test_intention_without_an_answer_stays_open(sync: RunningAgencySync) -> None:
    state, other = card_state(), card_state()
    sync.certificate_registry.unanswered.add(state.registrations[0].registration_id)
    ids = [await sync.record(state), await sync.record(other)]
    await sync.propagate()
    assert (await sync.propagations(ids[0]))[CITY] == ("PLANNED", "")
    assert (await sync.propagations(ids[1]))[CITY] == ("DONE", "")
    sync.certificate_registry.unanswered.clear()
    await sync.end_claims()
    await sync.propagate()
    assert (await sync.propagations(ids[0]))[CITY] == ("DONE", "")


async def test_registrations_stay_at_their_agency_where_the_profile_says_so(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    profile = example_profile(propagation="none")
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, profile) as sync:
        await sync.qualify(CITY)
        await sync.record(card_state())
        await sync.propagate()
        assert await sync.rows("SELECT * FROM intentions") == []
        assert await sync.jobs_waiting() == 0
        assert not sync.certificate_registry.propagation_requests


@pytest.mark.requirement("SYN-01")
async def test_worker_propagates_registrations(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state())

    async def has_propagated() -> bool:
        return await sync.jobs_waiting() == 0

    async with running_worker(sync.work, sync.dsn, propagations=1, changes=1, feed=1, expiry=1):
        await wait_until(has_propagated, seconds=20)
    assert sync.certificate_registry.agencies_of(registration_id) == {CITY, VILLAGE}


async def test_batch_of_a_dead_worker_is_carried_out_seconds_after_its_claim_expired(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state())
    async with sync.database.transaction() as connection:
        await intentions.claim_open(connection, limit=500, duration=batches.CLAIM)

    async def has_no_job() -> bool:
        return await sync.jobs_waiting() == 0

    async def has_propagated() -> bool:
        return sync.certificate_registry.agencies_of(registration_id) == {CITY, VILLAGE}

    async with running_worker(sync.work, sync.dsn, propagations=1, changes=1, feed=1, expiry=1):
        # The dead worker's job is run again while the claim lasts, and finds nothing to do.
        await wait_until(has_no_job, seconds=20)
        await sync.end_claims()
        await wait_until(has_propagated, seconds=20)


async def test_only_certificate_registry_records_card_states(sync: RunningAgencySync) -> None:
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await sync.from_front_door.RecordCardStates(agency_sync_pb2.RecordCardStatesRequest(card_states=[card_state()]))
