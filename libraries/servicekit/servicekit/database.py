"""One service's own database: SQLAlchemy Core on psycopg, which the hottest reads and COPY use by themselves."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from servicekit.exceptions import CommandFailed

# Jobs live in a schema of their own (design section 9), and their functions name their tables without it.
SEARCH_PATH = "public,jobs"
# A machine that died says nothing: without bounds, a connection to it hangs for many minutes of a failover. In seconds,
# the last in milliseconds; each can be given otherwise in the address, or by libpq's variable where there is one.
_BOUNDS = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_BOUNDS_IN_ENVIRONMENT = {"connect_timeout": "PGCONNECT_TIMEOUT"}


class Database:
    """The connections to one database. Open it with `async with Database.open(dsn) as database`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str, *, pool: int = 8, pooled: bool = False) -> AsyncIterator[Self]:
        """Opens at most `pool` connections, lazily; closes them at the end. `pooled`: see `connection_settings`.

        A database that is down is no error here, so that a service starts before its database.
        """
        settings = connection_settings(dsn, pooled=pooled)

        async def connect() -> psycopg.AsyncConnection[Any]:
            return await psycopg.AsyncConnection.connect(dsn, **settings)

        engine = create_async_engine(
            # By libpq itself, so that an address means here what it means everywhere, several hosts in it too.
            "postgresql+psycopg://",
            async_creator=connect,
            pool_size=pool,
            max_overflow=0,
            pool_pre_ping=True,
            # The values of a statement are often personal data, and errors stand in the log.
            hide_parameters=True,
        )
        try:
            yield cls(engine)
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction (READ COMMITTED): commits at the end, rolls back on any exception."""
        async with self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads, each statement on its own snapshot."""
        async with self._reads.connect() as connection:
            yield connection


async def raw(connection: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    """The psycopg connection under a SQLAlchemy one, in the same transaction; for COPY."""
    pooled = await connection.get_raw_connection()
    return cast("psycopg.AsyncConnection[Any]", pooled.driver_connection)


def connection_settings(dsn: str, *, pooled: bool = False, session: str = "") -> dict[str, Any]:
    """What psycopg's `connect` is given beside the address, wherever a connection is opened.

    `session` are settings of PostgreSQL for the whole session (`-c name=value …`). Behind a transaction pooler
    (`pooled`) nothing outlives a transaction: there are none of them then, and no prepared statements.
    Raises CommandFailed where the address can't be read.
    """
    given = parts(dsn)
    settings: dict[str, Any] = {
        name: bound
        for name, bound in _BOUNDS.items()
        if name not in given and _BOUNDS_IN_ENVIRONMENT.get(name, "") not in os.environ
    }
    if pooled:
        return settings | {"prepare_threshold": None}
    options = (given.get("options"), f"-c search_path={SEARCH_PATH}", session)
    return settings | {"options": " ".join(filter(None, options))}


def parts(dsn: str) -> dict[str, str]:
    """An address taken apart, by libpq's names of parameters. Raises CommandFailed where it can't be read."""
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    except psycopg.ProgrammingError:
        # What it says shows a piece of the address, perhaps of the password.
        given = {"port": "unreadable"}
    # An @ or / in a password that stands as it is makes libpq take the rest of the password for a host or a database.
    misread = "@" in given.get("host", "") or "@" in given.get("dbname", "")
    if misread or not re.fullmatch("[0-9,]*", given.get("port", "")):
        raise CommandFailed(
            "TOROKU_DATABASE can't be read as the address of a database: write postgresql://ROLE@HOST:5432/DATABASE; "
            "signs like @ : / % in a password are written as %40 %3A %2F %25, or the password is given by PGPASSWORD"
        )
    return given


def place(dsn: str) -> str:
    """Which database an address means, in words and without the password."""
    given = parts(dsn)

    def said(name: str, variable: str, otherwise: str) -> str:
        return given.get(name) or os.environ.get(variable) or otherwise

    role = said("user", "PGUSER", "of the system's user")
    host, port = said("host", "PGHOST", "the local socket"), said("port", "PGPORT", "5432")
    return f"database {said('dbname', 'PGDATABASE', role)} at {host} port {port}, role {role}"
