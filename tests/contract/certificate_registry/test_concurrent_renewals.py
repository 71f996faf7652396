"""Renewals at one time with each other, and with what else happens to their cards: one outcome each."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from refusals import Refusal
from tests.support.example_profile import CITY, PREFECTURE, TOWN, VILLAGE
from tests.support.services.card_renewal import Answer, Renewal
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.waiting import wait_until

GOOD, REPLACED = Answer.VERDICT_GOOD, Answer.VERDICT_CARD_REPLACED


async def count_waiting(registry: RunningCertificateRegistry, expected: int) -> bool:
    """Returns whether so many transactions wait for a lock."""
    return await registry.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ) == [(expected,)]


async def run_together(registry: RunningCertificateRegistry, *calls: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Makes calls that all wait for the same cards; returns what each did, a refusal too.

    Which one is first depends on the hashes of its cards: a renewal waits for two of them, in their order.
    """
    tasks: list[asyncio.Task[Any]] = []
    async with registry.database.transaction() as connection:
        await connection.execute("SELECT FROM card ORDER BY certificate_sha256 FOR UPDATE")
        for call in calls:
            tasks.append(asyncio.ensure_future(call()))
            await wait_until(partial(count_waiting, registry, len(tasks)))
    return await asyncio.gather(*tasks, return_exceptions=True)


def find_refused(results: list[Any]) -> tuple[int, str]:
    """Returns which of several calls was refused, as the only one, and why."""
    ((position, refusal),) = [(position, one) for position, one in enumerate(results) if isinstance(one, Exception)]
    assert isinstance(refusal, Refusal)
    return position, refusal.reason


@pytest.mark.every_postgresql
async def test_of_two_renewals_of_one_card_one_wins(registry: RunningCertificateRegistry) -> None:
    old, _ = await registry.register_new()
    renewals = [await Renewal.of(registry, old).prepare() for _ in range(6)]
    results = await asyncio.gather(*(renewal.commit() for renewal in renewals), return_exceptions=True)
    refusals = [result for result in results if isinstance(result, BaseException)]
    assert [getattr(refusal, "reason", refusal) for refusal in refusals] == ["CARD_REPLACED"] * 5
    (winner,) = [one for one, result in zip(renewals, results, strict=True) if not isinstance(result, BaseException)]
    assert (await registry.resolve(winner.old)).replaced_by == winner.new.card.sha256
    assert await registry.rows("SELECT count(*) FROM registration WHERE state = 'good'") == [(1,)]


async def test_same_request_at_one_time_renews_once(registry: RunningCertificateRegistry) -> None:
    old, _ = await registry.register_new()
    renewal = await Renewal.of(registry, old).prepare()
    results = await asyncio.gather(*(renewal.commit() for _ in range(6)))
    assert all(result == results[0] for result in results)
    assert await registry.rows("SELECT count(*) FROM history_entry WHERE what = 'renewed'") == [(1,)]


async def test_two_cards_that_would_replace_each_other_do_not_block(registry: RunningCertificateRegistry) -> None:
    # Each is registered where the other one is not, and at a third agency, so that its binding goes on.
    first, _ = await registry.register_new()
    await registry.register_new(first.card, agency=TOWN)
    second, _ = await registry.register_new(agency=CITY)
    await registry.register_new(second.card, agency=VILLAGE)
    there = await Renewal.of(registry, first, second.card).prepare()
    back = await Renewal.of(registry, second, first.card).prepare()
    for result in await asyncio.gather(there.commit(), back.commit(), return_exceptions=True):
        assert not isinstance(result, BaseException)
    assert await there.verdicts(PREFECTURE) == (REPLACED, GOOD)
    assert await back.verdicts(CITY) == (REPLACED, GOOD)


async def test_new_card_takes_the_place_of_one_card_only(registry: RunningCertificateRegistry) -> None:
    (first, _), (second, _) = await registry.register_new(), await registry.register_new()
    card = registry.card()
    renewals = [await Renewal.of(registry, old, card).prepare() for old in (first, second)]
    results = await asyncio.gather(*(renewal.commit() for renewal in renewals), return_exceptions=True)
    (refusal,) = [result for result in results if isinstance(result, BaseException)]
    assert getattr(refusal, "reason", refusal) == "CARD_ALREADY_REGISTERED"
    assert await registry.rows("SELECT state, count(*) FROM registration GROUP BY state ORDER BY state") == [
        ("good", 2),
        ("replaced", 1),
    ]


@pytest.mark.parametrize("attempt", range(2))
async def test_undo_while_the_card_is_renewed_has_one_outcome(
    registry: RunningCertificateRegistry, attempt: int
) -> None:
    old, _ = await registry.register_new()
    renewal = await Renewal.of(registry, old).prepare()
    first, second = [await registry.appoint(f"{PREFECTURE}/{name}", "binding") for name in ("hanako", "taro")]
    proposal = await first.propose_undo(old)
    results = await run_together(registry, lambda: second.approve(proposal), renewal.commit)
    live = await registry.rows("SELECT certificate_sha256 FROM binding WHERE ended_at IS NULL")
    match find_refused(results):
        case 1, reason:
            assert reason == "CARD_NOT_REGISTERED_HERE"
            assert live == []
        case _, reason:
            # The binding is not what the officers saw.
            assert reason == "PROPOSAL_TARGET_CHANGED"
            assert live == [(renewal.new.card.sha256,)]
            assert await renewal.verdicts(PREFECTURE) == (REPLACED, GOOD)


@pytest.mark.parametrize("attempt", range(2))
async def test_suspension_while_the_card_is_renewed_has_one_outcome(
    registry: RunningCertificateRegistry, attempt: int
) -> None:
    old, _ = await registry.register_new()
    renewal = await Renewal.of(registry, old).prepare()
    officer = await registry.appoint(f"{PREFECTURE}/hanako", "suspension")
    results = await run_together(registry, lambda: officer.suspend(old), renewal.commit)
    match find_refused(results):
        case 1, reason:
            assert reason == "CARD_SUSPENDED"
            assert (await registry.resolve(old)).verdict == Answer.VERDICT_CARD_SUSPENDED
        case _, reason:
            assert reason == "BINDING_ENDED"
            assert await renewal.verdicts(PREFECTURE) == (REPLACED, GOOD)


@pytest.mark.parametrize("attempt", range(2))
async def test_registration_of_the_new_card_while_it_takes_a_place_has_one_outcome(
    registry: RunningCertificateRegistry, attempt: int
) -> None:
    old, _ = await registry.register_new()
    renewal = Renewal.of(registry, old)
    visit = await registry.prepare(Visit(renewal.new.card))
    await renewal.prepare()
    position, reason = find_refused(await run_together(registry, lambda: registry.register(visit), renewal.commit))
    assert reason == "CARD_ALREADY_REGISTERED"
    assert await renewal.verdicts(PREFECTURE) == ((GOOD, GOOD) if position == 1 else (REPLACED, GOOD))


async def test_renewal_and_propagation_of_the_old_card_do_not_block(registry: RunningCertificateRegistry) -> None:
    for _ in range(4):
        old, registration = await registry.register_new()
        renewal = await Renewal.of(registry, old).prepare()
        renewed, _ = await asyncio.gather(
            renewal.commit(), registry.propagate({agency: [registration.registration_id] for agency in (CITY, TOWN)})
        )
        assert renewed.registration.agency == PREFECTURE
        assert await renewal.verdicts(PREFECTURE) == (REPLACED, GOOD)
        of_old = {(await registry.resolve(old, agency)).verdict for agency in (CITY, TOWN)}
        assert of_old in ({GOOD}, {Answer.VERDICT_NOT_REGISTERED})
