"""Password and TLS by libpq's variables or by the address, for everything that opens a connection."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from opentelemetry.sdk.trace import TracerProvider
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool

from servicekit import job_run, jobs, migrations, schema
from servicekit.credentials import CertificateFiles
from servicekit.database import RECONNECTION, Database, build_connection_settings
from servicekit.exceptions import CommandFailed
from servicekit.settings import MigrationSettings
from servicekit.telemetry import Telemetry
from tests.support.in_process import Authority
from tests.support.infrastructure.tls_database import tls_proxy
from tests.support.waiting import wait_until

PACKAGE = "certificate_registry"


@pytest.fixture
def certificate(tmp_path: Path) -> CertificateFiles:
    """The database server's certificate, for the address 127.0.0.1 and the name `database`."""
    return Authority(tmp_path, "example").service("database")


@pytest.fixture
async def port(database: str, certificate: CertificateFiles) -> AsyncIterator[int]:
    async with tls_proxy(Path(str(conninfo_to_dict(database)["host"])), certificate) as listening:
        yield listening


async def use_database(dsn: str, password_file: Path | None = None) -> None:
    """Uses the database in every way in turn: Alembic, the services' pool, procrastinate."""
    migration = MigrationSettings(database=dsn, database_password_file=password_file, database_patience=0)
    await asyncio.to_thread(migrations.migrate, migration, PACKAGE)
    async with Database.open(dsn, pool=2, password_file=password_file) as database:
        assert await schema.ready(database, PACKAGE)()
        done = asyncio.Event()
        work = jobs.Work()

        @work.task("deliver", queue="events")
        async def deliver(arguments: dict[str, object]) -> None:
            done.set()

        async with database.transaction() as connection:
            await jobs.enqueue(connection, "deliver", queue="events", arguments={})
        async with asyncio.timeout(30):
            telemetry = Telemetry(TracerProvider(), 0)
            await job_run.run(
                work,
                dsn,
                password_file=password_file,
                telemetry=telemetry,
                concurrency={"events": 1},
                stop=done.wait(),
            )


async def test_password_by_environment_variable(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = conninfo_to_dict(database)
    monkeypatch.setenv("PGPASSWORD", str(given["password"]))
    await use_database(f"postgresql://{given['user']}@/{given['dbname']}?host={quote(str(given['host']), safe='')}")


async def test_address_in_key_value_form(database: str) -> None:
    given = conninfo_to_dict(database)
    await use_database(" ".join(f"{name}='{value}'" for name, value in given.items()))


async def test_several_hosts_of_which_only_one_answers(database: str, port: int, certificate: CertificateFiles) -> None:
    given = conninfo_to_dict(database)
    user = f"{given['user']}:{given['password']}"
    await use_database(f"postgresql://{user}@127.0.0.1:1,127.0.0.1:{port}/{given['dbname']}?sslmode=require")


@pytest.mark.every_postgresql
async def test_password_in_a_file(database: str, tmp_path: Path) -> None:
    given = conninfo_to_dict(database)
    file = tmp_path / "password"
    file.write_text(f"{given['password']}\n")
    # As a mounted Secret has it; libpq would refuse such a file.
    file.chmod(0o640)
    host = quote(str(given["host"]), safe="")
    await use_database(f"postgresql://{given['user']}@/{given['dbname']}?host={host}", password_file=file)


async def test_pool_tries_every_second_while_its_database_is_away() -> None:
    """Left alone, psycopg tries after 1, 3, 7, 15 and 31 seconds, and so lose a minute after an outage of one."""
    attempts: list[asyncio.StreamWriter] = []

    async def close_at_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.append(writer)
        writer.close()

    async def has_tried_often() -> bool:
        return len(attempts) >= 6

    server = await asyncio.start_server(close_at_once, "127.0.0.1", 0)
    dsn = f"postgresql://nobody@127.0.0.1:{server.sockets[0].getsockname()[1]}/nothing?sslmode=disable"
    try:
        async with AsyncConnectionPool(dsn, min_size=1, open=False, **RECONNECTION):
            await wait_until(has_tried_often, seconds=15)
    finally:
        server.close()
        await asyncio.gather(*(writer.wait_closed() for writer in attempts), return_exceptions=True)


async def test_tls_by_the_address(database: str, port: int, certificate: CertificateFiles) -> None:
    given = conninfo_to_dict(database)
    user = f"{given['user']}:{given['password']}"
    ca = quote(str(certificate.trusted), safe="")
    await use_database(f"postgresql://{user}@127.0.0.1:{port}/{given['dbname']}?sslmode=verify-full&sslrootcert={ca}")


async def test_tls_and_password_by_environment_variables(
    database: str, port: int, certificate: CertificateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = conninfo_to_dict(database)
    monkeypatch.setenv("PGPASSWORD", str(given["password"]))
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", str(certificate.trusted))
    await use_database(f"postgresql://{given['user']}@127.0.0.1:{port}/{given['dbname']}")


async def test_server_certificate_of_another_name_or_ca_is_refused(
    database: str, port: int, certificate: CertificateFiles, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "example").service("other").trusted
    given = conninfo_to_dict(database)
    for host, ca in (("localhost", certificate.trusted), ("127.0.0.1", other)):
        asked = f"sslmode=verify-full&sslrootcert={quote(str(ca), safe='')}"
        dsn = f"postgresql://{given['user']}:{given['password']}@{host}:{port}/{given['dbname']}?{asked}"
        # Fails at once, since waiting does not help.
        settings = MigrationSettings(database=dsn, database_patience=60)
        async with asyncio.timeout(30):
            with pytest.raises(CommandFailed, match="PGSSLROOTCERT"):
                await asyncio.to_thread(migrations.migrate, settings, PACKAGE)
        async with Database.open(dsn) as opened:
            with pytest.raises(Exception, match=r"certificate|signature failure"):
                async with opened.read() as connection:
                    await connection.execute("SELECT 1")


def test_address_overrides_default_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert build_connection_settings("postgresql://host/base")["connect_timeout"] == 10
    assert "connect_timeout" not in build_connection_settings("postgresql://host/base?connect_timeout=3")
    given = build_connection_settings("postgresql://host/base?options=-c%20statement_timeout%3D5s")
    assert given["options"] == "-c statement_timeout=5s -c search_path=public,jobs"
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "7")
    assert "connect_timeout" not in build_connection_settings("postgresql://host/base")
