"""Brings a database to the schema that a package's code expects, and says whether it is there.

Two chains of revisions, each with a folder and a version table of its own (docs/adr/0006): `versions` is what has to
stand before new code runs, while old code still does; `after` is what may only come when no old code runs any more.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from procrastinate.schema import SchemaManager
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from servicekit.database import Database, place
from servicekit.database_errors import diagnose
from servicekit.exceptions import CommandFailed, NotReady
from servicekit.migration_session import alone
from servicekit.settings import MigrationSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chain:
    """A linear chain of revisions: its folder in `<package>/migrations`, and the table that says how far it is."""

    folder: str
    version_table: str


BEFORE = Chain("versions", "alembic_version")
AFTER = Chain("after", "alembic_version_after")


def commands(package: str) -> Mapping[str, Callable[[], None]]:
    """Returns the commands `migrate` and `migrate-after` of a service with this package, for `program.run`."""
    return {
        "migrate": lambda: migrate(MigrationSettings(), package),
        "migrate-after": lambda: migrate_after(MigrationSettings(), package),
    }


def migrate(settings: MigrationSettings, package: str) -> None:
    """Applies what has to stand before this code runs, as far as the database lacks it, one transaction each.

    Several at once are safe: the later ones wait and then find nothing to do. A database of newer code is left as it
    is. Raises CommandFailed.
    """
    newest = newest_revision(package)
    with alone(settings, f"{package} migrate") as connection:
        found = _reached(connection, BEFORE)
        if found is not None and found > newest:
            log.info("the database of %s is at revision %s, newer than this code: nothing to do", package, found)
            return
        _upgrade(connection, package, BEFORE, settings)
    log.info("the database of %s is at revision %s", package, newest)


def migrate_after(settings: MigrationSettings, package: str) -> None:
    """Applies what comes when no older code runs any more. Nothing waits for it, readiness neither.

    Raises CommandFailed, also where `versions` is not exactly where this code's `migrate` brings it.
    """
    settings.direct_database("a migration")
    newest = _newest(package, AFTER)
    if newest is None:
        log.info("%s has no steps that come after a deployment: nothing to do", package)
        return
    expected = newest_revision(package)
    with alone(settings, f"{package} migrate-after") as connection:
        found = _reached(connection, BEFORE)
        if found != expected:
            older = found is None or found < expected
            raise CommandFailed(
                f"the database of {package} is at revision {found or 'none'} and this code at {expected}: "
                + ("run `migrate` and roll this version out first" if older else "this image is the older one")
                + "; nothing was changed"
            )
        found = _reached(connection, AFTER)
        if found is not None and found > newest:
            raise CommandFailed(
                f"the database of {package} has had the later step {found} already and this code knows {newest}: "
                "this image is the older one; nothing was changed"
            )
        _upgrade(connection, package, AFTER, settings)
    log.info("the steps after the deployment of %s are done, up to %s", package, newest)


@cache
def newest_revision(package: str) -> str:
    """The newest revision that the package needs before its code runs."""
    newest = _newest(package, BEFORE)
    if newest is None:
        raise LookupError(f"{package} has no migrations")
    return newest


async def schema_is_current(connection: AsyncConnection, package: str) -> bool:
    """Whether `versions` stands at the package's newest revision (or at one that this code does not know yet)."""
    found = await connection.run_sync(_stands_at, BEFORE)
    return found is not None and found >= newest_revision(package)


def ready(database: Database, package: str) -> Callable[[], Awaitable[bool]]:
    """What readiness asks: the service's own database answers and has the schema; never its peers.

    What is asked raises NotReady with the reason where that is not so.
    """

    async def answer() -> bool:
        try:
            async with database.read() as connection:
                if await schema_is_current(connection, package):
                    return True
        except (DBAPIError, psycopg.Error) as error:
            raise NotReady(f"the database does not answer: {diagnose(error).text}") from None
        raise NotReady(
            f"the database is not at revision {newest_revision(package)} yet: `python -m {package} migrate` brings it "
            "there"
        )

    return answer


def create_jobs_schema(connection: Connection) -> None:
    """Makes the tables of the jobs in the schema `jobs`; called by a service's first revision with `op.get_bind()`."""
    connection.exec_driver_sql("CREATE SCHEMA jobs")
    connection.exec_driver_sql("SET LOCAL search_path = jobs")
    # Many statements in one string: only the driver itself, without parameters, takes that.
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    driver.execute(SchemaManager.get_schema())
    connection.exec_driver_sql("SET LOCAL search_path = public, jobs")


def _upgrade(connection: Connection, package: str, chain: Chain, settings: MigrationSettings) -> None:
    configuration = _configuration(package, chain)
    configuration.attributes |= {"connection": connection, "version_table": chain.version_table}
    end = time.monotonic() + settings.migration_lock_patience
    while True:
        stopped = f"{place(settings.database)}: a step after revision {_reached(connection, chain) or 'none'} stopped"
        try:
            command.upgrade(configuration, "head")
            connection.commit()
            return
        except DBAPIError as error:
            if isinstance(error.orig, psycopg.errors.LockNotAvailable) and time.monotonic() < end:
                connection.rollback()
                log.warning("%s: a table that it changes is in use; it is tried again", stopped)
                continue
            why = _why(error.orig)
            if why is None:
                # A fault of the step itself: its author wants the traceback.
                raise
            raise CommandFailed(f"{stopped}, {why}. Of that step nothing is kept; the steps before it are") from None


def _why(error: BaseException | None) -> str | None:
    match error:
        case psycopg.errors.LockNotAvailable():
            return (
                "because a table that it changes is in use all the time: start it again when less is going on, or end "
                "the longest transaction (pg_stat_activity)"
            )
        case psycopg.errors.InsufficientPrivilege():
            return (
                f"because the role lacks a right ({error.diag.message_primary}): let the role own the database "
                "(ALTER DATABASE … OWNER TO …) and start it again"
            )
        case psycopg.OperationalError():
            return f"because the database went away: {diagnose(error).text}: start it again when the database answers"
    return None


def _reached(connection: Connection, chain: Chain) -> str | None:
    found = _stands_at(connection, chain)
    # Inside an open transaction Alembic would make one of all steps.
    connection.rollback()
    return found


def _stands_at(connection: Connection, chain: Chain) -> str | None:
    options = {"version_table": chain.version_table}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _newest(package: str, chain: Chain) -> str | None:
    if not _folder(package, chain).is_dir():
        return None
    return ScriptDirectory.from_config(_configuration(package, chain)).get_current_head()


def _folder(package: str, chain: Chain) -> Path:
    return Path(str(files(package))) / "migrations" / chain.folder


def _configuration(package: str, chain: Chain) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(str(files("servicekit"))) / "alembic"))
    configuration.set_main_option("path_separator", "newline")
    configuration.set_main_option("version_locations", str(_folder(package, chain)))
    return configuration
