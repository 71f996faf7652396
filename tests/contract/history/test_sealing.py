"""All entries are sealed soon, beside whoever writes, by several sealers, and by some that are killed."""

import asyncio
import contextlib
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from history import seal_keeper
from history.entries import Entry
from history.seal_keeper import keep_sealed
from history.sealing import load_sealing_key, seal_batch
from history.writing import write_history
from servicekit.database import Database
from servicekit.signed_statement import SigningKey
from tests.support.history import CHAIN, get_newest_head, make_entry, seal_all, verify, write_entries
from tests.support.waiting import wait_until

# Seconds that an entry may wait for its seal.
MOST_WAIT = 5.0


@asynccontextmanager
async def running(*coroutines: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Runs them until the block ends, and raises what they raise."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def count_unsealed(database: Database) -> int:
    async with database.read() as connection:
        cursor = await connection.execute("SELECT count(*) FROM history_unsealed")
        [number] = await cursor.fetchone() or [0]
        return int(number)


async def is_sealed(database: Database) -> bool:
    return await count_unsealed(database) == 0


async def write_singly(database: Database, written: list[int]) -> None:
    for number in count(1_000_000):
        written += [entry.number for entry in await write_entries(database, [number])]


async def seal_forever(database: Database, key: SigningKey) -> None:
    while True:
        await seal_batch(database, CHAIN, key)


async def read_positions(database: Database) -> dict[int, int]:
    """Returns position by number."""
    async with database.read() as connection:
        cursor = await connection.execute("SELECT number, position FROM history_position")
        return {row.number: row.position for row in await cursor.fetchall()}


async def test_everything_is_sealed_within_five_seconds(opened: Database, key: SigningKey, dsn: str) -> None:
    await write_entries(opened, range(3))
    async with keep_sealed(opened, CHAIN, key, dsn=dsn):
        await wait_until(lambda: is_sealed(opened), seconds=MOST_WAIT)
        for number in (3, 4):
            await write_entries(opened, [number])
        began = time.monotonic()
        await wait_until(lambda: is_sealed(opened), seconds=MOST_WAIT)
        assert time.monotonic() - began > seal_keeper.GATHER / 2
    # What came one after the other has one head.
    assert (await get_newest_head(opened)).number == 2
    assert await verify(opened, key) == []


async def test_registry_at_rest_asks_nothing(
    opened: Database, key: SigningKey, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal_keeper, "GATHER", 0.05)
    query = (
        "SELECT application_name, state_change FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid"
    )
    async with keep_sealed(opened, CHAIN, key, dsn=dsn):
        await write_entries(opened, [0])
        await wait_until(lambda: is_sealed(opened))
        await asyncio.sleep(0.5)
        with psycopg.connect(dsn) as connection:
            before = connection.execute(query).fetchall()
            await asyncio.sleep(1.5)
        with psycopg.connect(dsn) as connection:
            assert connection.execute(query).fetchall() == before


async def test_sealing_goes_on_after_its_connections_were_lost(
    opened: Database,
    key: SigningKey,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(seal_keeper, "GATHER", 0.05)
    monkeypatch.setattr(seal_keeper, "TRY_AGAIN_AFTER", 0.2)
    caplog.set_level(logging.INFO)
    async with keep_sealed(opened, CHAIN, key, dsn=dsn):
        await write_entries(opened, [0])
        await wait_until(lambda: is_sealed(opened))
        with psycopg.connect(dsn) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await write_entries(opened, [1])
        await wait_until(lambda: is_sealed(opened))
        await wait_until(lambda: _has_logged(caplog, "the history is sealed again"))
    [error] = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert error.startswith("the history can't be sealed, it is tried again: ")
    assert await verify(opened, key) == []


async def _has_logged(caplog: pytest.LogCaptureFixture, message: str) -> bool:
    return message in caplog.messages


async def test_several_sealers_do_no_harm(opened: Database, key: SigningKey) -> None:
    written: list[int] = []
    async with running(*(seal_forever(opened, key) for _ in range(2)), write_singly(opened, written)):
        await wait_until(lambda: _has_written(written, 60))
    await seal_all(opened, key)
    positions = await read_positions(opened)
    assert set(positions) >= set(written)
    assert sorted(positions.values()) == list(range(1, len(positions) + 1))
    assert await verify(opened, key) == []


async def _has_written(written: list[int], most: int) -> bool:
    return len(written) >= most


async def test_thirty_thousand_entries_are_written_beside_single_ones_and_the_sealer(
    opened: Database, key: SigningKey
) -> None:
    written: list[int] = []
    async with running(seal_forever(opened, key), write_singly(opened, written)):
        await wait_until(lambda: _has_written(written, 5))
        singly = len(written)
        numbers = [entry.number for entry in await write_entries(opened, range(30_000))]
        # Nobody waited for the others.
        assert len(written) > singly
    await seal_all(opened, key)
    positions = await read_positions(opened)
    assert set(positions) >= {*written, *numbers}
    assert [positions[number] for number in numbers] == sorted(positions[number] for number in numbers)
    assert sorted(positions.values()) == list(range(1, len(positions) + 1))
    assert await verify(opened, key) == []


async def test_process_does_other_things_while_many_entries_are_written(opened: Database) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    def make_entries() -> Iterator[Entry]:
        for number in range(2_000):
            ticks_at.append(ticks)
            yield make_entry(number)

    ticks_at: list[int] = []
    async with running(tick()), opened.transaction() as connection:
        await write_history(connection, CHAIN, make_entries())
    # No more entries than these between two ticks.
    assert max(Counter(ticks_at).values()) <= 100


async def test_killed_sealer_leaves_a_whole_chain(opened: Database, dsn: str, tmp_path: Path) -> None:
    private_key = Ed25519PrivateKey.generate()
    file = tmp_path / "key.pem"
    file.write_bytes(private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key = load_sealing_key(file.read_bytes())
    written: list[int] = []
    moments = random.Random(9162)  # noqa: S311  # moments, no secrets
    async with running(write_singly(opened, written)):
        for _ in range(4):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.support.sealing_process", dsn, str(file)), stdout=asyncio.subprocess.PIPE
            )
            assert process.stdout is not None
            assert await process.stdout.readline() == b"begins\n"
            await asyncio.sleep(0.1 + moments.random() / 5)
            process.kill()
            await process.wait()
            # The server ends the transaction of a client that is gone, whose lock would be in the way.
            assert await verify(opened, key) == []
    killed_at = len(await read_positions(opened))
    assert killed_at > 0
    await seal_all(opened, key)
    positions = await read_positions(opened)
    assert set(positions) >= set(written)
    assert sorted(positions.values()) == list(range(1, len(positions) + 1))
    assert await verify(opened, key) == []
