"""What a search and a confirmation ask of the database: every registration pays for them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from qualification_registry.domain.throttle import derive_keys, find_limits
from qualification_registry.store import search_counts
from refusals import Refusal
from tests.support.services.example_rosters import roster, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.statements import counted_statements

BIDDER, NAME = "1000000001", "株式会社渡辺組"


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        await running.officer.import_roster(roster(row(BIDDER, NAME), row("1000000002", "株式会社渡邊組")))
        yield running


async def test_registration_asks_once_for_what_it_needs(registry: RunningQualificationRegistry) -> None:
    password = (await registry.officer.issue(BIDDER))[BIDDER].password
    with counted_statements() as asked:
        proof = (await registry.find(BIDDER, NAME, password)).proof
    # The try is counted, what is known of the bidder and the names of others are read, the try is taken back.
    assert len(asked) == 4
    with counted_statements() as asked:
        await registry.confirm(proof, NAME)
    assert len(asked) == 1
    with counted_statements() as asked:
        await registry.confirm(proof, "株式会社渡邊組")
    # Whether it is the name of another bidder.
    assert len(asked) == 2


async def test_refused_try_costs_one_statement(registry: RunningQualificationRegistry) -> None:
    most = registry.profile.password.tries_per_card_and_id
    tries = [registry.find(BIDDER, NAME, "wrong123") for _ in range(most)]
    await asyncio.gather(*tries, return_exceptions=True)
    with counted_statements() as asked, pytest.raises(Refusal, match="TOO_MANY_TRIES"):
        await registry.find(BIDDER, NAME, "wrong123")
    assert len(asked) == 1


async def test_tries_and_their_reverts_do_not_deadlock(registry: RunningQualificationRegistry) -> None:
    """Two cards search for two bidders: each statement locks several of the same rows."""
    rule = registry.profile.password
    window, limits = timedelta(minutes=rule.window_minutes), dict.fromkeys(find_limits(rule), 1000)

    async def search(number: int) -> None:
        keys = derive_keys(sha256(bytes([number % 2])).digest(), str(number // 2 % 2))
        async with registry.database.single_change() as connection:
            await search_counts.count_try(connection, keys, limits=limits, now=registry.now[0], window=window)
        async with registry.database.single_change() as connection:
            await search_counts.revert_try(connection, keys)

    await asyncio.gather(*map(search, range(200)))
    counts = await registry.query("SELECT scope, sum(tries) FROM search_counts GROUP BY scope ORDER BY scope")
    assert counts == [("bidder", 0), ("card", 0)]


async def test_letters_are_written_batch_by_batch(registry: RunningQualificationRegistry) -> None:
    lines = [row(f"1000001{number:03}", f"株式会社例示{number}") for number in range(18)]
    await registry.officer.import_roster(roster(row(BIDDER, NAME), row("1000000002", "株式会社渡邊組"), *lines))
    with counted_statements() as asked:
        assert len(await registry.officer.issue()) == 20
    # Who calls, and the challenge; who calls, the request's outcome, who has no password, and since when; for the batch
    # the outcome, the act, its officer and that it is used up, whose companies they are, the hashes, and the entries.
    assert len(asked) == 16
