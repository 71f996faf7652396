"""The one connection on which a database is migrated: waited for, checked, and alone by a lock."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import Connection

from servicekit.database import connection_settings, place
from servicekit.database_errors import Diagnosis, diagnose
from servicekit.exceptions import CommandFailed
from servicekit.settings import MigrationSettings

log = logging.getLogger(__name__)

# Two migrations of one database at the same time wait for each other on this number.
MIGRATION_LOCK = 0x746F726F6B75
OLDEST_POSTGRESQL = 14
# How often it is tried, and how often it is said that it is still in vain, in seconds.
_TRY_EVERY = 0.5
_SAY_EVERY = 5.0
# A step that waits for a table makes everybody else wait behind it; so it gives up soon and comes again.
STATEMENT_LOCK_TIMEOUT = "5s"

# Whose session it is, is hidden from a role of another name that is no member of pg_read_all_stats.
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
def alone(settings: MigrationSettings, name: str) -> Iterator[Connection]:
    """A connection that no other migration of this database works beside; given back to nobody, closed at the end.

    Waits until the database answers and until the lock is free, each for as long as `settings` say, and says every few
    seconds what it waits for. Raises CommandFailed where that is in vain. `name` is how the session is listed.
    """
    dsn = settings.direct_database("a migration")
    driver = _wait_until_it_answers(dsn, settings.database_patience, name)
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


def _wait_until_it_answers(dsn: str, patience: float, name: str) -> psycopg.Connection[Any]:
    settings = connection_settings(dsn) | {"application_name": name}
    waiting = _Waiting(patience)
    while True:
        try:
            connection = psycopg.connect(dsn, **settings)
            found = _unfit(connection)
            if found is None:
                return connection
            connection.close()
        except psycopg.Error as error:
            found = diagnose(error)
        if not found.is_transient:
            raise CommandFailed(f"{place(dsn)}: {found.text}")
        if waiting.over():
            raise CommandFailed(
                f"{place(dsn)} did not answer within {patience:.0f} s (TOROKU_DATABASE_PATIENCE): {found.text}"
            )
        waiting.say(f"waiting for {place(dsn)}: {found.text}")


def _unfit(connection: psycopg.Connection[Any]) -> Diagnosis | None:
    if connection.info.server_version < OLDEST_POSTGRESQL * 10_000:
        version = connection.info.server_version // 10_000
        return Diagnosis(False, f"it is PostgreSQL {version}, and {OLDEST_POSTGRESQL} is the oldest that will do")
    row = connection.execute("SELECT pg_backend_pid(), pg_is_in_recovery()").fetchone()
    connection.rollback()
    if row is None or row[0] != connection.info.backend_pid:
        return Diagnosis(False, "a connection pooler stands before it; a migration needs the direct address")
    if row[1]:
        return Diagnosis(True, "this is a standby, which takes no changes [give the address of the primary]")
    return None


def _take_lock(connection: Connection, patience: float, dsn: str) -> None:
    waiting = _Waiting(patience)
    # Asked again and again, because a statement that waits holds a snapshot: CREATE INDEX CONCURRENTLY of the one that
    # has the lock would wait for it, and both for ever.
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": MIGRATION_LOCK}):
        holder = _holder(connection)
        connection.rollback()
        if waiting.over():
            raise CommandFailed(
                f"{place(dsn)}: another migration holds the lock for more than {patience:.0f} s "
                f"(TOROKU_MIGRATION_LOCK_PATIENCE): {holder}. Wait until it is done and start this again; if it hangs, "
                "end it by SELECT pg_terminate_backend(pid)"
            )
        waiting.say(f"waiting for another migration of {place(dsn)}: {holder}")
    connection.commit()


def _holder(connection: Connection) -> str:
    row = connection.execute(_HOLDER, {"number": MIGRATION_LOCK}).first()
    if row is None:
        return "it is just ending"
    if row.backend_start is None:
        return f"process {row.pid} of the database (this role may not see more of it)"
    since = f"connected since {row.backend_start:%Y-%m-%d %H:%M:%S %Z}"
    return f"process {row.pid} of the database, {row.application_name or 'without a name'}, {since}" + (
        f", from {row.address}" if row.address else ""
    )


class _Waiting:
    """A bounded wait that says what it waits for: at once where that is new, else every few seconds."""

    def __init__(self, patience: float) -> None:
        self._end = time.monotonic() + patience
        self._said = ""
        self._say_again = 0.0

    def over(self) -> bool:
        return time.monotonic() >= self._end

    def say(self, what: str) -> None:
        now = time.monotonic()
        if what != self._said or now >= self._say_again:
            log.warning("%s (gives up in %.0f s)", what, self._end - now)
            self._said, self._say_again = what, now + _SAY_EVERY
        time.sleep(min(_TRY_EVERY, max(0.0, self._end - now)))
