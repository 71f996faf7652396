"""The second chain of migrations, applied after a deployment: nothing waits for it, and it delays nothing."""

import asyncio
import logging
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from servicekit import migrations, schema
from servicekit.database import Database
from servicekit.exceptions import CommandFailed, NotReady
from servicekit.migration_session import MIGRATION_LOCK
from servicekit.settings import MigrationSettings
from tests.support.infrastructure.migrated_package import MigratedPackage
from tests.support.waiting import wait_until

VERSIONS = {
    "0001": "CREATE TABLE person (name text NOT NULL); INSERT INTO person VALUES ('山田')",
    "0002": "ALTER TABLE person ADD COLUMN full_name text",
}
AFTER = {
    "0001": "UPDATE person SET full_name = name; CREATE TABLE filled ()",
    "0002": "ALTER TABLE person DROP COLUMN name",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MigratedPackage:
    package = MigratedPackage(tmp_path, monkeypatch)
    package.write(versions=VERSIONS, after=AFTER)
    return package


def migrate(dsn: str, package: MigratedPackage) -> None:
    migrations.migrate(MigrationSettings(database=dsn), package.name)


def migrate_after(dsn: str, package: MigratedPackage) -> None:
    migrations.migrate_after(MigrationSettings(database=dsn), package.name)


async def is_ready(dsn: str, package: MigratedPackage) -> bool:
    async with Database.open(dsn, pool=1) as database:
        try:
            return await schema.ready(database, package.name)()
        except NotReady:
            return False


def columns(dsn: str) -> set[str]:
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = 'person'"
    with psycopg.connect(dsn) as connection:
        return {name for (name,) in connection.execute(query)}


def revision(dsn: str, table: str) -> str | None:
    with psycopg.connect(dsn) as connection:
        if connection.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,):
            return None
        row = connection.execute(sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(table))).fetchone()
        return row[0] if row else None


async def test_migrate_makes_the_service_ready_without_the_later_steps(database: str, package: MigratedPackage) -> None:
    assert not await is_ready(database, package)
    migrate(database, package)
    assert await is_ready(database, package)
    assert columns(database) == {"name", "full_name"}
    migrate_after(database, package)
    assert columns(database) == {"full_name"}
    assert await is_ready(database, package)
    # Repeating both changes nothing.
    migrate(database, package)
    migrate_after(database, package)
    assert (revision(database, "alembic_version"), revision(database, "alembic_version_after")) == ("0002", "0002")


def test_migrate_after_is_refused_before_migrate(database: str, package: MigratedPackage) -> None:
    with pytest.raises(CommandFailed, match=r"at revision none and this code at 0002: run `migrate`.*nothing was"):
        migrate_after(database, package)
    assert columns(database) == set()


def test_migrate_after_is_refused_on_a_newer_database(database: str, package: MigratedPackage) -> None:
    migrate(database, package)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0003'")
    with pytest.raises(CommandFailed, match="this image is the older one; nothing was changed"):
        migrate_after(database, package)
    assert columns(database) == {"name", "full_name"}


def test_migrate_after_is_refused_after_later_steps_of_a_newer_image(database: str, package: MigratedPackage) -> None:
    migrate(database, package)
    migrate_after(database, package)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE alembic_version_after SET version_num = '0003'")
    with pytest.raises(CommandFailed, match="already has the later step 0003"):
        migrate_after(database, package)


async def test_failed_later_step_affects_neither_readiness_nor_the_other_chain(
    database: str, package: MigratedPackage
) -> None:
    migrate(database, package)
    package.write(versions=VERSIONS, after=AFTER | {"0002": "ALTER TABLE person DROP COLUMN name; SELECT 1/0"})
    with pytest.raises(Exception, match="division by zero"):
        migrate_after(database, package)
    assert await is_ready(database, package)
    assert revision(database, "alembic_version") == "0002"
    # The step before it is kept; the failed step is rolled back.
    assert revision(database, "alembic_version_after") == "0001"
    assert columns(database) == {"name", "full_name"}
    # It does not block a later deployment.
    package.write(versions=VERSIONS | {"0003": "ALTER TABLE person ADD COLUMN age integer"}, after=AFTER)
    schema.newest_revision.cache_clear()
    assert not await is_ready(database, package)
    migrate(database, package)
    assert await is_ready(database, package)
    migrate_after(database, package)
    assert columns(database) == {"full_name", "age"}


@pytest.mark.every_postgresql
async def test_concurrent_later_migrations_wait_and_the_step_runs_once(
    database: str, package: MigratedPackage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    migrate(database, package)
    with psycopg.connect(database, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        running = [asyncio.create_task(asyncio.to_thread(migrate_after, database, package)) for _ in range(2)]

        async def both_wait() -> bool:
            threads = {record.thread for record in caplog.records if "waiting for another migration" in record.message}
            return len(threads) == 2

        await wait_until(both_wait)
        assert columns(database) == {"name", "full_name"}
        holder.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])
        # A repeated step would fail, because the table `filled` would exist.
        await asyncio.gather(*running)
    assert columns(database) == {"full_name"}


async def test_rolled_back_code_is_ready_on_the_newer_database(database: str, package: MigratedPackage) -> None:
    package.write(versions=VERSIONS | {"0003": "ALTER TABLE person ADD COLUMN age integer"})
    migrate(database, package)
    (package.folder / "migrations" / "versions" / "0003_step.py").unlink()
    schema.newest_revision.cache_clear()
    migrate(database, package)
    assert await is_ready(database, package)
    assert revision(database, "alembic_version") == "0003"
