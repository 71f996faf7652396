"""`migrate` without its database: what it waits for, how long, and what it logs."""

import asyncio
import logging
import time
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from servicekit import migrations, schema
from servicekit.database import Database
from servicekit.exceptions import CommandFailed
from servicekit.settings import MigrationSettings
from tests.support.waiting import wait_until

PACKAGE = "agency_sync"
ROLE = "comes_late"
SECRET = "s3cret-w0rd"


@pytest.fixture
def socket_folder(postgresql: EmbeddedPostgreSQL) -> str:
    return postgresql.dsn("postgres", "tests").partition("host=")[2]


@pytest.fixture
def late(postgresql: EmbeddedPostgreSQL, socket_folder: str) -> Iterator[str]:
    """The address of a database that does not exist, with a role that does not exist."""
    yield f"postgresql://{ROLE}:{SECRET}@/{ROLE}?host={socket_folder}"
    with postgresql.connect() as administrator:
        administrator.execute(f"DROP DATABASE IF EXISTS {ROLE} WITH (FORCE)".encode())
        administrator.execute(f"DROP ROLE IF EXISTS {ROLE}".encode())


def migrate(dsn: str, patience: float = 0.2) -> None:
    migrations.migrate(MigrationSettings(database=dsn, database_patience=patience), PACKAGE)


def failure(dsn: str, patience: float = 0.2) -> str:
    with pytest.raises(CommandFailed) as failed:
        migrate(dsn, patience)
    return str(failed.value)


def current(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row == (schema.newest_revision(PACKAGE),)


async def test_migrate_waits_for_role_password_database_and_rights(
    late: str, postgresql: EmbeddedPostgreSQL, caplog: pytest.LogCaptureFixture
) -> None:
    """The successive errors of a cluster that is being set up."""
    caplog.set_level(logging.INFO)

    def is_logged(text: str) -> bool:
        return any(text in record.message for record in caplog.records)

    running = asyncio.create_task(asyncio.to_thread(migrate, late, 60))
    with postgresql.connect() as administrator:

        async def waits_for(text: str) -> None:
            async def log_has_text() -> bool:
                return is_logged(text)

            await wait_until(log_has_text, running)

        await waits_for("password authentication failed")
        administrator.execute(f"CREATE ROLE {ROLE} PASSWORD '{SECRET}'".encode())
        await waits_for("is not permitted to log in")
        administrator.execute(f"ALTER ROLE {ROLE} LOGIN".encode())
        await waits_for(f'database "{ROLE}" does not exist')
        administrator.execute(f"CREATE DATABASE {ROLE}".encode())
        administrator.execute(f"REVOKE ALL ON DATABASE {ROLE} FROM PUBLIC".encode())
        if not running.done():
            administrator.execute(f"ALTER DATABASE {ROLE} OWNER TO {ROLE}".encode())
    await running
    assert current(late)
    assert SECRET not in caplog.text
    assert f"database {ROLE} at " in caplog.text


async def test_migrate_logs_the_cause_of_its_wait_periodically_and_gives_up(
    late: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servicekit.migration_session._LOG_EVERY", 0.3)
    monkeypatch.setattr("servicekit.migration_session._TRY_EVERY", 0.05)
    began = time.monotonic()
    text = await asyncio.to_thread(failure, late, 1.0)
    assert 1.0 <= time.monotonic() - began < 10
    assert 2 <= len(caplog.records) <= 6
    assert "gives up in" in caplog.text
    assert "did not answer within 1 s (TOROKU_DATABASE_PATIENCE)" in text
    assert "create the role, or make its password" in text
    assert SECRET not in text + caplog.text


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("127.0.0.1:1", "refused"),
        ("nowhere.invalid", "check host and port"),
        ("?host=/nowhere", "No such file"),
    ],
)
def test_unreachable_server_is_reported(where: str, said: str) -> None:
    text = failure(f"postgresql://role:{SECRET}@{where if not where.startswith('?') else '/base' + where}")
    assert said in text
    assert SECRET not in text


def test_missing_password_is_reported_at_once(socket_folder: str) -> None:
    began = time.monotonic()
    text = failure(f"postgresql://tests@/postgres?host={socket_folder}", patience=60)
    assert "TOROKU_DATABASE_PASSWORD_FILE" in text
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://role:{SECRET}%@host/base",
        f"postgresql://role:{SECRET}@host:port:1/base",
        f"postgresql://role:@{SECRET}@host/base",
        f"postgresql://role:half/{SECRET}@host/base",
        f"postgresql://role:{SECRET}/half@host/base",
        f"role={SECRET}",
        SECRET,
    ],
)
async def test_invalid_address_is_reported_without_quoting_it(address: str) -> None:
    began = time.monotonic()
    text = failure(address, patience=60)
    assert time.monotonic() - began < 30
    assert "TOROKU_DATABASE" in text
    assert SECRET not in text
    with pytest.raises(CommandFailed, match="TOROKU_DATABASE"):
        async with Database.open(address):
            pytest.fail("the database must not open")


def test_migrate_waits_for_a_server_without_free_connections(database: str, postgresql: EmbeddedPostgreSQL) -> None:
    name = sql.Identifier(database.partition("@/")[2].partition("?")[0])
    with postgresql.connect() as administrator, psycopg.connect(database):
        administrator.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 1").format(name))
        text = failure(database)
        assert "too many connections" in text
        assert "max_connections" in text
        administrator.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(name))
        migrate(database)
    assert current(database)


def test_password_with_special_characters_never_appears(
    postgresql: EmbeddedPostgreSQL, socket_folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "p@ss:w/rd%'\" x"
    text = failure(f"postgresql://tests:{quote(wrong, safe='')}@/postgres?host={socket_folder}")
    assert "password authentication failed" in text
    assert wrong not in text + caplog.text
    assert quote(wrong, safe="") not in text + caplog.text
