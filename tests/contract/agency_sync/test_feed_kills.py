"""The feed is complete through a kill -9 of its writers, its readers and PostgreSQL, at whatever moment."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from operator_command.launcher.postgresql import EmbeddedPostgreSQL, running_postgresql
from operator_command.launcher.processes import build_environment, build_python_command
from tests.support.agency_system import agency_system, example_system
from tests.support.example_profile import CITY, PREFECTURE, example_profile
from tests.support.feed_reader import Reader, reading
from tests.support.services.agency_sync import RunningAgencySync, running_agency_sync
from tests.support.waiting import wait_until
from toroku.agencysync.v1 import feed_pb2

ROUNDS = 4


@asynccontextmanager
async def writing(dsn: str, writers: int) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Processes that record states of the same cards, and are killed at the end of the block at the latest."""
    processes = []
    try:
        for place in range(writers):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.support.feed_writing_process", dsn, str(place), stdout=subprocess.PIPE
            )
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"begins\n"
        yield processes
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def check_complete(sync: RunningAgencySync, readers: list[Reader]) -> None:
    """Has the worker append what is left over, and sees that each reader has it all once, and each card's state."""
    await sync.append_pending()
    heads = dict(await sync.rows("SELECT agency, number FROM feed_heads WHERE category = 'works'"))
    kept = await sync.rows("SELECT certificate_sha256, is_suspended FROM card_states")
    assert len(kept) > 100
    for reader in readers:
        await reader.wait_for(heads[reader.agency])
        assert reader.numbers == list(range(1, heads[reader.agency] + 1))
        assert {change.certificate_sha256: change.state for change in reader.changes} == {
            bytes(card): feed_pb2.Change.STATE_SUSPENDED if is_suspended else feed_pb2.Change.STATE_GOOD
            for card, is_suspended in kept
        }


@pytest.mark.requirement("SYN-06")
async def test_kill_of_writers_loses_nothing_and_doubles_nothing(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    async with (
        running_agency_sync(migrated_database("agency_sync"), tmp_path, example_profile()) as sync,
        reading(sync.streams[PREFECTURE], PREFECTURE) as first,
        reading(sync.streams[CITY], CITY) as second,
    ):
        for _ in range(ROUNDS):
            seen = len(first.changes)
            async with writing(sync.dsn, 3) as processes:
                for further, process in enumerate(processes, start=1):
                    await first.wait_for(seen + further * 300)
                    process.kill()
        await check_complete(sync, [first, second])


@pytest.mark.requirement("SYN-06")
@pytest.mark.requirement("SYN-07")
async def test_reader_that_is_cut_off_goes_on_from_what_it_has(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    reader = Reader(PREFECTURE)
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, example_profile()) as sync:
        async with writing(sync.dsn, 2):
            for _ in range(10):
                seen = len(reader.changes)
                task = asyncio.create_task(reader.read(sync.streams[PREFECTURE]))
                await reader.wait_for(seen + 100)
                task.cancel()
                await asyncio.wait([task])
        task = asyncio.create_task(reader.read(sync.streams[PREFECTURE]))
        await check_complete(sync, [reader])
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.requirement("SYN-06", "met")
async def test_kill_of_an_agencys_system_loses_nothing_and_doubles_nothing(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, example_profile()) as sync:
        sync.now[0] = datetime.now(UTC)
        async with writing(sync.dsn, 2):
            # It starts from a snapshot, and each time it comes back from its own copy.
            await sync.make_snapshot(PREFECTURE)
            for _ in range(ROUNDS):
                seen = read_copied(tmp_path / "feed.db")
                async with example_system(sync, tmp_path / "feed.db") as system:
                    await wait_until(partial(_is_further, tmp_path / "feed.db", seen + 300), seconds=60)
                    system.kill()
        await sync.append_pending()
        kept = await sync.rows("SELECT certificate_sha256, is_suspended FROM card_states")
        assert len(kept) > 100
        async with agency_system(sync, tmp_path / "feed.db") as system:
            await system.subscriber.catch_up()
            copied = {bytes(card): (await system.store.find(bytes(card)))[0] for card, _ in kept}
        assert {card: entry and entry.state for card, entry in copied.items()} == {
            bytes(card): feed_pb2.Change.STATE_SUSPENDED if is_suspended else feed_pb2.Change.STATE_GOOD
            for card, is_suspended in kept
        }


def read_copied(copy: Path) -> int:
    """The number of the last entry in a system's copy."""
    if not copy.exists():
        return 0
    with contextlib.closing(sqlite3.connect(copy)) as connection, contextlib.suppress(sqlite3.OperationalError):
        return int((connection.execute("SELECT number FROM progress").fetchone() or [0])[0])
    return 0


async def _is_further(copy: Path, number: int) -> bool:
    return read_copied(copy) >= number


@pytest.fixture
def own_postgresql() -> Iterator[EmbeddedPostgreSQL]:
    """A server of this test alone."""
    with TemporaryDirectory(prefix="toroku-tests-") as folder:
        Path(folder).chmod(0o711)
        with running_postgresql(Path(folder) / "postgresql", durable=True) as server:
            server.provide_role("tests")
            yield server


def kill_postgresql(dsn: str) -> None:
    """Kills the process of one connection, after which the server ends all others and recovers from its log."""
    with psycopg.connect(dsn) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)


@pytest.mark.requirement("SYN-06")
async def test_kill_of_postgresql_loses_nothing_and_doubles_nothing(
    own_postgresql: EmbeddedPostgreSQL, tmp_path: Path
) -> None:
    dsn = own_postgresql.provide_database("feed", "tests")
    environment = build_environment({"TOROKU_DATABASE": dsn})
    migration = await asyncio.create_subprocess_exec(*build_python_command("agency_sync", "migrate"), env=environment)
    assert await migration.wait() == 0
    async with (
        running_agency_sync(dsn, tmp_path, example_profile()) as sync,
        reading(sync.streams[PREFECTURE], PREFECTURE) as reader,
    ):
        for _ in range(ROUNDS):
            seen = len(reader.changes)
            async with writing(dsn, 2):
                await reader.wait_for(seen + 300)
                kill_postgresql(dsn)
            await asyncio.to_thread(own_postgresql.wait_until_ready)
        assert "DATABASE_UNAVAILABLE" in reader.failed
        await check_complete(sync, [reader])
