"""Migrations of one database wait for each other, and a service knows whether its schema is there."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable

import psycopg

from servicekit import migrations
from servicekit.database import Database
from tests.fakes.door import until

PACKAGE = "agency_sync"


def migrating(dsn: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "TOROKU_DATABASE": dsn}
    return subprocess.Popen([sys.executable, "-m", PACKAGE, "migrate"], env=environment, stderr=subprocess.PIPE)


def tables(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname IN ('public', 'jobs')")
        return {name for (name,) in rows}


async def test_two_migrations_at_once_wait_for_each_other_and_both_succeed(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as first:

        async def both_wait() -> bool:
            found = first.execute(
                "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
                "WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
            ).fetchone()
            return found == (2,)

        first.execute("SELECT pg_advisory_lock(%s)", [migrations.MIGRATION_LOCK])
        running = [migrating(database), migrating(database)]
        try:
            await until(both_wait, seconds=60)
            assert tables(database) == set()
            first.execute("SELECT pg_advisory_unlock(%s)", [migrations.MIGRATION_LOCK])
            for process in running:
                _, errors = await asyncio.to_thread(process.communicate, timeout=60)
                assert process.returncode == 0, errors.decode()
        finally:
            for process in running:
                process.kill()
                process.wait()
    assert {"alembic_version", "procrastinate_jobs"} < tables(database)


async def test_a_schema_is_current_at_the_newest_revision_or_a_later_one(
    migrated_database: Callable[[str], str],
) -> None:
    newest = migrations.newest_revision(PACKAGE)
    dsn = migrated_database(PACKAGE)
    async with Database.open(dsn, pool=1) as database:
        for revision, current in ((newest, True), ("0000", False), ("9999", True)):
            with psycopg.connect(dsn) as connection:
                connection.execute("UPDATE alembic_version SET version_num = %s", [revision])
            async with database.read() as reading:
                assert await migrations.schema_is_current(reading, PACKAGE) is current


async def test_an_empty_database_is_not_current(database: str) -> None:
    async with Database.open(database, pool=1) as opened, opened.read() as reading:
        assert not await migrations.schema_is_current(reading, PACKAGE)


async def test_migrating_again_changes_nothing(migrated_database: Callable[[str], str]) -> None:
    dsn = migrated_database(PACKAGE)
    before = tables(dsn)
    await asyncio.to_thread(migrations.migrate, MigrationSettings(database=dsn), PACKAGE)
    assert tables(dsn) == before
