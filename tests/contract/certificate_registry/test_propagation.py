"""Propagation of registrations to further agencies (SYN-01)."""

import asyncio
from uuid import UUID, uuid4

import pytest

from certificate_registry.operations import propagation
from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, OTHER_BIDDER, PREFECTURE, TOWN, VILLAGE
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from toroku.certificate.v1 import certificate_registry_pb2, user_lookup_pb2
from toroku.qualification.v1 import bidder_state_pb2

Result = certificate_registry_pb2.PropagatedRegistration
ENDED = user_lookup_pb2.ResolveUserResponse.VERDICT_BINDING_ENDED


@pytest.mark.every_postgresql
@pytest.mark.requirement("SYN-01")
async def test_propagated_registration_is_valid_at_the_other_agencies(registry: RunningCertificateRegistry) -> None:
    visit, registration = await registry.register_new()
    answers = await registry.propagate({agency: [registration.registration_id] for agency in (CITY, TOWN)})
    assert {answer.result for answer in answers.values()} == {Result.RESULT_DONE}
    assert len({UUID(answer.registration_id) for answer in answers.values()}) == 2
    for agency in (PREFECTURE, CITY, TOWN):
        assert (await registry.resolve(visit, agency)).bidder_id == BIDDER
    assert (await registry.resolve(visit, VILLAGE)).bidder_id == ""


@pytest.mark.requirement("SYN-09")
async def test_existing_registration_is_unchanged_and_counts_as_done(registry: RunningCertificateRegistry) -> None:
    visit, first = await registry.register_new()
    _, second = await registry.register_new(visit.card, agency=CITY)
    for _ in range(2):
        answers = await registry.propagate({CITY: [first.registration_id], PREFECTURE: [second.registration_id]})
        assert answers[CITY, first.registration_id].registration_id == second.registration_id
        assert answers[PREFECTURE, second.registration_id].registration_id == first.registration_id
    assert await registry.rows("SELECT count(*) FROM registration") == [(2,)]
    assert await registry.rows("SELECT count(*) FROM history_entry WHERE what = 'propagated'") == [(0,)]


async def test_two_sources_of_one_card_make_one_registration(registry: RunningCertificateRegistry) -> None:
    visit, first = await registry.register_new()
    _, second = await registry.register_new(visit.card, agency=CITY)
    answers = await registry.propagate({TOWN: [first.registration_id, second.registration_id, first.registration_id]})
    assert len(answers) == 2
    assert len({answer.registration_id for answer in answers.values()}) == 1
    assert await registry.rows("SELECT count(*) FROM registration") == [(3,)]


async def test_one_history_entry_names_all_agencies_of_a_card(registry: RunningCertificateRegistry) -> None:
    visit, registration = await registry.register_new()
    answers = await registry.propagate({agency: [registration.registration_id] for agency in (TOWN, CITY)})
    rows = await registry.rows(
        "SELECT who, certificate_sha256, agencies, details::json -> 'after' FROM history_entry "
        "JOIN history_details USING (number) WHERE what = 'propagated'"
    )
    made = {agency: answer.registration_id for (agency, _), answer in answers.items()}
    assert rows == [("service agency-sync", visit.card.sha256, [CITY, TOWN], {"registrations": made})]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE card SET revoked_at = now()",
        "UPDATE card SET distrusted_at = now(), distrusted_because = 'CERTIFICATE_PATH_INVALID'",
        "UPDATE card SET trusted_until = now() - interval '1 hour'",
        "UPDATE card SET not_after = now() - interval '1 hour'",
        "UPDATE binding SET ended_at = now(), ended_as = 'released', ended_because = 'officer'",
        "UPDATE registration SET state = 'suspended', reason = 'officer'",
        "UPDATE card_state SET suspended_because = 'lost'",
    ],
)
async def test_card_that_is_not_good_is_not_propagated(registry: RunningCertificateRegistry, change: str) -> None:
    _, registration = await registry.register_new()
    await registry.execute(change)
    answers = await registry.propagate({CITY: [registration.registration_id]})
    assert answers[CITY, registration.registration_id].result == Result.RESULT_CARD_NOT_GOOD
    assert answers[CITY, registration.registration_id].registration_id == ""
    assert await registry.rows("SELECT count(*) FROM registration") == [(1,)]


async def test_ended_bidder_is_not_propagated(registry: RunningCertificateRegistry) -> None:
    _, registration = await registry.register_new()
    await registry.record_bidder(bidder_state_pb2.BIDDER_STATUS_ENDED, 1)
    answers = await registry.propagate({CITY: [registration.registration_id]})
    assert answers[CITY, registration.registration_id].result == Result.RESULT_CARD_NOT_GOOD


async def test_unknown_registration_is_reported_as_unknown(registry: RunningCertificateRegistry) -> None:
    _, registration = await registry.register_new()
    unknown = str(uuid4())
    answers = await registry.propagate({CITY: [unknown, registration.registration_id]})
    assert answers[CITY, unknown].result == Result.RESULT_REGISTRATION_UNKNOWN
    assert answers[CITY, registration.registration_id].result == Result.RESULT_DONE
    with pytest.raises(Refusal, match="REGISTRATION_ID_INVALID"):
        await registry.propagate({CITY: ["1"]})


@pytest.mark.parametrize("state", ["suspended", "replaced", "ended"])
async def test_propagation_does_not_resurrect(registry: RunningCertificateRegistry, state: str) -> None:
    _, registration = await registry.register_new()
    await registry.propagate({CITY: [registration.registration_id]})
    replaced_by = "'x'" if state == "replaced" else "NULL"
    await registry.execute(
        f"UPDATE registration SET state = '{state}', reason = 'officer', replaced_by = {replaced_by} "  # noqa: S608
        f"WHERE agency = '{CITY}'"
    )
    answers = await registry.propagate({agency: [registration.registration_id] for agency in (CITY, TOWN)})
    assert answers[CITY, registration.registration_id].result == Result.RESULT_CARD_NOT_GOOD
    assert answers[CITY, registration.registration_id].registration_id == ""
    assert answers[TOWN, registration.registration_id].result == Result.RESULT_DONE
    assert await registry.rows(f"SELECT state FROM registration WHERE agency = '{CITY}'") == [(state,)]  # noqa: S608


async def test_released_card_is_propagated_anew(registry: RunningCertificateRegistry) -> None:
    visit, first = await registry.register_new()
    await registry.propagate({CITY: [first.registration_id]})
    await registry.end_binding("released", "officer")
    for agency in (PREFECTURE, CITY):
        assert (await registry.resolve(visit, agency)).verdict == ENDED
    _, registration = await registry.register_new(visit.card, bidder_id=OTHER_BIDDER)
    answers = await registry.propagate({CITY: [first.registration_id, registration.registration_id]})
    assert answers[CITY, first.registration_id].result == Result.RESULT_CARD_NOT_GOOD
    assert answers[CITY, registration.registration_id].result == Result.RESULT_DONE
    for agency in (PREFECTURE, CITY):
        assert (await registry.resolve(visit, agency)).bidder_id == OTHER_BIDDER


@pytest.mark.requirement("SYN-01")
async def test_message_of_many_registrations_is_carried_out_in_short_transactions(
    registry: RunningCertificateRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(propagation, "MOST_TOGETHER", 2)
    registrations = [(await registry.register_new())[1].registration_id for _ in range(5)]
    answers = await registry.propagate(dict.fromkeys((CITY, TOWN), registrations))
    assert len(answers) == 10
    assert {answer.result for answer in answers.values()} == {Result.RESULT_DONE}
    assert len({UUID(answer.registration_id) for answer in answers.values()}) == 10
    rows = await registry.rows(
        "SELECT count(*), count(DISTINCT xmin::text) FROM registration WHERE origin = 'propagation'"
    )
    assert rows == [(10, 3)]
    assert await registry.rows("SELECT count(*) FROM history_entry WHERE what = 'propagated'") == [(5,)]


async def test_card_with_registrations_at_many_agencies_gets_the_missing_ones_only(
    registry: RunningCertificateRegistry,
) -> None:
    visit, first = await registry.register_new()
    _, second = await registry.register_new(visit.card, agency=CITY)
    answers = await registry.propagate(
        {
            PREFECTURE: [second.registration_id],
            CITY: [first.registration_id],
            TOWN: [second.registration_id],
            VILLAGE: [first.registration_id, second.registration_id],
        }
    )
    assert {answer.result for answer in answers.values()} == {Result.RESULT_DONE}
    rows = await registry.rows("SELECT agency, origin FROM registration ORDER BY agency")
    assert rows == [
        (CITY, "contractor"),
        (PREFECTURE, "contractor"),
        (TOWN, "propagation"),
        (VILLAGE, "propagation"),
    ]


async def test_concurrent_propagations_write_each_registration_once(registry: RunningCertificateRegistry) -> None:
    registrations = [(await registry.register_new())[1].registration_id for _ in range(6)]
    agencies = (CITY, TOWN, VILLAGE)
    forward = {agency: registrations for agency in agencies}
    backward = {agency: registrations[::-1] for agency in agencies[::-1]}
    answers = await asyncio.gather(*(registry.propagate(requests) for requests in (forward, backward) * 3))
    ids = [sorted(answer.registration_id for answer in found.values()) for found in answers]
    assert all(found == ids[0] for found in ids)
    assert await registry.rows("SELECT count(*) FROM registration") == [(6 * 4,)]


async def test_concurrent_registration_and_propagation_write_one_registration(
    registry: RunningCertificateRegistry,
) -> None:
    visit, registration = await registry.register_new()
    there = await registry.prepare(Visit(visit.card, agency=CITY))
    outcome, answers = await asyncio.gather(
        registry.register(there), registry.propagate({CITY: [registration.registration_id]}), return_exceptions=True
    )
    assert not isinstance(answers, BaseException)
    done = answers[CITY, registration.registration_id]
    if isinstance(outcome, BaseException):
        assert isinstance(outcome, Refusal)
        assert outcome.reason == "CARD_ALREADY_REGISTERED"
    else:
        assert outcome.registration.registration_id == done.registration_id
    assert await registry.rows("SELECT count(*) FROM registration") == [(2,)]
