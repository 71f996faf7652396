"""The connection on which a database is migrated: waits for the database, checks it, and holds a lock."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import Connection

from servicekit.database import describe_database, prepare_connections
from servicekit.database_errors import Diagnosis, diagnose
from servicekit.exceptions import CommandFailed
from servicekit.settings import MigrationSettings

log = logging.getLogger(__name__)

# The number of the advisory lock by which concurrent migrations of one database wait for each other.
MIGRATION_LOCK = 0x746F726F6B75
OLDEST_POSTGRESQL = 15
# Seconds between two attempts, and between repeated log lines of a wait.
_TRY_EVERY = 0.5
_LOG_EVERY = 5.0
# Other sessions queue behind a step that waits for a table, so it gives up soon and is tried again.
STATEMENT_LOCK_TIMEOUT = "5s"

# Other roles' sessions show these columns only to members of pg_read_all_stats.
_HOLDER = text(
    """
    SELECT pid, application_name, client_addr::text AS address, backend_start
    FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND classid = CAST(:number >> 32 AS bigint)::oid AND objid = CAST(:number & 4294967295 AS bigint)::oid
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
)


@contextmanager
def migration_session(settings: MigrationSettings, name: str) -> Iterator[Connection]:
    """Opens a connection that holds the migration lock of its database, and closes it at the end.

    Waits until the database answers and until the lock is free, each as long as `settings` allow, and logs the cause
    every few seconds. Raises CommandFailed at the end of that time. `name` is the session's application name.
    """
    dsn = settings.direct_database("a migration")
    arguments = prepare_connections(dsn, password_file=settings.database_password_file)
    driver = _wait_until_it_answers(dsn, arguments, settings.database_patience, name)
    engine = create_engine("postgresql+psycopg://", creator=lambda: driver, poolclass=NullPool, hide_parameters=True)
    try:
        with engine.connect() as connection:
            connection.execute(text(f"SET lock_timeout = '{STATEMENT_LOCK_TIMEOUT}'"))
            connection.commit()
            _take_lock(connection, settings.migration_lock_patience, dsn)
            yield connection
    finally:
        # Ends the session, and with it the lock.
        driver.close()


def _wait_until_it_answers(
    dsn: str, arguments: Callable[[], dict[str, Any]], patience: float, name: str
) -> psycopg.Connection[Any]:
    waiting = _Waiting(patience)
    while True:
        try:
            connection = psycopg.connect(dsn, **arguments(), application_name=name)
            diagnosis = _check_server(connection)
            if diagnosis is None:
                return connection
            connection.close()
        except psycopg.Error as error:
            diagnosis = diagnose(error)
        database = describe_database(dsn)
        if not diagnosis.is_transient:
            raise CommandFailed(f"{database}: {diagnosis.text}")
        if waiting.is_over():
            raise CommandFailed(
                f"{database} did not answer within {patience:.0f} s (TOROKU_DATABASE_PATIENCE): {diagnosis.text}"
            )
        waiting.pause(f"waiting for {database}: {diagnosis.text}")


def _check_server(connection: psycopg.Connection[Any]) -> Diagnosis | None:
    if connection.info.server_version < OLDEST_POSTGRESQL * 10_000:
        version = connection.info.server_version // 10_000
        return Diagnosis(
            False,
            f"it is PostgreSQL {version}, and Toroku needs {OLDEST_POSTGRESQL} or later: upgrade the server, or give "
            "the address of a newer one; nothing was changed",
        )
    row = connection.execute("SELECT pg_backend_pid(), pg_is_in_recovery()").fetchone()
    connection.rollback()
    if row is None or row[0] != connection.info.backend_pid:
        return Diagnosis(False, "the address leads to a connection pooler; a migration needs the direct address")
    if row[1]:
        return Diagnosis(True, "this is a standby, which is read-only [give the address of the primary]")
    return None


def _take_lock(connection: Connection, patience: float, dsn: str) -> None:
    waiting = _Waiting(patience)
    # Polled, because a waiting statement holds a snapshot: CREATE INDEX CONCURRENTLY of the lock's holder would wait
    # for it, a deadlock.
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": MIGRATION_LOCK}):
        holder = _holder(connection)
        connection.rollback()
        if waiting.is_over():
            raise CommandFailed(
                f"{describe_database(dsn)}: another migration holds the lock, still after {patience:.0f} s "
                f"(TOROKU_MIGRATION_LOCK_PATIENCE): {holder}. Wait until it is done and start this again; if it hangs, "
                "end it by SELECT pg_terminate_backend(pid)"
            )
        waiting.pause(f"waiting for another migration of {describe_database(dsn)}: {holder}")
    connection.commit()


def _holder(connection: Connection) -> str:
    row = connection.execute(_HOLDER, {"number": MIGRATION_LOCK}).first()
    if row is None:
        return "it is just ending"
    if row.backend_start is None:
        return f"process {row.pid} of the database (this role may not see more about it)"
    since = f"connected since {row.backend_start:%Y-%m-%d %H:%M:%S %Z}"
    return f"process {row.pid} of the database, {row.application_name or 'without a name'}, {since}" + (
        f", from {row.address}" if row.address else ""
    )


class _Waiting:
    """A bounded wait that logs its cause: a new cause at once, else every few seconds."""

    def __init__(self, patience: float) -> None:
        self._end = time.monotonic() + patience
        self._logged = ""
        self._log_again_at = 0.0

    def is_over(self) -> bool:
        return time.monotonic() >= self._end

    def pause(self, cause: str) -> None:
        now = time.monotonic()
        if cause != self._logged or now >= self._log_again_at:
            log.warning("%s (gives up in %.0f s)", cause, self._end - now)
            self._logged, self._log_again_at = cause, now + _LOG_EVERY
        time.sleep(min(_TRY_EVERY, max(0.0, self._end - now)))
