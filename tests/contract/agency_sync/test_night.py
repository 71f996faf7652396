"""The night batch (SYN-02): what was done today reaches the other agencies tonight, judged by what holds then."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from agency_sync.domain.intention import Intention
from agency_sync.domain.schedule import Schedule
from agency_sync.operations import batches
from agency_sync.operations.batches import Batches
from servicekit.messages import write_timestamp
from tests.support.example_profile import CITY, PREFECTURE, TOWN, VILLAGE, example_profile
from tests.support.services.agency_sync import (
    MORNING,
    RunningAgencySync,
    agency_registration,
    bidder_state,
    card_state,
    running_agency_sync,
)
from tests.support.statements import counted_statements
from toroku.agencysync.v1 import agency_sync_pb2, propagation_pb2
from toroku.certificate.v1 import card_pb2, card_state_pb2
from toroku.qualification.v1 import bidder_state_pb2

# 22:00 in Japan on the day of `MORNING`.
TONIGHT = datetime(2026, 11, 27, 13, 0, tzinfo=UTC)
DONE, PLANNED, NOT_GOOD = ("DONE", ""), ("PLANNED", ""), ("REFUSED", "CARD_NOT_GOOD")
SUSPENDED = bidder_state_pb2.BIDDER_STATUS_SUSPENDED
OTHERS = (CITY, TOWN, VILLAGE)


@pytest.fixture
async def sync(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningAgencySync]:
    """The service of an instance with a night batch at 22:00; the bidder is qualified at all four agencies."""
    profile = example_profile(propagation="night", propagation_at="22:00")
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, profile) as running:
        await running.qualify(PREFECTURE, *OTHERS)
        yield running


async def registered_today(sync: RunningAgencySync, **values: object) -> UUID:
    """Registers a card, and lets the worker look: nothing is due."""
    registration_id = await sync.record(card_state(**values))  # type: ignore[arg-type]  # as `card_state` takes them
    await sync.propagate()
    assert sync.certificate_registry.propagation_requests == []
    return registration_id


async def come_night(sync: RunningAgencySync) -> None:
    """The batch begins, and is carried out."""
    sync.now[0] = TONIGHT
    await sync.propagate()


@pytest.mark.every_postgresql
@pytest.mark.requirement("SYN-02", "met")
async def test_registration_reaches_the_other_agencies_in_the_night_of_the_same_day(sync: RunningAgencySync) -> None:
    registration_id = await registered_today(sync)
    assert await sync.propagations(registration_id) == dict.fromkeys(OTHERS, PLANNED)
    sync.now[0] = TONIGHT - timedelta(seconds=1)
    await sync.propagate()
    assert await sync.propagations(registration_id) == dict.fromkeys(OTHERS, PLANNED)
    await come_night(sync)
    assert await sync.propagations(registration_id) == dict.fromkeys(OTHERS, DONE)
    assert sync.certificate_registry.agencies_of(registration_id) == set(OTHERS)


@pytest.mark.requirement("SYN-02")
async def test_what_is_done_after_the_batch_began_waits_for_the_next_one(sync: RunningAgencySync) -> None:
    sync.now[0] = TONIGHT + timedelta(minutes=1)
    late = card_state()
    late.registrations[0].registered_at.CopyFrom(write_timestamp(sync.now[0]))
    registration_id = await sync.record(late)
    sync.now[0] = TONIGHT + timedelta(hours=23, minutes=59)
    await sync.propagate()
    assert await sync.propagations(registration_id) == dict.fromkeys(OTHERS, PLANNED)
    sync.now[0] = TONIGHT + timedelta(days=1)
    await sync.propagate()
    assert await sync.propagations(registration_id) == dict.fromkeys(OTHERS, DONE)


@pytest.mark.requirement("SYN-02")
async def test_night_in_which_no_worker_ran_is_made_up_for_at_once(sync: RunningAgencySync) -> None:
    registration_id = await registered_today(sync)
    # The worker is back in the morning, long before the next batch.
    sync.now[0] = TONIGHT + timedelta(hours=11)
    await sync.propagate()
    assert await sync.propagations(registration_id) == dict.fromkeys(OTHERS, DONE)


@pytest.mark.requirement("SYN-02")
async def test_registration_of_the_day_that_arrives_after_the_batch_is_made_up_for_at_once(
    sync: RunningAgencySync,
) -> None:
    # It was made in the morning, and certificate-registry could not reach agency-sync before.
    sync.now[0] = TONIGHT + timedelta(minutes=10)
    registration_id = await sync.record(card_state())
    await sync.propagate()
    assert await sync.propagations(registration_id) == dict.fromkeys(OTHERS, DONE)


@pytest.mark.requirement("SYN-02")
async def test_plan_by_a_clock_that_was_years_ahead_is_due_now(sync: RunningAgencySync) -> None:
    sync.pass_time(timedelta(days=900))
    registered_then = card_state()
    registered_then.registrations[0].registered_at.CopyFrom(write_timestamp(sync.now[0]))
    registration_id = await sync.record(registered_then)
    sync.now[0] = MORNING
    await sync.propagate()
    assert await sync.propagations(registration_id) == dict.fromkeys(OTHERS, DONE)


@pytest.mark.requirement("SYN-05", "met")
async def test_plan_says_when_it_is_carried_out(sync: RunningAgencySync) -> None:
    registration_id = await registered_today(sync)
    request = agency_sync_pb2.ListPropagationsRequest(registration_id=str(registration_id), agency=PREFECTURE)
    planned = (await sync.from_officer.ListPropagations(request)).propagations
    assert {propagation.planned_at.ToDatetime(UTC) for propagation in planned} == {TONIGHT}
    assert {propagation.updated_at.ToDatetime(UTC) for propagation in planned} == {MORNING}
    assert {propagation.kind for propagation in planned} == {propagation_pb2.PROPAGATION_KIND_REGISTRATION}
    await come_night(sync)
    done = (await sync.from_officer.ListPropagations(request)).propagations
    assert not any(propagation.HasField("planned_at") for propagation in done)
    assert {propagation.updated_at.ToDatetime(UTC) for propagation in done} == {TONIGHT}


@pytest.mark.requirement("SYN-09", "met")
async def test_who_registered_at_another_agency_by_hand_is_found_there_and_nothing_is_done_twice(
    sync: RunningAgencySync,
) -> None:
    card = card_state()
    registration_id = await sync.record(card)
    card.registrations.append(agency_registration(CITY))
    card.version.number += 1
    await sync.record(card)
    await come_night(sync)
    (request,) = sync.certificate_registry.propagation_requests
    assert {agency.agency: list(agency.registration_ids) for agency in request.agencies if agency.agency == CITY} == {}
    assert await sync.propagations(registration_id) == dict.fromkeys(OTHERS, DONE)
    # The one at the city finds the other agencies done by the same batch, or is answered with what is there.
    at_city = UUID(card.registrations[1].registration_id)
    assert await sync.propagations(at_city, agency=CITY) == dict.fromkeys((PREFECTURE, TOWN, VILLAGE), DONE)


@pytest.mark.requirement("SYN-02")
async def test_roster_of_the_afternoon_decides_what_the_night_does(sync: RunningAgencySync) -> None:
    registration_id = await registered_today(sync)
    await sync.record_bidders(bidder_state(1, qualified_at=[PREFECTURE, CITY]))
    await come_night(sync)
    not_qualified = ("REFUSED", "BIDDER_NOT_QUALIFIED")
    assert await sync.propagations(registration_id) == {CITY: DONE, TOWN: not_qualified, VILLAGE: not_qualified}
    assert sync.certificate_registry.agencies_of(registration_id) == {CITY}


@pytest.mark.requirement("SYN-02")
async def test_term_that_ends_before_the_night_counts_no_more_and_one_that_begins_counts(
    sync: RunningAgencySync,
) -> None:
    registration_id = await registered_today(sync)
    noon = write_timestamp(MORNING + timedelta(hours=2))
    periods = [
        bidder_state_pb2.QualifiedPeriod(qualified_until=noon, agencies=[PREFECTURE, TOWN]),
        bidder_state_pb2.QualifiedPeriod(qualified_from=noon, agencies=[CITY, PREFECTURE]),
    ]
    await sync.record_bidders(bidder_state(1, qualified=periods))
    await come_night(sync)
    assert sync.certificate_registry.agencies_of(registration_id) == {CITY}


@pytest.mark.requirement("SYN-02")
@pytest.mark.parametrize("suspends", ["the card", "the registration", "the bidder", "the bidder there"])
async def test_suspension_of_the_afternoon_keeps_the_registration_waiting_through_the_night(
    sync: RunningAgencySync, suspends: str
) -> None:
    card = card_state()
    registration_id = await sync.record(card)
    card.version.number = 2
    match suspends:
        case "the card":
            card.suspended = True
            await sync.record(card)
        case "the registration":
            card.registrations[0].state = card_state_pb2.REGISTRATION_STATE_SUSPENDED
            await sync.record(card)
        case "the bidder":
            await sync.record_bidders(bidder_state(1, status=SUSPENDED))
        case _:
            await sync.record_bidders(bidder_state(1, suspended_agencies=[PREFECTURE]))
    await come_night(sync)
    assert {state for state, _ in (await sync.propagations(registration_id)).values()} == {"PLANNED"}
    assert sync.certificate_registry.propagation_requests == []
    # It ends the next morning: the night was missed, and is made up for.
    sync.pass_time(timedelta(hours=11))
    await sync.record_bidders(bidder_state(2))
    await sync.record(card_state(registration_id, number=3))
    await sync.propagate()
    assert await sync.propagations(registration_id) == dict.fromkeys(OTHERS, DONE)


@pytest.mark.requirement("SYN-02")
@pytest.mark.parametrize(
    "changes",
    [
        {"binding": card_state_pb2.BINDING_STATE_CLOSED},
        {"binding": card_state_pb2.BINDING_STATE_RELEASED},
        {"state": card_state_pb2.REGISTRATION_STATE_ENDED},
    ],
    ids=["end", "undo", "end there"],
)
async def test_registration_that_ended_or_was_undone_before_the_night_reaches_nobody(
    sync: RunningAgencySync, changes: dict[str, int]
) -> None:
    registration_id = await registered_today(sync)
    await sync.record(card_state(registration_id, number=2, **changes))  # type: ignore[arg-type]
    await come_night(sync)
    assert await sync.propagations(registration_id) == dict.fromkeys(OTHERS, NOT_GOOD)
    assert sync.certificate_registry.propagation_requests == []


@pytest.mark.requirement("REN-04")
@pytest.mark.requirement("SYN-04", "met")
@pytest.mark.parametrize("follows", [True, False])
async def test_renewal_of_the_afternoon_is_carried_out_in_the_night_where_the_user_chose_so(
    sync: RunningAgencySync, follows: bool
) -> None:
    old_id, new_id = uuid4(), uuid4()
    by_propagation = agency_registration(CITY, origin=card_pb2.REGISTRATION_ORIGIN_PROPAGATION)
    sync.now[0] = TONIGHT - timedelta(days=1)
    old, new = card_state(old_id, more=[by_propagation]), card_state(new_id)
    await sync.record(old)
    await sync.propagate()
    sync.certificate_registry.propagation_requests.clear()
    sync.now[0] = MORNING
    old.version.number = 2
    old.registrations[0].state = card_state_pb2.REGISTRATION_STATE_REPLACED
    old.registrations[0].replaced_by = new.certificate_sha256
    new.registrations[0].origin = card_pb2.REGISTRATION_ORIGIN_RENEWAL
    new.registrations[0].predecessor = old.certificate_sha256
    new.registrations[0].stays_here = not follows
    await sync.record(old, new)
    await sync.propagate()
    assert sync.certificate_registry.propagation_requests == []
    assert await sync.propagations(new_id) == ({CITY: PLANNED} if follows else {})
    await come_night(sync)
    assert await sync.propagations(new_id) == ({CITY: DONE} if follows else {})
    assert [
        (agency.agency, list(agency.registration_ids))
        for request in sync.certificate_registry.propagation_requests
        for agency in request.agencies
    ] == ([(CITY, [str(new_id)])] if follows else [])


@pytest.mark.requirement("REN-04")
async def test_registration_that_was_renewed_before_the_night_goes_out_with_the_new_card(
    sync: RunningAgencySync,
) -> None:
    old_id, new_id = uuid4(), uuid4()
    old, new = card_state(old_id), card_state(new_id)
    await sync.record(old)
    old.version.number = 2
    old.registrations[0].state = card_state_pb2.REGISTRATION_STATE_REPLACED
    old.registrations[0].replaced_by = new.certificate_sha256
    new.registrations[0].origin = card_pb2.REGISTRATION_ORIGIN_RENEWAL
    new.registrations[0].predecessor = old.certificate_sha256
    await sync.record(old, new)
    await come_night(sync)
    assert sync.certificate_registry.agencies_of(old_id) == set()
    assert sync.certificate_registry.agencies_of(new_id) == set(OTHERS)


@pytest.mark.requirement("SYN-05")
async def test_officer_follows_the_progress_of_the_night(
    sync: RunningAgencySync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH", 2)
    progress: list[agency_sync_pb2.GetPropagationProgressResponse] = []

    async def look() -> None:
        request = agency_sync_pb2.GetPropagationProgressRequest(agency=PREFECTURE)
        progress.append(await sync.from_officer.GetPropagationProgress(request))

    for _ in range(4):
        await sync.record(card_state())
    await sync.record(card_state(suspended=True))
    await sync.record(card_state(agency=CITY))
    await look()
    sync.certificate_registry.before_answer = look
    sync.now[0] = TONIGHT
    await sync.propagate()
    sync.certificate_registry.before_answer = None
    await look()
    first, *during, last = progress
    assert (first.planned, first.due, first.waiting, first.done) == (4, 0, 1, 0)
    assert first.next_batch_at.ToDatetime(UTC) == TONIGHT
    assert not first.HasField("running_since")
    assert {batch.running_since.ToDatetime(UTC) for batch in during} == {TONIGHT}
    assert [batch.due + batch.done for batch in during] == [4] * len(during)
    assert during[0].due == 4
    assert (last.planned, last.due, last.waiting, last.done, last.refused) == (0, 0, 1, 4, 0)
    assert not last.HasField("running_since")


async def test_night_rests_between_batches_for_the_share_of_time_that_it_leaves_to_calls(
    sync: RunningAgencySync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH", 1)
    spans: list[tuple[float, float]] = []

    async def take_a_while(_: Sequence[Intention], _judged_at: datetime) -> bool:
        began = time.monotonic()
        await asyncio.sleep(0.1)
        spans.append((began, time.monotonic()))
        return False

    await sync.record(card_state(), card_state())
    night = Batches(
        database=sync.database,
        clock=lambda _: TONIGHT,
        schedule=Schedule.of(example_profile(propagation="night", propagation_at="22:00")),
        of_changes=False,
        night_share=0.25,
    )
    await night.carry_out(take_a_while)
    (_, first_ended), (second_began, _) = spans
    assert second_began - first_ended >= 3 * 0.1


@pytest.mark.requirement("SYN-02")
async def test_night_is_a_constant_number_of_statements_and_calls_per_batch(sync: RunningAgencySync) -> None:
    counts: list[int] = []
    for number in (2, 200):
        await sync.record(*(card_state() for _ in range(number)))
        sync.certificate_registry.calls.clear()
        sync.now[0] = TONIGHT + timedelta(days=len(counts))
        with counted_statements() as statements:
            await sync.propagate()
        counts.append(len(statements))
        assert sync.certificate_registry.calls == {"PropagateRegistrations": 1}
    assert counts[0] == counts[1] <= 6
