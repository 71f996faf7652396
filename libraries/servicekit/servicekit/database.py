"""A service's database: SQLAlchemy Core on psycopg; the hottest reads and COPY use psycopg directly."""

import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from servicekit.database_password import read_password
from servicekit.exceptions import CommandFailed

# procrastinate's tables are in the schema `jobs`, and its functions name them without it.
SEARCH_PATH = "public,jobs"
# A session's setting for a process that only reads, so that a mistake in it changes nothing.
READ_ONLY = "-c default_transaction_read_only=on"
# A dead machine closes no connection: without bounds a connection to it hangs for many minutes of a failover. In
# seconds, the last one in milliseconds; the address overrides each, or libpq's variable where there is one.
_BOUNDS = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_BOUNDS_IN_ENVIRONMENT = {"connect_timeout": "PGCONNECT_TIMEOUT"}
# psycopg's pools wait twice as long after each failed connection, for minutes in the end. Here a pool gives up after
# these seconds and begins anew at once, so that it tries every second for as long as its database is away.
RECONNECTION: Mapping[str, Any] = MappingProxyType(
    {"reconnect_timeout": 2.0, "reconnect_failed": AsyncConnectionPool.check}
)


class Database:
    """The connections to one database. Open it with `async with Database.open(dsn) as database`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        dsn: str,
        *,
        pool: int = 8,
        password_file: Path | None = None,
        pooled: bool = False,
        read_only: bool = False,
    ) -> AsyncIterator[Self]:
        """Opens at most `pool` connections, lazily, and closes them at the end.

        `password_file`, `pooled`: see `prepare_connections`. `read_only`: see READ_ONLY.

        It is no error that the database is down, so that a service can start before its database.
        """
        settings = prepare_connections(
            dsn, password_file=password_file, pooled=pooled, session=READ_ONLY if read_only else ""
        )

        async def connect() -> psycopg.AsyncConnection[Any]:
            return await psycopg.AsyncConnection.connect(dsn, **settings())

        engine = create_async_engine(
            # libpq parses the address, so that it means the same everywhere, with several hosts too.
            "postgresql+psycopg://",
            async_creator=connect,
            pool_size=pool,
            max_overflow=0,
            pool_pre_ping=True,
            # The values of a statement are often personal data, and errors are logged.
            hide_parameters=True,
        )
        try:
            yield cls(engine)
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Opens a transaction (READ COMMITTED): commits at the end, rolls back on any exception."""
        async with self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Opens a connection for reads; each statement has its own snapshot."""
        async with self._reads.connect() as connection:
            yield connection


async def raw(connection: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    """Returns the psycopg connection under a SQLAlchemy one, in the same transaction; for COPY."""
    pooled = await connection.get_raw_connection()
    return cast("psycopg.AsyncConnection[Any]", pooled.driver_connection)


def prepare_connections(
    dsn: str, *, password_file: Path | None = None, pooled: bool = False, session: str = ""
) -> Callable[[], dict[str, Any]]:
    """Returns a function that returns the arguments of psycopg's `connect` beside the address.

    Call it for every connection: it reads the `password_file` anew, and raises PasswordUnreadable. `pooled`, `session`:
    see `build_connection_settings`. Raises CommandFailed where the address can't be parsed, or has a password too.
    """
    settings = build_connection_settings(dsn, pooled=pooled, session=session)
    if password_file is None:
        return lambda: settings
    if "password" in parse_address(dsn):
        raise CommandFailed(
            "TOROKU_DATABASE contains a password, and TOROKU_DATABASE_PASSWORD_FILE names a file with one: remove it "
            "from the address, so that it is clear which one counts"
        )
    return lambda: settings | {"password": read_password(password_file)}


def build_connection_settings(dsn: str, *, pooled: bool = False, session: str = "") -> dict[str, Any]:
    """Returns the arguments of psycopg's `connect` beside the address and the password, the same for all connections.

    `session` are PostgreSQL settings for the whole session (`-c name=value …`). Behind a transaction pooler (`pooled`)
    nothing outlives a transaction, so there are no session settings and no prepared statements.
    Raises CommandFailed where the address can't be parsed.
    """
    given = parse_address(dsn)
    settings: dict[str, Any] = {
        name: bound
        for name, bound in _BOUNDS.items()
        if name not in given and _BOUNDS_IN_ENVIRONMENT.get(name, "") not in os.environ
    }
    if pooled:
        return settings | {"prepare_threshold": None}
    options = (given.get("options"), f"-c search_path={SEARCH_PATH}", session)
    return settings | {"options": " ".join(filter(None, options))}


def parse_address(dsn: str) -> dict[str, str]:
    """Returns an address as libpq's parameters by name. Raises CommandFailed where it can't be parsed."""
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    except psycopg.ProgrammingError:
        # The error's text quotes a part of the address, perhaps of the password.
        given = {"port": "unreadable"}

    # libpq parses the part of a password after an unescaped @ or / as host or database.
    misread = "@" in given.get("host", "") or "@" in given.get("dbname", "")
    if misread or not re.fullmatch("[0-9,]*", given.get("port", "")):
        raise CommandFailed(
            "TOROKU_DATABASE is not a valid database address: write postgresql://ROLE@HOST:5432/DATABASE, and the "
            "characters @ : / % in a password as %40 %3A %2F %25, or better the password into a file that "
            "TOROKU_DATABASE_PASSWORD_FILE names"
        )
    return given


def describe_database(dsn: str) -> str:
    """Returns which database an address means, for people and without the password."""
    given = parse_address(dsn)

    def value(name: str, variable: str, default: str) -> str:
        return given.get(name) or os.environ.get(variable) or default

    role = value("user", "PGUSER", "of the system's user")
    host, port = value("host", "PGHOST", "the local socket"), value("port", "PGPORT", "5432")
    return f"database {value('dbname', 'PGDATABASE', role)} at {host} port {port}, role {role}"
