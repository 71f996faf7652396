"""A connection: its socket stays watched, what converts rows is kept but no row, and a cancelled statement ends."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import psycopg
import pytest
import uvloop
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import bindparam, text

from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.statements import Statement
from tests.support.waiting import wait_until

MEASURE = Statement(text("SELECT length(CAST(:content AS text))").bindparams(bindparam("content")))
SLEEP = Statement(text("SELECT pg_sleep(:seconds)").bindparams(bindparam("seconds")))
IS_ACTIVE = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s"
# More than a socket takes at once.
LARGE = 20_000_000
# Less than the second after which a statement looks for its answer by itself.
MOST_SECONDS = 0.9


@pytest.fixture
async def opened(database: str) -> AsyncIterator[Database]:
    async with Database.open(database, pool=1) as one:
        yield one


def read_watched() -> set[int]:
    """Returns the files that this process has an event loop watch."""
    watched: set[int] = set()
    for file in Path("/proc/self/fdinfo").iterdir():
        try:
            lines = file.read_text().splitlines()
        except FileNotFoundError:
            continue
        watched |= {int(line.split()[1]) for line in lines if line.startswith("tfd:")}
    return watched


async def test_socket_stays_watched_from_statement_to_statement(opened: Database) -> None:
    async with opened.read() as connection:
        assert await connection.fetch_value(MEASURE, content="one") == 3
        assert connection.fileno() in read_watched()
        assert await connection.fetch_value(MEASURE, content="three") == 5
    assert connection.fileno() in read_watched()
    async with opened.transaction() as again:
        assert again is connection
        assert await again.fetch_value(MEASURE, content="x" * LARGE) == LARGE
        assert await again.fetch_value(MEASURE, content="three") == 5


async def test_socket_that_the_server_closes_is_watched_no_longer(
    opened: Database, postgresql: EmbeddedPostgreSQL
) -> None:
    async with opened.read() as connection:
        process = connection.info.backend_pid
        socket = connection.fileno()
        with postgresql.connect() as administrator:
            administrator.execute("SELECT pg_terminate_backend(%s)", [process])
        await wait_until(lambda: _is_unwatched(socket))
        with pytest.raises(psycopg.OperationalError):
            await connection.fetch_value(MEASURE, content="one")
    for _ in range(2):
        async with opened.read() as new:
            assert await new.fetch_value(MEASURE, content="one") == 3


async def _is_unwatched(socket: int) -> bool:
    return socket not in read_watched()


async def test_cursor_of_a_statement_is_kept_without_its_rows_and_values(opened: Database) -> None:
    def list_cursors(connection: Connection) -> list[psycopg.AsyncCursor[object]]:
        return [
            kept for kept in gc.get_objects() if isinstance(kept, psycopg.AsyncCursor) and kept.connection is connection
        ]

    async with opened.read() as connection:
        before = list_cursors(connection)
        for _ in range(3):
            await connection.fetch_rows(MEASURE, content="one")
            await connection.fetch_row(MEASURE, content="one")
            await connection.change(MEASURE, content="one")
        kept = list_cursors(connection)
        assert len(kept) == len(before) + 1
        assert [cursor.pgresult for cursor in kept if cursor not in before] == [None]


async def test_cancelled_statement_ends_in_the_server_and_its_connection_is_good(
    opened: Database, postgresql: EmbeddedPostgreSQL
) -> None:
    async def sleep() -> None:
        async with opened.transaction() as connection:
            await connection.fetch_value(SLEEP, seconds=60)

    async with opened.read() as connection:
        process = connection.info.backend_pid
    sleeping = asyncio.create_task(sleep())
    with postgresql.connect() as administrator:

        async def is_active() -> bool:
            return administrator.execute(IS_ACTIVE, [process]).fetchone() == (True,)

        await wait_until(is_active, sleeping)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert not await is_active()
    async with opened.read() as connection:
        assert await connection.fetch_value(MEASURE, content="one") == 3
        assert connection.info.backend_pid == process


async def test_connection_comes_back_from_a_transaction_whose_rollback_is_interrupted(opened: Database) -> None:
    async def fail_and_be_cancelled() -> None:
        async with opened.transaction() as connection:
            await connection.fetch_value(MEASURE, content="one")
            running = asyncio.current_task()
            assert running is not None
            # Arrives while the rollback waits for its answer.
            asyncio.get_running_loop().call_soon(running.cancel)
            raise ValueError("stop")

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(fail_and_be_cancelled())
    for _ in range(2):
        async with opened.transaction() as connection:
            assert await connection.fetch_value(MEASURE, content="one") == 3


async def test_statements_of_one_connection_side_by_side_have_their_own_rows(opened: Database) -> None:
    async with opened.read() as connection:
        lengths = await asyncio.gather(*(connection.fetch_value(MEASURE, content="x" * size) for size in range(20)))
    assert lengths == list(range(20))


@asynccontextmanager
async def relayed(dsn: str) -> AsyncIterator[str]:
    """The address of the same database by TCP, where a closed connection is an error for whoever sends."""
    given = conninfo_to_dict(dsn)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError):
            while piece := await reader.read(LARGE):
                writer.write(piece)
                await writer.drain()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        socket = f"{given['host']}/.s.PGSQL.{given.get('port', 5432)}"
        from_server, to_server = await asyncio.open_unix_connection(socket)
        await asyncio.gather(copy(reader, to_server), copy(from_server, writer))

    server = await asyncio.start_server(relay, "127.0.0.1")
    async with server:
        yield make_conninfo(dsn, host="127.0.0.1", port=server.sockets[0].getsockname()[1])


def test_statement_on_a_connection_that_was_ended_is_answered_at_once(
    database: str, postgresql: EmbeddedPostgreSQL
) -> None:
    async def use_it_after_its_end() -> None:
        async with relayed(database) as address, Database.open(address, pool=1) as one, asyncio.timeout(MOST_SECONDS):
            async with one.read() as connection:
                assert await connection.fetch_value(MEASURE, content="one") == 3
                process = connection.info.backend_pid
                socket = connection.fileno()
            with postgresql.connect() as administrator:
                administrator.execute("SELECT pg_terminate_backend(%s)", [process])
            await wait_until(lambda: is_unwatched(socket), seconds=MOST_SECONDS)
            with pytest.raises(psycopg.OperationalError):
                async with one.read() as connection:
                    await connection.fetch_value(MEASURE, content="one")
            async with one.read() as connection:
                assert await connection.fetch_value(MEASURE, content="one") == 3

    # libuv says nothing of what comes after an error; asyncio's own loop does.
    uvloop.run(use_it_after_its_end())


async def is_unwatched(socket: int) -> bool:
    return socket not in read_watched()
