"""Registrations at further agencies, made set by set (SYN-01)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, OTHER_BIDDER, PREFECTURE, TOWN, VILLAGE
from tests.support.services.certificate_registry import CardsHouse, Visit, cards_house
from toroku.certificate.v1 import resources_pb2, service_pb2
from toroku.qualification.v1 import resources_pb2 as qualification_pb2

Result = service_pb2.PropagatedRegistration
Answers = dict[tuple[str, str], service_pb2.PropagatedRegistration]


@pytest.fixture
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[CardsHouse]:
    async with cards_house(migrated_database("certificate_registry"), tmp_path) as opened:
        yield opened


async def propagate(house: CardsHouse, wanted: dict[str, list[str]]) -> Answers:
    """Asks as agency-sync does; the answers by agency and source."""
    request = service_pb2.PropagateRegistrationsRequest(
        agencies=[service_pb2.AgencyPropagation(agency=agency, registration_ids=ids) for agency, ids in wanted.items()]
    )
    response = await house.callers["agency-sync"].PropagateRegistrations(request)
    return {(found.agency, found.source_registration_id): found for found in response.results}


@pytest.mark.requirement("SYN-01")
async def test_a_registration_counts_at_the_other_agencies(house: CardsHouse) -> None:
    visit, registration = await house.registered()
    answers = await propagate(house, {agency: [registration.registration_id] for agency in (CITY, TOWN)})
    assert {answer.result for answer in answers.values()} == {Result.RESULT_DONE}
    assert len({UUID(answer.registration_id) for answer in answers.values()}) == 2
    for agency in (PREFECTURE, CITY, TOWN):
        assert (await house.resolve(visit, agency)).bidder_id == BIDDER
    assert (await house.resolve(visit, VILLAGE)).bidder_id == ""


async def test_contact_notification_is_told_where_the_card_counts_now(house: CardsHouse) -> None:
    visit, registration = await house.registered()
    await house.run_jobs()
    answers = await propagate(house, {agency: [registration.registration_id] for agency in (CITY, TOWN)})
    assert await house.jobs_waiting() == ["deliver_propagated"]
    await house.run_jobs()
    told = {event.registration.agency: event for event in house.contacts.events[1:]}
    assert set(told) == {CITY, TOWN}
    for agency, event in told.items():
        made = answers[agency, registration.registration_id]
        assert event.registration.registration_id == made.registration_id
        assert event.registration.origin == resources_pb2.REGISTRATION_ORIGIN_PROPAGATION
        assert event.registration.certificate_sha256 == visit.card.sha256
        assert event.request_id == ""


@pytest.mark.requirement("SYN-09")
async def test_what_is_there_already_stays_and_counts_as_done(house: CardsHouse) -> None:
    visit, first = await house.registered()
    _, second = await house.registered(visit.card, agency=CITY)
    for _ in range(2):
        answers = await propagate(house, {CITY: [first.registration_id], PREFECTURE: [second.registration_id]})
        assert answers[CITY, first.registration_id].registration_id == second.registration_id
        assert answers[PREFECTURE, second.registration_id].registration_id == first.registration_id
    assert await house.rows("SELECT count(*) FROM registration") == [(2,)]
    assert await house.rows("SELECT count(*) FROM history WHERE what = 'propagated'") == [(0,)]


async def test_two_sources_of_one_card_make_one_registration(house: CardsHouse) -> None:
    visit, first = await house.registered()
    _, second = await house.registered(visit.card, agency=CITY)
    answers = await propagate(house, {TOWN: [first.registration_id, second.registration_id, first.registration_id]})
    assert len(answers) == 2
    assert len({answer.registration_id for answer in answers.values()}) == 1
    assert await house.rows("SELECT count(*) FROM registration") == [(3,)]


async def test_one_entry_of_the_history_names_all_agencies_of_a_card(house: CardsHouse) -> None:
    visit, registration = await house.registered()
    answers = await propagate(house, {agency: [registration.registration_id] for agency in (TOWN, CITY)})
    rows = await house.rows("SELECT who, certificate_sha256, agencies, after FROM history WHERE what = 'propagated'")
    made = {agency: answer.registration_id for (agency, _), answer in answers.items()}
    assert rows == [("service agency-sync", visit.card.sha256, [CITY, TOWN], {"registrations": made})]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE card SET revoked_at = now()",
        "UPDATE card SET not_after = now() - interval '1 hour'",
        "UPDATE binding SET ended_at = now(), ended_because = 'officer'",
    ],
)
async def test_only_where_card_and_binding_stand(house: CardsHouse, change: str) -> None:
    _, registration = await house.registered()
    await house.execute(change)
    answers = await propagate(house, {CITY: [registration.registration_id]})
    assert answers[CITY, registration.registration_id].result == Result.RESULT_CARD_NOT_GOOD
    assert answers[CITY, registration.registration_id].registration_id == ""
    assert await house.rows("SELECT count(*) FROM registration") == [(1,)]


async def test_a_bidder_that_ended_is_not_propagated(house: CardsHouse) -> None:
    _, registration = await house.registered()
    await house.tell_bidder(qualification_pb2.BIDDER_STATUS_ENDED, 1)
    answers = await propagate(house, {CITY: [registration.registration_id]})
    assert answers[CITY, registration.registration_id].result == Result.RESULT_CARD_NOT_GOOD


async def test_an_unknown_registration_is_said_to_be_unknown(house: CardsHouse) -> None:
    _, registration = await house.registered()
    unknown = str(uuid4())
    answers = await propagate(house, {CITY: [unknown, registration.registration_id]})
    assert answers[CITY, unknown].result == Result.RESULT_REGISTRATION_UNKNOWN
    assert answers[CITY, registration.registration_id].result == Result.RESULT_DONE
    with pytest.raises(Refusal, match="REGISTRATION_ID_INVALID"):
        await propagate(house, {CITY: ["1"]})


async def test_what_an_ended_binding_left_behind_gives_way(house: CardsHouse) -> None:
    visit, first = await house.registered()
    await propagate(house, {CITY: [first.registration_id]})
    # What officers will do one day: the wrong binding ends, the card is bound to another bidder.
    await house.execute("UPDATE binding SET ended_at = now(), ended_because = 'officer'")
    again_bound = f"SELECT certificate_sha256, category, 2, '{OTHER_BIDDER}', now(), 'officer' FROM binding"  # noqa: S608
    await house.execute(f"INSERT INTO binding {again_bound}")
    assert (await house.resolve(visit)).verdict == service_pb2.ResolveUserResponse.VERDICT_BINDING_ENDED
    again = Visit(visit.card, bidder_id=OTHER_BIDDER)
    await house.up_to_commit(again)
    registration = (await house.register(again)).registration
    await propagate(house, {CITY: [registration.registration_id]})
    for agency in (PREFECTURE, CITY):
        assert (await house.resolve(visit, agency)).bidder_id == OTHER_BIDDER


async def test_the_same_at_once_from_several_sides_writes_once(house: CardsHouse) -> None:
    registrations = [(await house.registered())[1].registration_id for _ in range(6)]
    agencies = (CITY, TOWN, VILLAGE)
    forward = {agency: registrations for agency in agencies}
    backward = {agency: registrations[::-1] for agency in agencies[::-1]}
    answers = await asyncio.gather(*(propagate(house, wanted) for wanted in (forward, backward) * 3))
    ids = [sorted(answer.registration_id for answer in found.values()) for found in answers]
    assert all(found == ids[0] for found in ids)
    assert await house.rows("SELECT count(*) FROM registration") == [(6 * 4,)]


async def test_a_contractor_who_comes_at_the_same_moment_finds_it_done_or_does_it(house: CardsHouse) -> None:
    visit, registration = await house.registered()
    there = await house.up_to_commit(Visit(visit.card, agency=CITY))
    outcome, answers = await asyncio.gather(
        house.register(there), propagate(house, {CITY: [registration.registration_id]}), return_exceptions=True
    )
    assert not isinstance(answers, BaseException)
    done = answers[CITY, registration.registration_id]
    if isinstance(outcome, BaseException):
        assert isinstance(outcome, Refusal)
        assert outcome.reason == "CARD_ALREADY_REGISTERED"
    else:
        assert outcome.registration.registration_id == done.registration_id
    assert await house.rows("SELECT count(*) FROM registration") == [(2,)]
