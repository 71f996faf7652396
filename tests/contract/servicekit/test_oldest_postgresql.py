"""The oldest PostgreSQL that is supported, and the refusal of an older one."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from servicekit import migrations
from servicekit.exceptions import CommandFailed
from servicekit.migration_session import OLDEST_POSTGRESQL
from servicekit.settings import MigrationSettings

PACKAGE = "agency_sync"
ROOT = Path(__file__).parents[3]
PAGES = ("README.md", "charts/toroku/README.md", "docs/howto/databases.md", "docs/howto/deploy-on-kubernetes.md")


@asynccontextmanager
async def older_server(socket_folder: Path) -> AsyncIterator[int]:
    """Relays a port to the server's socket, and lets the server report the version before its own.

    The version is a ParameterStatus of the server's first answer; the altered one has the same length.
    """
    own, older = (b"server_version\0" + str(version).encode() for version in (OLDEST_POSTGRESQL, OLDEST_POSTGRESQL - 1))
    running: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                writer.write(piece.replace(own, older))
                await writer.drain()
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(socket_folder / ".s.PGSQL.5432")
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        await asyncio.gather(relay(reader, inner_writer), relay(inner_reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_older_server_is_refused_in_one_line(oldest_postgresql: EmbeddedPostgreSQL) -> None:
    own = oldest_postgresql.provide_database("refused_as_too_old", "tests")
    try:
        async with older_server(Path(str(conninfo_to_dict(own)["host"]))) as port:
            dsn = make_conninfo(own, host="127.0.0.1", port=port, sslmode="disable")
            settings = MigrationSettings(database=dsn, database_patience=60)
            with pytest.raises(CommandFailed) as refused:
                await asyncio.to_thread(migrations.migrate, settings, PACKAGE)
        said = str(refused.value)
        assert "\n" not in said
        assert (
            f"it is PostgreSQL {OLDEST_POSTGRESQL - 1}, and Toroku needs {OLDEST_POSTGRESQL} or later: upgrade" in said
        )
    finally:
        oldest_postgresql.drop_database("refused_as_too_old")


def test_pages_promise_what_is_tested(
    newest_postgresql: EmbeddedPostgreSQL, oldest_postgresql: EmbeddedPostgreSQL
) -> None:
    versions = []
    for server in (oldest_postgresql, newest_postgresql):
        with server.connect() as connection:
            versions.append(connection.info.server_version // 10_000)
    assert versions[0] == OLDEST_POSTGRESQL
    promise = f"PostgreSQL {versions[0]} and {versions[1]}"
    for page in PAGES:
        text = " ".join((ROOT / page).read_text("utf-8").split())
        assert promise in text, page
        assert not re.search(r"PostgreSQL \d+ ?(\+| or newer| or later)", text), page
