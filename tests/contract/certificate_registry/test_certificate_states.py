"""What card states say of the certificate itself, and that each change of it is told like a stop."""

import pytest

from certificate_registry.operations.deliveries import MOST_STOPS
from servicekit.messages import write_timestamp
from tests.support.example_profile import CITY, GOODS
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.statements import counted_statements
from toroku.certificate.v1 import card_state_pb2

Standing = card_state_pb2.CertificateStanding
TRUSTED, REVOKED, NOT_TRUSTED = Standing.STATE_TRUSTED, Standing.STATE_REVOKED, Standing.STATE_NOT_TRUSTED
CONSUMERS = 2


def told(registry: RunningCertificateRegistry) -> list[tuple[str, int, "Standing.State.ValueType"]]:
    """Returns category, version and certificate of the states that agency-sync got, in order."""
    return [
        (state.category, state.version.number, state.certificate.state)
        for states in registry.agency_sync.card_states
        for state in states
    ]


async def copy_card(registry: RunningCertificateRegistry, copies: int) -> None:
    """Stores a card many times, under other hashes."""
    await registry.execute(
        f"""
        INSERT INTO card SELECT (copy).* FROM (
            SELECT jsonb_populate_record(card, jsonb_build_object(
                'certificate_sha256', '\\x' || encode(sha256(('copy ' || n)::bytea), 'hex'),
                'tbs_sha256', '\\x' || encode(sha256(('tbs ' || n)::bytea), 'hex')
            )) AS copy
            FROM card, generate_series(1, {copies}) AS n
        ) AS copies
        """  # noqa: S608  # a number of the test
    )


async def count_stops(registry: RunningCertificateRegistry) -> int:
    """Returns the number of jobs that wait for delivering stops."""
    return [name for name in await registry.jobs_waiting()].count("deliver_stop")


@pytest.mark.every_postgresql
async def test_card_state_has_the_validity_of_its_certificate(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    certificate = visit.card.certificate
    expected = Standing(
        state=TRUSTED,
        not_before=write_timestamp(certificate.not_valid_before_utc),
        not_after=write_timestamp(certificate.not_valid_after_utc),
    )
    assert (await registry.outcome(visit)).card_state.certificate == expected
    await registry.run_jobs()
    (states,) = registry.agency_sync.card_states
    assert [state.certificate for state in states] == [expected]


@pytest.mark.requirement("LIF-02")
async def test_revocation_and_the_end_of_a_hold_are_told_in_every_category(
    registry: RunningCertificateRegistry,
) -> None:
    visit, _ = await registry.register_new()
    await registry.register_new(visit.card, category=GOODS)
    other, _ = await registry.register_new()
    await registry.run_jobs()
    registry.agency_sync.card_states.clear()
    registry.ca.revoke(visit.card)
    await registry.fetch_lists()
    assert await count_stops(registry) == CONSUMERS
    await registry.run_jobs()
    assert told(registry) == [("goods", 2, REVOKED), ("works", 2, REVOKED)]
    assert (await registry.outcome(other)).card_state.version.number == 1
    # The same list again changes nothing.
    await registry.fetch_lists()
    assert await count_stops(registry) == 0
    registry.ca.revoked.clear()
    await registry.fetch_lists()
    await registry.run_jobs()
    assert told(registry)[2:] == [("goods", 3, TRUSTED), ("works", 3, TRUSTED)]


@pytest.mark.requirement("LIF-02")
async def test_card_trusted_no_more_is_told_and_again_when_it_is(registry: RunningCertificateRegistry) -> None:
    await registry.register_new()
    await registry.run_jobs()
    registry.agency_sync.card_states.clear()
    # The profile loses the CA, and gets it back.
    await registry.restart_worker([])
    await registry.judge_cards()
    await registry.run_jobs()
    assert told(registry) == [("works", 2, NOT_TRUSTED)]
    await registry.restart_worker()
    await registry.judge_cards()
    await registry.run_jobs()
    assert told(registry)[1:] == [("works", 3, TRUSTED)]


async def test_revocation_of_hundreds_of_cards_costs_no_more_statements_and_few_messages(
    registry: RunningCertificateRegistry,
) -> None:
    visit, _ = await registry.register_new()
    await registry.run_jobs()
    counts = []
    for copies in (0, 2 * MOST_STOPS):
        await copy_card(registry, copies)
        await registry.execute(
            "INSERT INTO card_state (certificate_sha256, category, version_epoch, version_number) "
            "SELECT certificate_sha256, 'works', 1, 1 FROM card ON CONFLICT DO NOTHING"
        )
        registry.ca.revoke(visit.card)
        with counted_statements() as statements:
            await registry.fetch_lists()
        counts.append(len(statements))
        portions = -(-(copies + 1) // MOST_STOPS)
        assert await count_stops(registry) == portions * CONSUMERS
        registry.ca.revoked.clear()
        await registry.fetch_lists()
        await registry.execute("DELETE FROM jobs.procrastinate_jobs")
    assert counts[0] == counts[1]
    assert await registry.rows("SELECT version_number, count(*) FROM card_state GROUP BY 1 ORDER BY 1") == [
        (3, 2 * MOST_STOPS),
        (5, 1),
    ]


@pytest.mark.requirement("LIF-02")
async def test_card_that_passes_at_a_log_in_is_told_as_trusted(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    await registry.execute("UPDATE card SET distrusted_at = now(), distrusted_because = 'CERTIFICATE_PATH_INVALID'")
    assert (await registry.outcome(visit)).card_state.certificate.state == NOT_TRUSTED
    await registry.run_jobs()
    registry.agency_sync.card_states.clear()
    visit.agency = CITY
    await registry.log_in(visit)
    await registry.run_jobs()
    assert told(registry) == [("works", 2, TRUSTED)]
