"""Transactions and reads: what they commit, what they survive, and what they cost."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout
from sqlalchemy import Column, Integer, MetaData, Table, Text, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.statements import Statement, bind_columns
from tests.support.waiting import wait_until

thing = Table("thing", MetaData(), Column("name", Text), Column("number", Integer), Column("content", JSONB))
ADD = Statement(insert(thing).values(bind_columns("name", "number", "content")))
FIND = Statement(select(thing.c.name, thing.c.number, thing.c.content).where(thing.c.name == bindparam("name")))
COUNT = Statement(update(thing).where(thing.c.name == bindparam("name")).values(number=thing.c.number + 1))
PROCESS = Statement(text("SELECT pg_backend_pid()"))
PREPARED = Statement(
    text("SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement LIKE 'SELECT thing.name%'")
)
END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


@pytest.fixture
async def things(database: str) -> AsyncIterator[Database]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE thing (name text PRIMARY KEY, number int, content jsonb)")
    async with Database.open(database, pool=2) as opened:
        yield opened


async def read_names(database: Database) -> Sequence[str]:
    async with database.read() as connection:
        names: Sequence[str] = await connection.fetch_values(Statement(select(thing.c.name).order_by(thing.c.name)))
        return names


async def test_transaction_commits_at_its_end_and_rolls_back_on_any_exception(things: Database) -> None:
    async with things.transaction() as connection:
        await connection.change(ADD, name="kept", number=1, content={"a": "髙"})

    async def fail() -> None:
        async with things.transaction() as connection:
            await connection.change(ADD, name="gone", number=1, content=None)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        await fail()
    async with things.read() as connection:
        assert await connection.fetch_row(FIND, name="kept") == ("kept", 1, {"a": "髙"})
        assert await connection.fetch_row(FIND, name="gone") is None
        assert (await connection.fetch_row(FIND, name="kept")).number == 1


async def test_cancelled_transaction_leaves_nothing(things: Database) -> None:
    has_written = asyncio.Event()

    async def write() -> None:
        async with things.transaction() as connection:
            await connection.change(ADD, name="gone", number=1, content=None)
            has_written.set()
            await asyncio.Event().wait()

    writing = asyncio.create_task(write())
    await has_written.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await read_names(things) == []


async def test_transaction_with_a_failed_statement_is_never_reported_as_committed(things: Database) -> None:
    """PostgreSQL answers such a COMMIT with a rollback, and with no error."""

    async def overlook_a_failure() -> None:
        async with things.transaction() as connection:
            await connection.change(ADD, name="gone", number=1, content=None)
            with pytest.raises(errors.UniqueViolation):
                await connection.change(ADD, name="gone", number=1, content=None)

    with pytest.raises(errors.InFailedSqlTransaction):
        await overlook_a_failure()
    assert await read_names(things) == []


async def test_single_change_is_its_own_transaction(things: Database) -> None:
    async with things.single_change() as connection:
        await connection.change(ADD, name="kept", number=1, content=None)
    async with things.single_change() as connection:
        assert await connection.change(COUNT, name="kept") == 1
        assert await connection.change(COUNT, name="unknown") == 0
    async with things.read() as connection:
        assert (await connection.fetch_row(FIND, name="kept")).number == 2


async def test_snapshot_sees_one_moment_and_changes_nothing(things: Database) -> None:
    async with things.snapshot() as snapshot:
        assert await read_time(snapshot) == await read_time(snapshot)
        assert await snapshot.fetch_row(FIND, name="later") is None
        async with things.single_change() as connection:
            await connection.change(ADD, name="later", number=1, content=None)
        assert await snapshot.fetch_row(FIND, name="later") is None
    assert await read_names(things) == ["later"]

    async def change_something() -> None:
        async with things.snapshot() as snapshot:
            await snapshot.change(ADD, name="never", number=1, content=None)

    with pytest.raises(errors.ReadOnlySqlTransaction):
        await change_something()
    # The connection is given back as it was.
    async with things.transaction() as connection:
        await connection.change(ADD, name="again", number=1, content=None)
    assert sorted(await read_names(things)) == ["again", "later"]


async def test_time_of_a_transaction_is_its_beginning_and_that_of_a_read_is_now(things: Database) -> None:
    async with things.transaction() as connection:
        assert await read_time(connection) == await read_time(connection)
        began_at = await connection.fetch_value(Statement(text("SELECT now()")))
        assert await read_time(connection) == began_at
    async with things.read() as connection:
        first = await read_time(connection)
        assert began_at < first < await read_time(connection)
        assert first.utcoffset() == timedelta()


@pytest.mark.every_postgresql
async def test_restart_of_the_server_is_not_noticed_by_the_next_transaction(
    things: Database, database: str, postgresql: EmbeddedPostgreSQL
) -> None:
    async def use_both_connections() -> set[int]:
        async with things.transaction() as one, things.transaction() as other:
            return {await one.fetch_value(PROCESS), await other.fetch_value(PROCESS)}

    before = await use_both_connections()
    with postgresql.connect() as administrator:
        administrator.execute(END_SESSIONS, [psycopg.conninfo.conninfo_to_dict(database)["dbname"]])
    after = await use_both_connections()
    assert len(after) == 2
    assert not before & after


async def test_lost_connection_to_a_database_that_stays_away_fails_at_once_with_the_cause(
    things: Database, database: str, postgresql: EmbeddedPostgreSQL
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]

    async def use() -> None:
        async with things.transaction():
            pass

    async def both_are_there() -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            async with things.transaction(), things.transaction():
                return True
        return False

    await use()
    with postgresql.connect() as administrator:
        administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        administrator.execute(END_SESSIONS, [name])
        async with asyncio.timeout(10):
            for _ in range(3):
                with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
                    await use()
        administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    # An attempt to connect that began before may still fail.
    await wait_until(both_are_there)


async def test_all_connections_in_use_is_said_so(things: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("servicekit.database.PATIENCE", 0.2)
    async with things.read(), things.read():
        with pytest.raises(PoolTimeout, match=r"all connections were in use for 0\.2 seconds"):
            async with things.read():
                pass
    assert await read_names(things) == []


async def test_database_that_is_away_fails_at_once_with_the_cause() -> None:
    async with Database.open("postgresql://nobody@127.0.0.1:1/nothing") as database:
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(psycopg.OperationalError, match="refused"):
                async with database.read():
                    pass
            assert time.monotonic() - began < 5
        with pytest.raises(psycopg.OperationalError, match="refused"):
            async with database.transaction():
                pass


async def test_statement_is_prepared_at_its_first_use(things: Database) -> None:
    async with things.read() as connection:
        for _ in range(3):
            await connection.fetch_row(FIND, name="kept")
        assert await connection.fetch_values(PREPARED) == [3]
