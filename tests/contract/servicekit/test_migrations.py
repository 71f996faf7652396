"""Concurrent migrations of one database, and the check whether the schema is current."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from servicekit import migrations, schema
from servicekit.database import Database
from servicekit.exceptions import CommandFailed
from servicekit.migration_session import MIGRATION_LOCK
from servicekit.settings import MigrationSettings
from tests.support.infrastructure.migrated_package import MigratedPackage

PACKAGE = "agency_sync"
HOLD = "SELECT pg_advisory_lock(%s)"
LET_GO = "SELECT pg_advisory_unlock(%s)"


async def migrating(dsn: str) -> asyncio.subprocess.Process:
    environment = {**os.environ, "TOROKU_DATABASE": dsn}
    command = (sys.executable, "-m", PACKAGE, "migrate")
    return await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)


async def wait_for_log(process: asyncio.subprocess.Process, text: str) -> str:
    """Waits for the log line that contains the text, and returns it."""
    assert process.stderr is not None
    read = b""
    async with asyncio.timeout(60):
        while text not in (line := (await process.stderr.readline()).decode()):
            assert line, read.decode()
            read += line.encode()
        return line


def tables(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname IN ('public', 'jobs')")
        return {name for (name,) in rows}


def migrate(dsn: str, package: str = PACKAGE, *, lock_patience: float = 60) -> None:
    migrations.migrate(MigrationSettings(database=dsn, migration_lock_patience=lock_patience), package)


@pytest.mark.every_postgresql
async def test_concurrent_migrations_wait_for_each_other_and_both_succeed(database: str) -> None:
    with psycopg.connect(database, autocommit=True, application_name="somebody else") as first:
        first.execute(HOLD, [MIGRATION_LOCK])
        running = [await migrating(database), await migrating(database)]
        try:
            for process in running:
                said = await wait_for_log(process, "waiting for another migration")
                assert f"process {first.info.backend_pid} of the database, somebody else, connected since 2" in said
            assert tables(database) == set()
            first.execute(LET_GO, [MIGRATION_LOCK])
            for process in running:
                _, errors = await asyncio.wait_for(process.communicate(), 60)
                assert process.returncode == 0, errors.decode()
        finally:
            for process in running:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    assert {"alembic_version", "procrastinate_jobs"} < tables(database)


def test_wait_for_another_migration_is_bounded_and_names_the_session(database: str) -> None:
    with psycopg.connect(database, autocommit=True, application_name="toroku migrate") as holder:
        holder.execute(HOLD, [MIGRATION_LOCK])
        pid = holder.info.backend_pid
        with pytest.raises(CommandFailed) as failed:
            migrate(database, lock_patience=0.2)
    text = str(failed.value)
    assert f"process {pid} of the database, toroku migrate, connected since 2" in text
    assert "pg_terminate_backend" in text
    assert tables(database) == set()


@pytest.mark.every_postgresql
def test_session_that_the_role_may_not_see_is_named_by_its_process_id(
    database: str, postgresql: EmbeddedPostgreSQL
) -> None:
    name = database.partition("@/")[2].partition("?")[0]
    with postgresql.connect(name) as holder:
        holder.execute(HOLD, [MIGRATION_LOCK])
        with pytest.raises(CommandFailed, match=f"process {holder.info.backend_pid} .*may not see"):
            migrate(database, lock_patience=0)


async def test_schema_is_current_at_the_newest_revision_or_a_later_one(
    migrated_database: Callable[[str], str],
) -> None:
    newest = schema.newest_revision(PACKAGE)
    dsn = migrated_database(PACKAGE)
    async with Database.open(dsn, pool=1) as database:
        for revision, current in ((newest, True), ("0000", False), ("9999", True)):
            with psycopg.connect(dsn) as connection:
                connection.execute("UPDATE alembic_version SET version_num = %s", [revision])
            async with database.read() as reading:
                assert await schema.schema_is_current(reading, PACKAGE) is current


async def test_an_empty_database_is_not_current(database: str) -> None:
    async with Database.open(database, pool=1) as opened, opened.read() as reading:
        assert not await schema.schema_is_current(reading, PACKAGE)


@pytest.mark.every_postgresql
def test_migrating_again_changes_nothing(migrated_database: Callable[[str], str]) -> None:
    dsn = migrated_database(PACKAGE)
    before = tables(dsn)
    migrate(dsn)
    assert tables(dsn) == before


def test_migrate_of_older_code_leaves_a_newer_database_unchanged(migrated_database: Callable[[str], str]) -> None:
    """A rollback of the code: its `migrate` runs first, and must succeed."""
    dsn = migrated_database(PACKAGE)
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    migrate(dsn)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)


@pytest.mark.every_postgresql
def test_steps_before_a_failed_step_are_kept(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = MigratedPackage(tmp_path, monkeypatch)
    package.write(versions={"0001": "CREATE TABLE first ()", "0002": "CREATE TABLE second (); SELECT 1/0"})
    with pytest.raises(Exception, match="division by zero"):
        migrate(database, package.name)
    assert tables(database) == {"alembic_version", "first"}
    package.write(versions={"0001": "CREATE TABLE first ()", "0002": "CREATE TABLE second ()"})
    migrate(database, package.name)
    assert tables(database) == {"alembic_version", "first", "second"}


def test_step_that_waits_for_a_table_does_not_block_other_sessions(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long transaction reads the table: the step gives up repeatedly, and others can read meanwhile."""
    package = MigratedPackage(tmp_path, monkeypatch)
    package.write(versions={"0001": "CREATE TABLE used ()", "0002": "ALTER TABLE used ADD COLUMN added text"})
    monkeypatch.setattr("servicekit.migration_session.STATEMENT_LOCK_TIMEOUT", "100ms")
    with psycopg.connect(database) as reader:
        reader.execute("CREATE TABLE used ()")
        reader.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        reader.execute("INSERT INTO alembic_version VALUES ('0001')")
        reader.commit()
        reader.execute("SELECT FROM used")
        with pytest.raises(CommandFailed, match=r"a step after revision 0001 failed, because a table .* is in use"):
            migrate(database, package.name, lock_patience=0.5)
        with psycopg.connect(database, options="-c lock_timeout=2s") as another:
            another.execute("SELECT FROM used")
    migrate(database, package.name)
    with psycopg.connect(database) as connection:
        connection.execute("SELECT added FROM used")


@pytest.mark.every_postgresql
def test_missing_right_is_reported(postgresql: EmbeddedPostgreSQL) -> None:
    with postgresql.connect() as administrator:
        administrator.execute("CREATE DATABASE of_somebody_else")
    dsn = postgresql.dsn("of_somebody_else", "tests")
    try:
        with pytest.raises(CommandFailed) as failed:
            migrate(dsn)
    finally:
        postgresql.drop_database("of_somebody_else")
    text = str(failed.value)
    assert "the role lacks a right (permission denied" in text
    assert "ALTER DATABASE … OWNER TO" in text
    assert dsn.partition("tests:")[2].partition("@")[0] not in text


@pytest.mark.parametrize("package", ["agency_sync", "certificate_registry", "contact_notification"])
def test_migrate_after_without_steps_says_so(package: str) -> None:
    # No database is needed for that.
    done = subprocess.run(
        [sys.executable, "-m", package, "migrate-after"],
        env={**os.environ, "TOROKU_DATABASE": "postgresql://nobody@nowhere.invalid/nothing"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert f"{package} has no migrations after the deployment: nothing to do" in done.stderr
