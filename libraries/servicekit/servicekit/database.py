"""A service's database: connections of psycopg that run the statements of `servicekit.statements`."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from typing_extensions import override

from servicekit.database_connection import Connection
from servicekit.database_errors import find_unavailability, write_without_values
from servicekit.database_password import read_password
from servicekit.exceptions import CommandFailed
from servicekit.failures import find_failure, write_for_log
from servicekit.settings import DatabaseSettings

# Whoever has a connection meets these exceptions.
find_failure.register(psycopg.OperationalError, find_unavailability)
write_for_log.register(psycopg.Error, write_without_values)

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
# Seconds that a caller waits for one of the connections, where all are in use.
PATIENCE = 30.0


class _Pool(AsyncConnectionPool[Connection]):
    def has_idle(self) -> bool:
        """Returns whether a connection can be had without waiting; `get_stats` computes much more."""
        return bool(self._pool)


class Database:
    """The connections to one database. Open it with `async with Database.open(dsn) as database`."""

    def __init__(self, dsn: str, settings: Callable[[], dict[str, Any]], most: int) -> None:
        self._connections = _Pool(
            dsn,
            connection_class=Connection,
            kwargs={"settings": settings, "note_attempt": self._note_attempt},
            min_size=0,
            max_size=most,
            timeout=PATIENCE,
            # Callers try again, and each one tells the cause.
            reconnect_timeout=0,
            open=False,
        )
        self._in_use = 0
        # Callers who wait for a connection.
        self._waiting: set[asyncio.Timeout] = set()
        self._failure: Exception | None = None

    @classmethod
    def of(cls, settings: DatabaseSettings) -> AbstractAsyncContextManager[Self]:
        """Opens the database of a server (`open`)."""
        return cls.open(
            settings.database,
            pool=settings.database_pool,
            password_file=settings.database_password_file,
            pooled=settings.database_pooled,
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        dsn: str,
        *,
        pool: int = 8,
        password_file: Path | None = None,
        pooled: bool = False,
        session: str = "",
    ) -> AsyncIterator[Self]:
        """Opens at most `pool` connections, lazily, and closes them at the end.

        `password_file`, `pooled`, `session`: see `prepare_connections`.

        It is no error that the database is down, so that a service can start before its database.
        """
        settings = prepare_connections(dsn, password_file=password_file, pooled=pooled, session=session)
        database = cls(dsn, settings, pool)
        await database._connections.open()
        try:
            yield database
        finally:
            await database._connections.close()

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Opens a transaction (READ COMMITTED): commits at the end, rolls back on any exception."""
        return _Transaction(self)

    def snapshot(self) -> AbstractAsyncContextManager[Connection]:
        """Opens a transaction that only reads, and whose statements all see one moment (REPEATABLE READ)."""
        return _Snapshot(self)

    def read(self) -> AbstractAsyncContextManager[Connection]:
        """Opens a connection for reads; each statement has its own snapshot."""
        return _Use(self)

    def single_change(self) -> AbstractAsyncContextManager[Connection]:
        """Opens a connection for one statement that changes something: it is a transaction of its own."""
        return _Use(self)

    async def take(self, try_out: Callable[[Connection], Awaitable[None]]) -> Connection:
        """Returns a connection after `try_out` has succeeded with it; `give_back` has to follow."""
        connection = await self._take()
        try:
            await try_out(connection)
            return connection
        except BaseException as error:
            is_lost = isinstance(error, psycopg.OperationalError) and connection.closed
            await self.give_back(connection)
            if not is_lost:
                raise
        # The server was restarted since its last use: nothing was done, and a new connection can do it.
        connection = await self._take()
        try:
            await try_out(connection)
            return connection
        except BaseException:
            await self.give_back(connection)
            raise

    async def _take(self) -> Connection:
        if self._connections.has_idle():
            connection = await self._connections.getconn()
        else:
            connection = await self._wait()
        self._in_use += 1
        return connection

    async def _wait(self) -> Connection:
        try:
            async with asyncio.timeout(PATIENCE) as waiting:
                self._waiting.add(waiting)
                try:
                    return await self._connections.getconn()
                finally:
                    self._waiting.discard(waiting)
        except (TimeoutError, PoolTimeout):
            if self._failure is None:
                raise PoolTimeout(f"all connections were in use for {PATIENCE:g} seconds") from None
            raise self._failure from None

    def _note_attempt(self, failure: Exception | None) -> None:
        """Has those who wait fail at once, with the cause, where no connection in use could come back to them."""
        self._failure = failure
        if failure is not None and not self._in_use:
            for waiting in self._waiting:
                waiting.reschedule(0)

    async def give_back(self, connection: Connection) -> None:
        """Lets others have a connection."""
        self._in_use -= 1
        is_lost = connection.closed
        await self._connections.putconn(connection)
        if is_lost:
            # The server was restarted, so the others are lost too.
            await self._connections.check()


# Generators of contextlib cost as much as a part of the statement that is in them.
class _Use(AbstractAsyncContextManager[Connection]):
    """The use of a connection in autocommit."""

    __slots__ = ("_connection", "_database")

    def __init__(self, database: Database) -> None:
        self._database = database

    @override
    async def __aenter__(self) -> Connection:
        self._connection = await self._database.take(Connection.check_after_idleness)
        return self._connection

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._database.give_back(self._connection)


class _Transaction(_Use):
    __slots__ = ()

    @override
    async def __aenter__(self) -> Connection:
        self._connection = await self._database.take(Connection.begin)
        return self._connection

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connection = self._connection
        try:
            if error is None:
                try:
                    await connection.end()
                except BaseException:
                    await _roll_back(connection)
                    raise
            else:
                await _roll_back(connection)
        finally:
            connection.began_at = None
            await self._database.give_back(connection)


class _Snapshot(_Transaction):
    __slots__ = ()

    @override
    async def __aenter__(self) -> Connection:
        self._connection = await self._database.take(Connection.begin_snapshot)
        return self._connection


async def _roll_back(connection: Connection) -> None:
    # A connection that is lost has rolled back.
    with suppress(psycopg.Error):
        await connection.rollback()


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
