"""Propagation of renewals: the new card replaces the old one at the agencies that follow (REN-04)."""

import asyncio

import pytest

from tests.support.example_profile import CITY, PREFECTURE, TOWN, VILLAGE
from tests.support.services.card_renewal import Answer, Renewal, renew
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.statements import counted_statements
from toroku.certificate.v1 import card_pb2, certificate_registry_pb2
from toroku.qualification.v1 import bidder_state_pb2

Result = certificate_registry_pb2.PropagatedRegistration
GOOD, REPLACED, UNKNOWN = Answer.VERDICT_GOOD, Answer.VERDICT_CARD_REPLACED, Answer.VERDICT_NOT_REGISTERED


async def register_everywhere(registry: RunningCertificateRegistry, *agencies: str, agency: str = PREFECTURE) -> Visit:
    """Registers a new card, by propagation at these agencies too."""
    visit, registration = await registry.register_new(agency=agency)
    await registry.propagate({further: [registration.registration_id] for further in agencies})
    return visit


@pytest.mark.every_postgresql
@pytest.mark.requirement("REN-04")
@pytest.mark.requirement("REN-03")
async def test_renewal_replaces_the_old_card_where_it_reaches(registry: RunningCertificateRegistry) -> None:
    old = await register_everywhere(registry, CITY, TOWN)
    renewal, renewed = await renew(registry, old, propagate=True)
    source = renewed.registration.registration_id
    assert await renewal.verdicts(CITY) == (GOOD, UNKNOWN)
    answers = await registry.propagate({CITY: [source]})
    assert answers[CITY, source].result == Result.RESULT_DONE
    assert await renewal.verdicts(CITY) == (REPLACED, GOOD)
    of_new = await registry.resolve(renewal.new, CITY)
    assert of_new.predecessor == old.card.sha256
    assert (await registry.resolve(old, CITY)).replaced_by == renewal.new.card.sha256
    # The old binding lives on with the last agency, and ends with it.
    assert await renewal.verdicts(TOWN) == (GOOD, UNKNOWN)
    assert await registry.rows("SELECT count(*) FROM binding WHERE ended_at IS NULL") == [(2,)]
    for _ in range(2):
        answers = await registry.propagate({agency: [source] for agency in (CITY, TOWN)})
        assert {answer.result for answer in answers.values()} == {Result.RESULT_DONE}
    assert await renewal.verdicts(TOWN) == (REPLACED, GOOD)
    assert await registry.rows("SELECT ended_as, ended_because FROM binding WHERE ended_at IS NOT NULL") == [
        ("closed", "renewal")
    ]
    assert await registry.rows("SELECT state, count(*) FROM registration GROUP BY state ORDER BY state") == [
        ("good", 3),
        ("replaced", 3),
    ]


@pytest.mark.requirement("REN-04")
async def test_nothing_is_made_where_the_old_card_is_not_good(registry: RunningCertificateRegistry) -> None:
    old = await register_everywhere(registry, CITY, TOWN)
    await registry.execute(f"UPDATE registration SET state = 'suspended', reason = 'officer' WHERE agency = '{CITY}'")  # noqa: S608
    renewal, renewed = await renew(registry, old, propagate=True)
    source = renewed.registration.registration_id
    answers = await registry.propagate({agency: [source] for agency in (CITY, TOWN, VILLAGE)})
    assert {agency: answer.result for (agency, _), answer in answers.items()} == {
        CITY: Result.RESULT_CARD_NOT_GOOD,
        TOWN: Result.RESULT_DONE,
        VILLAGE: Result.RESULT_CARD_NOT_GOOD,
    }
    assert await renewal.verdicts(CITY) == (Answer.VERDICT_CARD_SUSPENDED, UNKNOWN)
    assert await renewal.verdicts(TOWN) == (REPLACED, GOOD)
    assert await renewal.verdicts(VILLAGE) == (UNKNOWN, UNKNOWN)
    # The suspended one still waits.
    assert await registry.rows("SELECT count(*) FROM binding WHERE ended_at IS NULL") == [(2,)]
    await registry.execute(f"UPDATE registration SET state = 'good', reason = NULL WHERE agency = '{CITY}'")  # noqa: S608
    await registry.propagate({CITY: [source]})
    assert await renewal.verdicts(CITY) == (REPLACED, GOOD)


async def test_only_the_old_card_is_replaced_where_the_new_one_is_registered(
    registry: RunningCertificateRegistry,
) -> None:
    old = await register_everywhere(registry, CITY)
    new, there = await registry.register_new(agency=CITY)
    renewal, renewed = await renew(registry, old, new.card, propagate=True)
    answers = await registry.propagate({CITY: [renewed.registration.registration_id]})
    (answer,) = answers.values()
    assert (answer.result, answer.registration_id) == (Result.RESULT_DONE, there.registration_id)
    assert await renewal.verdicts(CITY) == (REPLACED, GOOD)
    assert await registry.rows("SELECT count(*) FROM binding WHERE ended_at IS NULL") == [(1,)]


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ("UPDATE card SET revoked_at = now() WHERE certificate_sha256 = {new}", Result.RESULT_CARD_NOT_GOOD),
        ("UPDATE card_state SET suspended_because = 'x' WHERE certificate_sha256 = {new}", Result.RESULT_CARD_NOT_GOOD),
        ("UPDATE card_state SET suspended_because = 'x' WHERE certificate_sha256 = {old}", Result.RESULT_CARD_NOT_GOOD),
        (
            "UPDATE binding SET ended_at = now(), ended_as = 'released', ended_because = 'x' "
            "WHERE certificate_sha256 = {new}",
            Result.RESULT_CARD_NOT_GOOD,
        ),
        # The CA revokes the old card because it issued the new one.
        ("UPDATE card SET revoked_at = now() WHERE certificate_sha256 = {old}", Result.RESULT_DONE),
        ("UPDATE card SET not_after = now() - interval '1 h' WHERE certificate_sha256 = {old}", Result.RESULT_DONE),
    ],
)
async def test_renewal_is_propagated_while_the_new_card_is_good(
    registry: RunningCertificateRegistry, change: str, result: "Result.Result.ValueType"
) -> None:
    old = await register_everywhere(registry, CITY)
    renewal, renewed = await renew(registry, old, propagate=True)
    cards = {"old": renewal.old.card, "new": renewal.new.card}
    await registry.execute(change.format(**{name: f"'\\x{card.sha256.hex()}'" for name, card in cards.items()}))
    (answer,) = (await registry.propagate({CITY: [renewed.registration.registration_id]})).values()
    assert answer.result == result
    states = await registry.rows(f"SELECT state FROM registration WHERE agency = '{CITY}' ORDER BY state")  # noqa: S608
    assert states == ([("good",), ("replaced",)] if result == Result.RESULT_DONE else [("good",)])


async def test_suspended_bidder_is_not_renewed_elsewhere(registry: RunningCertificateRegistry) -> None:
    old = await register_everywhere(registry, CITY)
    renewal, renewed = await renew(registry, old, propagate=True)
    await registry.record_bidder(bidder_state_pb2.BIDDER_STATUS_ACTIVE, 1, suspended_agencies=[CITY])
    (answer,) = (await registry.propagate({CITY: [renewed.registration.registration_id]})).values()
    assert answer.result == Result.RESULT_BIDDER_SUSPENDED
    assert await renewal.verdicts(CITY) == (Answer.VERDICT_BIDDER_SUSPENDED, UNKNOWN)


@pytest.mark.requirement("REN-04")
async def test_renewal_that_stays_here_is_not_propagated(registry: RunningCertificateRegistry) -> None:
    old = await register_everywhere(registry, CITY)
    renewal, renewed = await renew(registry, old)
    (answer,) = (await registry.propagate({CITY: [renewed.registration.registration_id]})).values()
    assert answer.result == Result.RESULT_CARD_NOT_GOOD
    assert await renewal.verdicts(CITY) == (GOOD, UNKNOWN)


async def test_of_two_renewals_of_one_card_the_first_follows(registry: RunningCertificateRegistry) -> None:
    old = await register_everywhere(registry, CITY, TOWN)
    first, at_prefecture = await renew(registry, old, propagate=True)
    second, at_city = await renew(registry, old, agency=CITY, propagate=True)
    sources = [one.registration.registration_id for one in (at_city, at_prefecture)]
    answers = await registry.propagate({TOWN: sources})
    assert sorted(answer.result for answer in answers.values()) == [Result.RESULT_DONE, Result.RESULT_CARD_NOT_GOOD]
    assert sorted([(await first.verdicts(TOWN))[1], (await second.verdicts(TOWN))[1]]) == [GOOD, UNKNOWN]
    assert (await registry.resolve(old, TOWN)).verdict == REPLACED


async def test_one_new_card_replaces_two_old_ones(registry: RunningCertificateRegistry) -> None:
    one = await register_everywhere(registry, TOWN)
    other = await register_everywhere(registry, TOWN, agency=CITY)
    first, here = await renew(registry, one, propagate=True)
    second, there = await renew(registry, other, first.new.card, propagate=True)
    sources = [renewed.registration.registration_id for renewed in (here, there)]
    answers = await registry.propagate({TOWN: sources})
    assert {answer.result for answer in answers.values()} == {Result.RESULT_DONE}
    assert await first.verdicts(TOWN) == await second.verdicts(TOWN) == (REPLACED, GOOD)
    assert await registry.rows(f"SELECT count(*) FROM registration WHERE agency = '{TOWN}'") == [(3,)]  # noqa: S608


async def test_states_and_history_of_both_cards_follow(registry: RunningCertificateRegistry) -> None:
    old = await register_everywhere(registry, CITY, TOWN)
    renewal, renewed = await renew(registry, old, propagate=True)
    numbers = "SELECT certificate_sha256, version_number FROM card_state"
    before = dict(await registry.rows(numbers))
    await registry.execute("DELETE FROM jobs.procrastinate_jobs")
    await registry.propagate({agency: [renewed.registration.registration_id] for agency in (TOWN, CITY)})
    assert dict(await registry.rows(numbers)) == {card: number + 1 for card, number in before.items()}
    await registry.run_jobs()
    (message,) = registry.agency_sync.card_states
    states = {state.certificate_sha256: state for state in message}
    of_new = states[renewal.new.card.sha256].registrations
    assert [(one.agency, one.origin, one.predecessor) for one in of_new] == [
        (CITY, card_pb2.REGISTRATION_ORIGIN_PROPAGATION, old.card.sha256),
        (PREFECTURE, card_pb2.REGISTRATION_ORIGIN_RENEWAL, old.card.sha256),
        (TOWN, card_pb2.REGISTRATION_ORIGIN_PROPAGATION, old.card.sha256),
    ]
    assert {one.replaced_by for one in states[old.card.sha256].registrations} == {renewal.new.card.sha256}
    rows = await registry.rows(
        "SELECT what, certificate_sha256, agencies, who, details::json -> 'after' FROM history_entry "
        "JOIN history_details USING (number) WHERE who = 'service agency-sync' ORDER BY number DESC LIMIT 2"
    )
    made = {one.agency: one.registration_id for one in of_new if one.agency != PREFECTURE}
    assert rows == [
        (
            "replaced",
            old.card.sha256,
            [CITY, TOWN],
            "service agency-sync",
            {"replaced_by": dict.fromkeys((CITY, TOWN), renewal.new.card.sha256.hex())},
        ),
        ("propagated", renewal.new.card.sha256, [CITY, TOWN], "service agency-sync", {"registrations": made}),
    ]


async def test_propagated_renewals_take_as_many_statements_as_one(registry: RunningCertificateRegistry) -> None:
    counts = []
    for agencies, number in (((CITY,), 1), ((CITY, TOWN), 3)):
        sources = []
        for _ in range(number):
            _, renewed = await renew(registry, await register_everywhere(registry, *agencies), propagate=True)
            sources.append(renewed.registration.registration_id)
        with counted_statements() as statements:
            answers = await registry.propagate(dict.fromkeys(agencies, sources))
        assert [answer.result for answer in answers.values()] == [Result.RESULT_DONE] * len(agencies) * number
        counts.append(len(statements))
    # The cards, what renewals make, the history, and the jobs.
    assert counts == [4, 4]


async def test_propagation_and_renewal_at_the_other_agency_replace_once(registry: RunningCertificateRegistry) -> None:
    for _ in range(3):
        old = await register_everywhere(registry, CITY)
        first, renewed = await renew(registry, old, propagate=True)
        there = await Renewal.of(registry, old, agency=CITY).prepare()
        results = await asyncio.gather(
            there.commit(), registry.propagate({CITY: [renewed.registration.registration_id]}), return_exceptions=True
        )
        assert not isinstance(results[1], BaseException)
        (answer,) = results[1].values()
        if isinstance(results[0], BaseException):
            assert getattr(results[0], "reason", results[0]) == "CARD_REPLACED"
            assert answer.result == Result.RESULT_DONE
        else:
            assert answer.result == Result.RESULT_CARD_NOT_GOOD
        replacing = (await registry.resolve(old, CITY)).replaced_by
        assert replacing in (first.new.card.sha256, there.new.card.sha256)


@pytest.mark.requirement("REN-04")
async def test_renewal_that_takes_over_a_plan_is_made_also_where_the_old_card_is_not(
    registry: RunningCertificateRegistry,
) -> None:
    old = await register_everywhere(registry, CITY, TOWN)
    await registry.execute(f"UPDATE registration SET state = 'suspended', reason = 'officer' WHERE agency = '{TOWN}'")  # noqa: S608
    renewal, renewed = await renew(registry, old, propagate=True)
    source = renewed.registration.registration_id
    for _ in range(2):
        answers = await registry.propagate({agency: [source] for agency in (CITY, TOWN, VILLAGE)}, taking_over=[source])
        assert {agency: answer.result for (agency, _), answer in answers.items()} == {
            CITY: Result.RESULT_DONE,
            # An officer suspended the old card there, which nobody gets around.
            TOWN: Result.RESULT_CARD_NOT_GOOD,
            VILLAGE: Result.RESULT_DONE,
        }
    assert await renewal.verdicts(CITY) == (REPLACED, GOOD)
    assert await renewal.verdicts(TOWN) == (Answer.VERDICT_CARD_SUSPENDED, UNKNOWN)
    assert await renewal.verdicts(VILLAGE) == (UNKNOWN, GOOD)
    assert not (await registry.resolve(renewal.new, VILLAGE)).predecessor


async def test_renewal_that_stays_here_takes_nothing_over(registry: RunningCertificateRegistry) -> None:
    old = await register_everywhere(registry, CITY)
    renewal, renewed = await renew(registry, old, propagate=False)
    source = renewed.registration.registration_id
    await registry.propagate({agency: [source] for agency in (CITY, TOWN)}, taking_over=[source])
    assert await renewal.verdicts(CITY) == (GOOD, UNKNOWN)
    assert await renewal.verdicts(TOWN) == (UNKNOWN, UNKNOWN)
