"""A registration does nothing twice: one validation, one renewal of the session, a few statements for each call."""

import asyncio
import os
import signal
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certificate_registry.pki.names import ParsedCertificate
from certificate_registry.pki.revocation_list import parse_revocation_list
from certificate_registry.store import revocation_lists
from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, IssuedCard
from tests.support.contractor import signed
from tests.support.example_profile import CITY
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.statements import counted_statements
from tests.support.waiting import wait_until
from toroku.certificate.v1 import certificate_registry_pb2

VALIDATION = "validate certificate"
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


async def open_session(registry: RunningCertificateRegistry, card: IssuedCard | None = None) -> Visit:
    visit = Visit(card or registry.card())
    await registry.log_in(visit)
    return visit


async def store_list(registry: RunningCertificateRegistry, der: bytes) -> None:
    """Stores a CRL as another process does that has not judged any card by it yet."""
    async with registry.database.transaction() as connection:
        await revocation_lists.save(connection, parse_revocation_list(der), url=registry.list_url, now=registry.now[0])


async def last_used_at(registry: RunningCertificateRegistry) -> datetime:
    ((instant,),) = await registry.rows("SELECT last_used_at FROM card_session")
    assert isinstance(instant, datetime)
    return instant.astimezone(UTC)


async def test_registration_validates_its_certificate_once(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    with registry.counted_spans() as spans:
        await registry.log_in(visit)
        await registry.check_registrable(visit)
        await registry.sign_act(visit)
        await registry.register(visit)
        # Nor is it validated for the next agency.
        await registry.register_new(visit.card, agency=CITY)
    assert spans[VALIDATION] == 1
    assert spans["verify signature"] == 4


async def test_certificate_is_read_by_its_process_of_the_pool_alone(
    registry: RunningCertificateRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    load = ParsedCertificate.load

    def count(der: bytes, **options: Any) -> Any:
        read.append(der)
        return load(der, **options)

    monkeypatch.setattr(ParsedCertificate, "load", count)
    visit = await registry.prepare(Visit(registry.card()))
    await registry.register(visit)
    assert visit.card.der not in read


async def test_certificate_that_brings_useless_ones_along_is_validated_once_more(
    registry: RunningCertificateRegistry,
) -> None:
    stranger = CertificateAuthority.create("Another CA")
    visit = Visit(registry.card(), other_certificates=(registry.ca.der, stranger.der))
    with registry.counted_spans() as spans:
        await registry.prepare(visit)
        await registry.register(visit)
    assert spans[VALIDATION] == 1
    with registry.counted_spans() as spans:
        await registry.challenge(Visit(visit.card, agency=CITY, other_certificates=visit.other_certificates))
    assert spans[VALIDATION] == 1


async def test_list_that_another_process_stored_counts_at_the_next_call(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    newcomer = Visit(visit.card, agency=CITY)
    log_in = await registry.challenge(newcomer)
    signed_log_in = signed(newcomer.card, log_in.purpose)
    for step in (
        lambda: registry.check_registrable(visit),
        lambda: registry.create_act(visit),
        lambda: registry.register(visit),
        lambda: registry.challenge(newcomer),
        lambda: registry.open(newcomer, signed_log_in),
    ):
        await registry.check_registrable(visit)
        registry.ca.revoke(visit.card, registry.now[0])
        await store_list(registry, registry.ca.crl(registry.now[0]))
        with pytest.raises(Refusal, match="CERTIFICATE_REVOKED"):
            await step()
        # It was only on hold, and is taken off the list.
        registry.ca.revoked.clear()
        await store_list(registry, registry.ca.crl(registry.now[0]))
    with registry.counted_spans() as spans:
        await registry.register(visit)
    assert spans[VALIDATION] == 1


async def test_end_of_a_list_counts_at_the_next_call_and_so_does_a_clock_that_goes_back(
    registry: RunningCertificateRegistry,
) -> None:
    await store_list(registry, registry.ca.crl(registry.now[0], valid_for=4 * MINUTE))
    visit = await registry.prepare(Visit(registry.card()))
    registry.pass_time(4 * MINUTE + SECOND)
    with pytest.raises(Refusal, match="REVOCATION_STATUS_UNKNOWN"):
        await registry.check_registrable(visit)
    with pytest.raises(Refusal, match="REVOCATION_STATUS_UNKNOWN"):
        await registry.register(visit)
    with pytest.raises(Refusal, match="REVOCATION_STATUS_UNKNOWN"):
        await registry.challenge(Visit(visit.card))
    registry.pass_time(-2 * SECOND)
    await registry.register(visit)


async def test_end_of_a_certificate_counts_at_the_next_call(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card(not_after=registry.now[0] + 3 * MINUTE)))
    registry.pass_time(4 * MINUTE)
    with pytest.raises(Refusal, match="CERTIFICATE_EXPIRED"):
        await registry.register(visit)


async def test_known_card_logs_in_again_while_the_pool_stands_still(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    (process,) = registry.judgements.process_ids
    os.kill(process, signal.SIGSTOP)
    try:
        async with asyncio.timeout(10):
            await registry.register_new(visit.card, agency=CITY)
    finally:
        os.kill(process, signal.SIGCONT)


@pytest.mark.requirement("ENT-07")
async def test_session_is_renewed_every_twenty_seconds_and_its_end_is_told(
    registry: RunningCertificateRegistry,
) -> None:
    opened_at = registry.now[0]
    visit = await open_session(registry)
    for seconds, renewed in ((20, 0), (21, 21), (41, 21), (42, 42)):
        registry.now[0] = opened_at + timedelta(seconds=seconds)
        expires_at = (await registry.check(visit)).expires_at.ToDatetime(UTC)
        assert await last_used_at(registry) == opened_at + timedelta(seconds=renewed)
        assert expires_at == opened_at + timedelta(seconds=renewed) + 10 * MINUTE
    # Used without a renewal: it ends when it was told to, up to 20 seconds early, and never later.
    registry.now[0] = opened_at + timedelta(seconds=60)
    expires_at = (await registry.check(visit)).expires_at.ToDatetime(UTC)
    registry.now[0] = expires_at + SECOND
    with pytest.raises(Refusal, match="CARD_SESSION_EXPIRED"):
        await registry.check(visit)
    assert await last_used_at(registry) == opened_at + timedelta(seconds=42)


async def test_refused_use_renews_nothing(registry: RunningCertificateRegistry) -> None:
    opened_at = registry.now[0]
    visit = await open_session(registry)
    registry.pass_time(MINUTE)
    with pytest.raises(Refusal, match="CARD_SESSION_FOR_ANOTHER_AGENCY"):
        await registry.check(visit, agency=CITY)
    assert await last_used_at(registry) == opened_at


async def test_commit_renews_the_session_and_keeps_it_from_ending_before(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    registry.pass_time(5 * SECOND)
    end = certificate_registry_pb2.EndCardSessionRequest(session_token=visit.token)
    async with registry.database.transaction() as connection:
        # The commit has the session, and waits for the bidder.
        await connection.execute("LOCK TABLE bidder_state IN ACCESS EXCLUSIVE MODE")
        commit = asyncio.create_task(registry.register(visit))
        await wait_until(lambda: waits_for_a_lock(registry, 1))
        ended = asyncio.ensure_future(registry.stub.EndCardSession(end))
        await wait_until(lambda: waits_for_a_lock(registry, 2))
        assert not ended.done()
    await commit
    await ended
    assert await last_used_at(registry) == registry.now[0]
    with pytest.raises(Refusal, match="CARD_SESSION_UNKNOWN"):
        await registry.check(visit)


async def waits_for_a_lock(registry: RunningCertificateRegistry, sessions: int) -> bool:
    ((waiting,),) = await registry.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(waiting == sessions)


async def test_each_call_of_a_registration_has_a_few_statements(registry: RunningCertificateRegistry) -> None:
    await registry.register_new()
    visit = Visit(registry.card())
    counts: dict[str, int] = {}

    async def count(call: str, step: Awaitable[Any]) -> Any:
        with counted_statements() as statements:
            answer = await step
        counts[call] = len(statements)
        return answer

    log_in = await count("CreateChallenge", registry.challenge(visit))
    opened = await count("OpenCardSession", registry.open(visit, signed(visit.card, log_in.purpose)))
    visit.token = opened.session_token
    registry.pass_time(21 * SECOND)
    await count("CheckCardSession", registry.check(visit))
    await count("CheckRegistrable", registry.check_registrable(visit))
    await count("CreateActChallenge", registry.sign_act(visit))
    await count("Register", registry.register(visit))
    await count("Register again", registry.register(visit))
    end = certificate_registry_pb2.EndCardSessionRequest(session_token=visit.token)
    await count("EndCardSession", registry.stub.EndCardSession(end))
    # With the questions for the time; without BEGIN, which reads it, and COMMIT.
    assert counts == {
        "CreateChallenge": 2,
        "OpenCardSession": 5,
        "CheckCardSession": 1,
        "CheckRegistrable": 1,
        "CreateActChallenge": 2,
        "Register": 6,
        "Register again": 3,
        "EndCardSession": 1,
    }


async def test_sixty_agencies_have_the_statements_and_messages_of_three(registry: RunningCertificateRegistry) -> None:
    await registry.register_new()
    await registry.run_jobs()
    counts = {}
    for number in (3, 60):
        _, registration = await registry.register_new()
        await registry.run_jobs()
        registry.contact_notification.card_states.clear()
        registry.agency_sync.calls.clear()
        with counted_statements() as statements:
            answers = await registry.propagate(
                {f"city-{city}": [registration.registration_id] for city in range(number)}
            )
            await registry.run_jobs()
        assert len(answers) == number
        # One state with all registrations, in one message to each consumer.
        ((state,),) = registry.contact_notification.card_states
        assert len(state.registrations) == number + 1
        assert registry.agency_sync.calls == {"RecordCardStates": 1}
        counts[number] = len(statements)
    assert counts[3] == counts[60]
