"""Propagation of registrations to further agencies (SYN-01)."""

import asyncio
from uuid import UUID, uuid4

import pytest

from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, OTHER_BIDDER, PREFECTURE, TOWN, VILLAGE
from tests.support.services.certificate_registry import RunningCertificateRegistry, Visit
from toroku.certificate.v1 import card_pb2, certificate_registry_pb2, user_lookup_pb2
from toroku.qualification.v1 import bidder_pb2

Result = certificate_registry_pb2.PropagatedRegistration
Answers = dict[tuple[str, str], certificate_registry_pb2.PropagatedRegistration]


async def propagate(registry: RunningCertificateRegistry, requests: dict[str, list[str]]) -> Answers:
    """Propagates as agency-sync does; returns the results by agency and source."""
    request = certificate_registry_pb2.PropagateRegistrationsRequest(
        agencies=[
            certificate_registry_pb2.AgencyPropagation(agency=agency, registration_ids=ids)
            for agency, ids in requests.items()
        ]
    )
    response = await registry.callers["agency-sync"].PropagateRegistrations(request)
    return {(found.agency, found.source_registration_id): found for found in response.results}


@pytest.mark.requirement("SYN-01")
async def test_propagated_registration_is_valid_at_the_other_agencies(registry: RunningCertificateRegistry) -> None:
    visit, registration = await registry.register_new()
    answers = await propagate(registry, {agency: [registration.registration_id] for agency in (CITY, TOWN)})
    assert {answer.result for answer in answers.values()} == {Result.RESULT_DONE}
    assert len({UUID(answer.registration_id) for answer in answers.values()}) == 2
    for agency in (PREFECTURE, CITY, TOWN):
        assert (await registry.resolve(visit, agency)).bidder_id == BIDDER
    assert (await registry.resolve(visit, VILLAGE)).bidder_id == ""


async def test_propagated_registrations_are_reported_to_contact_notification(
    registry: RunningCertificateRegistry,
) -> None:
    visit, registration = await registry.register_new()
    await registry.run_jobs()
    answers = await propagate(registry, {agency: [registration.registration_id] for agency in (CITY, TOWN)})
    assert await registry.jobs_waiting() == ["deliver_propagated"]
    await registry.run_jobs()
    reported = {event.registration.agency: event for event in registry.contact_notification.events[1:]}
    assert set(reported) == {CITY, TOWN}
    for agency, event in reported.items():
        made = answers[agency, registration.registration_id]
        assert event.registration.registration_id == made.registration_id
        assert event.registration.origin == card_pb2.REGISTRATION_ORIGIN_PROPAGATION
        assert event.registration.certificate_sha256 == visit.card.sha256
        assert event.request_id == ""


@pytest.mark.requirement("SYN-09")
async def test_existing_registration_is_unchanged_and_counts_as_done(registry: RunningCertificateRegistry) -> None:
    visit, first = await registry.register_new()
    _, second = await registry.register_new(visit.card, agency=CITY)
    for _ in range(2):
        answers = await propagate(registry, {CITY: [first.registration_id], PREFECTURE: [second.registration_id]})
        assert answers[CITY, first.registration_id].registration_id == second.registration_id
        assert answers[PREFECTURE, second.registration_id].registration_id == first.registration_id
    assert await registry.rows("SELECT count(*) FROM registration") == [(2,)]
    assert await registry.rows("SELECT count(*) FROM history WHERE what = 'propagated'") == [(0,)]


async def test_two_sources_of_one_card_make_one_registration(registry: RunningCertificateRegistry) -> None:
    visit, first = await registry.register_new()
    _, second = await registry.register_new(visit.card, agency=CITY)
    answers = await propagate(registry, {TOWN: [first.registration_id, second.registration_id, first.registration_id]})
    assert len(answers) == 2
    assert len({answer.registration_id for answer in answers.values()}) == 1
    assert await registry.rows("SELECT count(*) FROM registration") == [(3,)]


async def test_one_history_entry_names_all_agencies_of_a_card(registry: RunningCertificateRegistry) -> None:
    visit, registration = await registry.register_new()
    answers = await propagate(registry, {agency: [registration.registration_id] for agency in (TOWN, CITY)})
    rows = await registry.rows("SELECT who, certificate_sha256, agencies, after FROM history WHERE what = 'propagated'")
    made = {agency: answer.registration_id for (agency, _), answer in answers.items()}
    assert rows == [("service agency-sync", visit.card.sha256, [CITY, TOWN], {"registrations": made})]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE card SET revoked_at = now()",
        "UPDATE card SET distrusted_at = now(), distrusted_because = 'CERTIFICATE_PATH_INVALID'",
        "UPDATE card SET trusted_until = now() - interval '1 hour'",
        "UPDATE card SET not_after = now() - interval '1 hour'",
        "UPDATE binding SET ended_at = now(), ended_because = 'officer'",
    ],
)
async def test_card_that_is_not_good_is_not_propagated(registry: RunningCertificateRegistry, change: str) -> None:
    _, registration = await registry.register_new()
    await registry.execute(change)
    answers = await propagate(registry, {CITY: [registration.registration_id]})
    assert answers[CITY, registration.registration_id].result == Result.RESULT_CARD_NOT_GOOD
    assert answers[CITY, registration.registration_id].registration_id == ""
    assert await registry.rows("SELECT count(*) FROM registration") == [(1,)]


async def test_ended_bidder_is_not_propagated(registry: RunningCertificateRegistry) -> None:
    _, registration = await registry.register_new()
    await registry.record_bidder(bidder_pb2.BIDDER_STATUS_ENDED, 1)
    answers = await propagate(registry, {CITY: [registration.registration_id]})
    assert answers[CITY, registration.registration_id].result == Result.RESULT_CARD_NOT_GOOD


async def test_unknown_registration_is_reported_as_unknown(registry: RunningCertificateRegistry) -> None:
    _, registration = await registry.register_new()
    unknown = str(uuid4())
    answers = await propagate(registry, {CITY: [unknown, registration.registration_id]})
    assert answers[CITY, unknown].result == Result.RESULT_REGISTRATION_UNKNOWN
    assert answers[CITY, registration.registration_id].result == Result.RESULT_DONE
    with pytest.raises(Refusal, match="REGISTRATION_ID_INVALID"):
        await propagate(registry, {CITY: ["1"]})


async def test_registration_of_an_ended_binding_is_replaced(registry: RunningCertificateRegistry) -> None:
    visit, first = await registry.register_new()
    await propagate(registry, {CITY: [first.registration_id]})
    # What officers will do: end the wrong binding and bind the card to another bidder.
    await registry.execute("UPDATE binding SET ended_at = now(), ended_because = 'officer'")
    again_bound = f"SELECT certificate_sha256, category, 2, '{OTHER_BIDDER}', now(), 'officer' FROM binding"  # noqa: S608
    await registry.execute(f"INSERT INTO binding {again_bound}")
    assert (await registry.resolve(visit)).verdict == user_lookup_pb2.ResolveUserResponse.VERDICT_BINDING_ENDED
    again = Visit(visit.card, bidder_id=OTHER_BIDDER)
    await registry.prepare(again)
    registration = (await registry.register(again)).registration
    await propagate(registry, {CITY: [registration.registration_id]})
    for agency in (PREFECTURE, CITY):
        assert (await registry.resolve(visit, agency)).bidder_id == OTHER_BIDDER


async def test_concurrent_propagations_write_each_registration_once(registry: RunningCertificateRegistry) -> None:
    registrations = [(await registry.register_new())[1].registration_id for _ in range(6)]
    agencies = (CITY, TOWN, VILLAGE)
    forward = {agency: registrations for agency in agencies}
    backward = {agency: registrations[::-1] for agency in agencies[::-1]}
    answers = await asyncio.gather(*(propagate(registry, requests) for requests in (forward, backward) * 3))
    ids = [sorted(answer.registration_id for answer in found.values()) for found in answers]
    assert all(found == ids[0] for found in ids)
    assert await registry.rows("SELECT count(*) FROM registration") == [(6 * 4,)]


async def test_concurrent_registration_and_propagation_write_one_registration(
    registry: RunningCertificateRegistry,
) -> None:
    visit, registration = await registry.register_new()
    there = await registry.prepare(Visit(visit.card, agency=CITY))
    outcome, answers = await asyncio.gather(
        registry.register(there), propagate(registry, {CITY: [registration.registration_id]}), return_exceptions=True
    )
    assert not isinstance(answers, BaseException)
    done = answers[CITY, registration.registration_id]
    if isinstance(outcome, BaseException):
        assert isinstance(outcome, Refusal)
        assert outcome.reason == "CARD_ALREADY_REGISTERED"
    else:
        assert outcome.registration.registration_id == done.registration_id
    assert await registry.rows("SELECT count(*) FROM registration") == [(2,)]
