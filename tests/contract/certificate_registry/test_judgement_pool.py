"""Strangers' certificates are judged by processes of their own, of which nobody else has to wait for."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from certificate_registry.adapters.judgement_pool import PoolBounds
from refusals import Code, Refusal
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from tests.support.contractor import signed
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.services.running_certificate_registry import running_certificate_registry
from tests.support.waiting import wait_until

MOST = 16


@pytest.fixture
async def only_process(registry: RunningCertificateRegistry) -> int:
    """The pool's one process."""
    return await find_warm_process(registry)


@pytest.fixture
async def impatient(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningCertificateRegistry]:
    """The service, whose processes have two seconds for a certificate."""
    bounds = PoolBounds(processes=1, most=MOST, timeout=2)
    dsn = migrated_database("certificate_registry")
    async with running_certificate_registry(dsn, tmp_path, pool_bounds=bounds) as running:
        yield running


async def wait_until_answered(registry: RunningCertificateRegistry) -> None:
    """Returns when a stranger gets a challenge; a process may still be starting."""

    async def is_answered() -> bool:
        return await reason_of_challenge(registry, Visit(registry.card())) == ""

    await wait_until(is_answered)


async def find_warm_process(registry: RunningCertificateRegistry) -> int:
    """The pool's one process, once it has read the CRL."""
    await wait_until_answered(registry)
    (process,) = registry.judgements.process_ids
    return process


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def reason_of_challenge(registry: RunningCertificateRegistry, visit: Visit) -> str:
    """Why a challenge was refused; empty where it was given."""
    try:
        await registry.challenge(visit)
    except Refusal as refusal:
        return refusal.reason
    return ""


async def test_stranger_beyond_the_bound_is_refused_and_a_session_does_not_wait(
    registry: RunningCertificateRegistry, only_process: int, caplog: pytest.LogCaptureFixture
) -> None:
    known = await registry.prepare(Visit(registry.card()))
    newcomer = Visit(registry.card())
    log_in = await registry.challenge(newcomer)
    strangers = [Visit(registry.card()) for _ in range(MOST)]
    os.kill(only_process, signal.SIGSTOP)
    try:
        calls = [asyncio.create_task(reason_of_challenge(registry, visit)) for visit in strangers]

        async def is_full() -> bool:
            return registry.judgements.admitted == MOST

        await wait_until(is_full)
        for _ in range(2):
            with pytest.raises(Refusal, match="CERTIFICATE_CHECKS_BUSY") as refused:
                await registry.challenge(Visit(registry.card()))
            assert refused.value.code is Code.RESOURCE_EXHAUSTED
        # Who signed a log-in, or has a session, is answered while the pool stands still.
        async with asyncio.timeout(10):
            await registry.open(newcomer, signed(newcomer.card, log_in.purpose))
            await registry.create_act(known)
            assert (await registry.register(known)).registration.bidder_id == known.bidder_id
        assert not any(call.done() for call in calls)
    finally:
        os.kill(only_process, signal.SIGCONT)
    assert await asyncio.gather(*calls) == [""] * MOST
    lines = [record.getMessage() for record in caplog.records if "certificates to check" in record.getMessage()]
    assert lines == [f"more than {MOST} certificates to check at a time, further ones are refused"]


async def test_process_that_hangs_is_replaced_and_keeps_no_place(impatient: RunningCertificateRegistry) -> None:
    hung = await find_warm_process(impatient)
    os.kill(hung, signal.SIGSTOP)
    with pytest.raises(Refusal, match="CERTIFICATE_CHECK_FAILED") as refused:
        await impatient.challenge(Visit(impatient.card()))
    assert refused.value.code is Code.UNAVAILABLE

    async def is_replaced() -> bool:
        return impatient.judgements.process_ids not in ([], [hung])

    await wait_until(is_replaced)
    assert not is_running(hung)
    assert impatient.judgements.admitted == 0
    await wait_until_answered(impatient)


async def test_who_waits_for_a_hung_process_is_refused_in_time(impatient: RunningCertificateRegistry) -> None:
    hung = await find_warm_process(impatient)
    os.kill(hung, signal.SIGSTOP)
    calls = [reason_of_challenge(impatient, Visit(impatient.card())) for _ in range(3)]
    async with asyncio.timeout(10):
        reasons = await asyncio.gather(*calls)
    assert "CERTIFICATE_CHECK_FAILED" in reasons
    assert set(reasons) <= {"CERTIFICATE_CHECK_FAILED", "CERTIFICATE_CHECKS_BUSY", ""}
    assert impatient.judgements.admitted == 0


async def test_killed_process_is_replaced_and_its_call_refused(
    registry: RunningCertificateRegistry, only_process: int
) -> None:
    os.kill(only_process, signal.SIGSTOP)
    call = asyncio.create_task(reason_of_challenge(registry, Visit(registry.card())))

    async def is_admitted() -> bool:
        return registry.judgements.admitted == 1

    await wait_until(is_admitted)
    os.kill(only_process, signal.SIGKILL)
    assert await call == "CERTIFICATE_CHECK_FAILED"
    assert await reason_of_challenge(registry, Visit(registry.card())) == ""
    assert registry.judgements.process_ids != [only_process]


async def test_process_that_was_killed_while_idle_costs_no_call(
    registry: RunningCertificateRegistry, only_process: int
) -> None:
    os.kill(only_process, signal.SIGKILL)

    async def is_gone() -> bool:
        return registry.judgements.process_ids == []

    await wait_until(is_gone)
    assert await reason_of_challenge(registry, Visit(registry.card())) == ""


async def test_caller_that_goes_away_leaves_the_pool_usable(
    registry: RunningCertificateRegistry, only_process: int
) -> None:
    os.kill(only_process, signal.SIGSTOP)
    calls = [asyncio.create_task(registry.challenge(Visit(registry.card()))) for _ in range(3)]

    async def are_admitted() -> bool:
        return registry.judgements.admitted == 3

    await wait_until(are_admitted)
    for call in calls:
        call.cancel()

    async def are_gone() -> bool:
        return registry.judgements.admitted == 0

    await wait_until(are_gone)
    os.kill(only_process, signal.SIGCONT)
    # Answered for its own card, not with what was left over.
    visit = Visit(registry.card())
    assert (await registry.challenge(visit)).card.certificate_sha256 == visit.card.sha256
    assert registry.judgements.process_ids == [only_process]


async def test_process_knows_lists_that_were_fetched_after_it_started(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    assert await reason_of_challenge(registry, visit) == ""
    registry.ca.revoke(visit.card, registry.now[0])
    await registry.fetch_lists()
    assert await reason_of_challenge(registry, visit) == "CERTIFICATE_REVOKED"
    assert await reason_of_challenge(registry, Visit(registry.card())) == ""


async def test_refusal_of_a_process_is_the_one_of_path_validation(registry: RunningCertificateRegistry) -> None:
    stranger = CertificateAuthority.create("Other CA", key=new_ec_key()).issue(key=new_ec_key())
    with pytest.raises(Refusal, match="CERTIFICATE_AUTHORITY_UNKNOWN") as refused:
        await registry.challenge(Visit(stranger))
    assert refused.value.code is Code.FAILED_PRECONDITION
    # A contractor reads the CA's name, the help desk the whole name in the certificate.
    issuer = stranger.certificate.issuer.rfc4514_string()
    assert refused.value.metadata == {"issuer": issuer, "issuer_name": "Other CA"}
    expired = registry.card(
        not_before=registry.now[0] - timedelta(days=800), not_after=registry.now[0] - timedelta(days=1)
    )
    assert await reason_of_challenge(registry, Visit(expired)) == "CERTIFICATE_EXPIRED"


async def test_processes_end_with_the_service(migrated_database: Callable[[str], str], tmp_path: Path) -> None:
    bounds = PoolBounds(processes=2, most=MOST, timeout=20)
    dsn = migrated_database("certificate_registry")
    async with running_certificate_registry(dsn, tmp_path, pool_bounds=bounds) as running:
        processes = list(running.judgements.process_ids)
        assert len(processes) == 2
        os.kill(processes[0], signal.SIGTERM)
        assert await reason_of_challenge(running, Visit(running.card())) == ""
        assert running.judgements.process_ids == processes
    assert not any(map(is_running, processes))


async def test_nobody_waits_for_long_lists(impatient: RunningCertificateRegistry) -> None:
    (process,) = impatient.judgements.process_ids
    os.kill(process, signal.SIGSTOP)
    try:
        # The caller's own deadline is ten seconds, after which there would be no reason.
        async with asyncio.timeout(10):
            reasons = await asyncio.gather(*(reason_of_challenge(impatient, Visit(impatient.card())) for _ in range(3)))
        assert reasons == ["CERTIFICATE_CHECKS_BUSY"] * 3
    finally:
        os.kill(process, signal.SIGCONT)
    # The process was not given up: it has read them meanwhile.
    await wait_until_answered(impatient)
    assert impatient.judgements.process_ids == [process]
