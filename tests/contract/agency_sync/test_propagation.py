"""What agency-sync promises: a registration reaches every other agency where the bidder is qualified, once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy import text

from agency_sync import store
from agency_sync.domain import Timing
from refusals import Refusal
from servicekit import jobs
from servicekit.telemetry import Telemetry
from tests.support.example_profile import (
    BIDDER,
    CITY,
    GOODS,
    OTHER_BIDDER,
    PREFECTURE,
    TOWN,
    VILLAGE,
    WORKS,
    example_profile,
)
from tests.support.services.agency_sync import SyncHouse, registered, sync_house
from toroku.agencysync.v1 import service_pb2
from toroku.certificate.v1 import resources_pb2 as certificate_pb2


@pytest.fixture
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[SyncHouse]:
    async with sync_house(migrated_database("agency_sync"), tmp_path, example_profile()) as opened:
        opened.bidders.qualified[WORKS, BIDDER] = [PREFECTURE, CITY, VILLAGE]
        yield opened


@pytest.mark.requirement("SYN-01")
async def test_a_registration_reaches_all_other_agencies_where_the_bidder_is_qualified(house: SyncHouse) -> None:
    registration_id = await house.record(registered())
    await house.propagate()
    assert house.cards.agencies_of(registration_id) == {CITY, VILLAGE}


@pytest.mark.requirement("SYN-01")
async def test_its_own_agency_is_not_asked_for(house: SyncHouse) -> None:
    await house.record(registered(agency=CITY))
    await house.propagate()
    (request,) = house.cards.propagation_requests
    assert {propagation.agency for propagation in request.agencies} == {PREFECTURE, VILLAGE}


async def test_an_agency_that_does_not_offer_the_category_is_left_out(house: SyncHouse) -> None:
    house.bidders.qualified[GOODS, BIDDER] = [PREFECTURE, CITY, VILLAGE]
    registration_id = await house.record(registered(category=GOODS))
    await house.propagate()
    assert house.cards.agencies_of(registration_id) == {CITY}
    assert VILLAGE not in await house.propagations(registration_id)


@pytest.mark.requirement("SYN-05")
async def test_every_other_agency_is_planned_first_and_then_done_or_refused(house: SyncHouse) -> None:
    registration_id = await house.record(registered())
    assert await house.propagations(registration_id) == {
        CITY: ("PLANNED", ""),
        TOWN: ("PLANNED", ""),
        VILLAGE: ("PLANNED", ""),
    }
    await house.propagate()
    assert await house.propagations(registration_id) == {
        CITY: ("DONE", ""),
        TOWN: ("REFUSED", "BIDDER_NOT_QUALIFIED"),
        VILLAGE: ("DONE", ""),
    }


async def test_officers_see_it_too(house: SyncHouse) -> None:
    registration_id = await house.record(registered())
    response = await house.officer.ListPropagations(
        service_pb2.ListPropagationsRequest(registration_id=str(registration_id))
    )
    assert len(response.propagations) == 3


@pytest.mark.parametrize("registration_id", ["", "4711", "7d4f1c1e-52f4-4c6b-9d07-0f7a1f0d3c55"])
async def test_an_unknown_registration_has_no_propagations(house: SyncHouse, registration_id: str) -> None:
    response = await house.front_door.ListPropagations(
        service_pb2.ListPropagationsRequest(registration_id=registration_id)
    )
    assert not response.propagations


async def test_a_card_that_does_not_stand_any_more_is_refused_with_the_reason(house: SyncHouse) -> None:
    gone, unknown = registered(), registered()
    house.cards.cards_not_good.add(gone.registration.registration_id)
    house.cards.unknown.add(unknown.registration.registration_id)
    ids = [await house.record(gone), await house.record(unknown)]
    await house.propagate()
    assert (await house.propagations(ids[0]))[CITY] == ("REFUSED", "CARD_NOT_GOOD")
    assert (await house.propagations(ids[1]))[CITY] == ("REFUSED", "REGISTRATION_UNKNOWN")


async def test_many_registrations_are_one_question_per_category_and_one_call(house: SyncHouse) -> None:
    house.bidders.qualified[WORKS, OTHER_BIDDER] = [TOWN]
    for _ in range(3):
        await house.record(registered())
        await house.record(registered(category=GOODS))
        await house.record(registered(bidder_id=OTHER_BIDDER))
    await house.propagate()
    assert sorted((request.category, list(request.bidder_ids)) for request in house.bidders.qualification_requests) == [
        (GOODS, [BIDDER]),
        (WORKS, [BIDDER, OTHER_BIDDER]),
    ]
    (request,) = house.cards.propagation_requests
    assert {propagation.agency: len(propagation.registration_ids) for propagation in request.agencies} == {
        CITY: 3,
        VILLAGE: 3,
        TOWN: 3,
    }


async def test_more_than_a_batch_is_carried_out_in_one_run(house: SyncHouse) -> None:
    async with house.database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO registrations SELECT gen_random_uuid(), 'prefecture', 'works', sha256(n::text::bytea), "
                "'1000000001', now(), false, 1, 1 FROM generate_series(1, 1201) AS n"
            )
        )
        await connection.execute(
            text(
                "INSERT INTO intentions SELECT registration_id, 'at_once', 'open', 1, 1, now() - interval '1 year' "
                "FROM registrations"
            )
        )
    await house.propagate()
    assert len(house.cards.propagated) == 2 * 1201
    assert await house.rows("SELECT state, count(*) FROM intentions GROUP BY 1") == [("done", 1201)]
    assert await house.rows("SELECT state, count(*) FROM propagations GROUP BY 1 ORDER BY 1") == [
        ("done", 2 * 1201),
        ("refused", 1201),
    ]


async def test_the_same_event_again_plans_nothing_again(house: SyncHouse) -> None:
    event = registered()
    registration_id = await house.record(event)
    await house.propagate()
    await house.record(event)
    assert await house.rows("SELECT state FROM intentions") == [("done",)]
    await house.propagate()
    assert len(house.cards.propagation_requests) == 1
    assert (await house.propagations(registration_id))[CITY] == ("DONE", "")


async def test_an_older_version_that_comes_late_changes_nothing(house: SyncHouse) -> None:
    registration_id = uuid4()
    await house.record(registered(registration_id, number=2, agency=CITY))
    await house.record(registered(registration_id, number=1, agency=PREFECTURE))
    assert await house.rows("SELECT agency, version_number FROM registrations") == [(CITY, 2)]


async def test_a_higher_epoch_opens_the_intention_again(house: SyncHouse) -> None:
    registration_id = uuid4()
    await house.record(registered(registration_id, epoch=1, number=7))
    await house.propagate()
    house.cards.propagated.clear()
    await house.record(registered(registration_id, epoch=2, number=1))
    await house.propagate()
    assert house.cards.agencies_of(registration_id) == {CITY, VILLAGE}


async def test_what_was_made_by_propagation_goes_no_further(house: SyncHouse) -> None:
    event = registered(origin=certificate_pb2.REGISTRATION_ORIGIN_PROPAGATION)
    registration_id = await house.record(event)
    await house.propagate()
    assert not house.cards.propagation_requests
    assert await house.propagations(registration_id) == {}


@pytest.mark.parametrize("deliveries", [2, 8])
async def test_deliveries_at_the_same_time_plan_once(house: SyncHouse, deliveries: int) -> None:
    event = registered()
    await asyncio.gather(*(house.record(event) for _ in range(deliveries)))
    assert await house.jobs_waiting() == 1
    assert await house.rows("SELECT count(*) FROM intentions") == [(1,)]


async def test_two_workers_never_take_the_same_intention(house: SyncHouse) -> None:
    for _ in range(20):
        await house.record(registered())
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        entered.set()
        await go_on.wait()

    house.cards.before_answer = hold
    async with asyncio.timeout(20):
        first = asyncio.create_task(house.propagate())
        await entered.wait()
        await house.propagate()
        go_on.set()
        await first
    assert len(house.cards.propagation_requests) == 1


@pytest.mark.requirement("SYN-07")
@pytest.mark.parametrize("peer", ["bidders", "cards"])
async def test_a_registry_that_fails_loses_nothing(house: SyncHouse, peer: str) -> None:
    registration_id = await house.record(registered())
    getattr(house, peer).failing = True
    with pytest.raises(Refusal, match="INTERNAL_FAILURE"):
        await house.propagate()
    getattr(house, peer).failing = False
    await house.propagate()
    assert house.cards.agencies_of(registration_id) == {CITY, VILLAGE}


async def test_a_lost_answer_is_made_good_by_the_next_try(house: SyncHouse) -> None:
    registration_id = await house.record(registered())

    async def lose() -> None:
        house.cards.before_answer = None
        raise RuntimeError("the answer is lost")

    house.cards.before_answer = lose
    with pytest.raises(Refusal, match="INTERNAL_FAILURE"):
        await house.propagate()
    made = dict(house.cards.propagated)
    await house.propagate()
    assert house.cards.propagated == made
    assert (await house.propagations(registration_id))[CITY] == ("DONE", "")


async def test_a_batch_of_a_dead_worker_is_free_again_after_a_while(house: SyncHouse) -> None:
    registration_id = await house.record(registered())
    async with house.database.transaction() as connection:
        await store.take_open(connection, Timing.AT_ONCE, most=500, now=house.now[0], hold=timedelta(minutes=3))
    await house.propagate()
    assert house.cards.agencies_of(registration_id) == set()
    house.pass_time(timedelta(minutes=3))
    await house.propagate()
    assert house.cards.agencies_of(registration_id) == {CITY, VILLAGE}


async def test_a_registration_without_an_answer_stays_open(house: SyncHouse) -> None:
    event, other = registered(), registered()
    house.cards.unanswered.add(event.registration.registration_id)
    ids = [await house.record(event), await house.record(other)]
    await house.propagate()
    assert (await house.propagations(ids[0]))[CITY] == ("PLANNED", "")
    assert (await house.propagations(ids[1]))[CITY] == ("DONE", "")
    house.cards.unanswered.clear()
    house.pass_time(timedelta(minutes=3))
    await house.propagate()
    assert (await house.propagations(ids[0]))[CITY] == ("DONE", "")


async def test_a_newer_version_during_a_batch_keeps_its_intention_open(house: SyncHouse) -> None:
    registration_id = uuid4()
    await house.record(registered(registration_id, number=1))

    async def renew() -> None:
        house.cards.before_answer = None
        await house.record(registered(registration_id, number=2))

    house.cards.before_answer = renew
    await house.propagate()
    assert await house.rows("SELECT state, version_number FROM intentions") == [("done", 2)]
    assert len(house.cards.propagation_requests) == 2


@pytest.mark.requirement("SYN-02")
@pytest.mark.parametrize(("propagation", "intended"), [("night", [("night", "open")]), ("none", [])])
async def test_the_profile_says_when(
    migrated_database: Callable[[str], str], tmp_path: Path, propagation: str, intended: list[tuple[str, str]]
) -> None:
    profile = example_profile(propagation=propagation)
    async with sync_house(migrated_database("agency_sync"), tmp_path, profile) as house:
        house.bidders.qualified[WORKS, BIDDER] = [CITY]
        await house.record(registered())
        await house.propagate()
        assert await house.rows("SELECT timing, state FROM intentions") == intended
        assert await house.jobs_waiting() == 0
        assert not house.cards.propagation_requests


@pytest.mark.requirement("SYN-01")
async def test_the_worker_does_it_by_itself(house: SyncHouse) -> None:
    registration_id = await house.record(registered())
    stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def stopped() -> None:
        await stop

    working = asyncio.create_task(
        jobs.run(
            house.work,
            house.dsn,
            telemetry=Telemetry(TracerProvider(), 0),
            concurrency={"bulk": 1},
            stop=stopped(),
        )
    )
    async with asyncio.timeout(20):
        while await house.jobs_waiting():
            await asyncio.sleep(0.05)
    stop.set_result(None)
    await working
    assert house.cards.agencies_of(registration_id) == {CITY, VILLAGE}


async def test_only_the_registry_of_cards_tells_of_registrations(house: SyncHouse) -> None:
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await house.front_door.RecordRegistration(service_pb2.RecordRegistrationRequest(event=registered()))
