"""Migrates a database to the schema that a package's code expects (`servicekit.schema`)."""

import logging
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from procrastinate.schema import SchemaManager
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from servicekit.database import describe_database
from servicekit.database_errors import diagnose
from servicekit.exceptions import CommandFailed
from servicekit.migration_session import migration_session
from servicekit.schema import AFTER, BEFORE, Chain, find_newest, locate_folder, newest_revision
from servicekit.settings import MigrationSettings

log = logging.getLogger(__name__)


def commands(package: str) -> Mapping[str, Callable[[], None]]:
    """Returns the commands `migrate` and `migrate-after` of a service with this package, for `program.run`."""
    return {
        "migrate": lambda: migrate(MigrationSettings.read(), package),
        "migrate-after": lambda: migrate_after(MigrationSettings.read(), package),
    }


def migrate(settings: MigrationSettings, package: str) -> None:
    """Applies the missing revisions of `versions`, each in a transaction.

    Concurrent migrations are safe: the later ones wait, and then have nothing to do. A database of newer code remains
    unchanged. Raises CommandFailed.
    """
    newest = newest_revision(package)
    with migration_session(settings, f"{package} migrate") as connection:
        current = _read_revision(connection, BEFORE)
        if current is not None and current > newest:
            log.info("the database of %s is at revision %s, newer than this code: nothing to do", package, current)
            return
        _upgrade(connection, package, BEFORE, settings)
    log.info("the database of %s is at revision %s", package, newest)


def migrate_after(settings: MigrationSettings, package: str) -> None:
    """Applies the missing revisions of `after`. Nothing waits for them, not even readiness.

    Raises CommandFailed, also where `versions` is not exactly at this code's newest revision.
    """
    settings.direct_database("a migration")
    newest = find_newest(package, AFTER)
    if newest is None:
        log.info("%s has no migrations after the deployment: nothing to do", package)
        return
    expected = newest_revision(package)
    with migration_session(settings, f"{package} migrate-after") as connection:
        current = _read_revision(connection, BEFORE)
        if current != expected:
            older = current is None or current < expected
            raise CommandFailed(
                f"the database of {package} is at revision {current or 'none'} and this code at {expected}: "
                + ("run `migrate` and roll this version out first" if older else "this image is the older one")
                + "; nothing was changed"
            )
        current = _read_revision(connection, AFTER)
        if current is not None and current > newest:
            raise CommandFailed(
                f"the database of {package} already has the later step {current}, and this code's newest is {newest}: "
                "this image is the older one; nothing was changed"
            )
        _upgrade(connection, package, AFTER, settings)
    log.info("the migrations after the deployment of %s are done, up to %s", package, newest)


def create_jobs_schema(connection: Connection) -> None:
    """Creates the tables of the jobs in the schema `jobs`, for a service's first revision (`op.get_bind()`)."""
    connection.exec_driver_sql("CREATE SCHEMA jobs")
    connection.exec_driver_sql("SET LOCAL search_path = jobs")
    # Only the driver itself, without parameters, accepts several statements in one string.
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    driver.execute(SchemaManager.get_schema())
    # They write three rows for each try of a job, for as long as the job exists. Only the row that says when a job was
    # enqueued is read, and the trigger of that one remains.
    for trigger in ("procrastinate_trigger_status_events_update_v1", "procrastinate_trigger_scheduled_events_v1"):
        connection.exec_driver_sql(f"DROP TRIGGER {trigger} ON procrastinate_jobs")
    # When the first job of a queue is due is asked with each job, and each three seconds; what failed, only the latter.
    connection.exec_driver_sql("DROP INDEX procrastinate_jobs_queue_name_idx_v1")
    connection.exec_driver_sql(
        "CREATE INDEX procrastinate_jobs_due ON procrastinate_jobs (queue_name, scheduled_at NULLS FIRST) "
        "WHERE status = 'todo'"
    )
    connection.exec_driver_sql(
        "CREATE INDEX procrastinate_jobs_failed ON procrastinate_jobs (id) WHERE status = 'failed'"
    )
    connection.exec_driver_sql("SET LOCAL search_path = public, jobs")


def _upgrade(connection: Connection, package: str, chain: Chain, settings: MigrationSettings) -> None:
    configuration = _configuration(package, chain)
    configuration.attributes |= {"connection": connection, "version_table": chain.version_table}
    end = time.monotonic() + settings.migration_lock_patience
    while True:
        revision = _read_revision(connection, chain) or "none"
        failed = f"{describe_database(settings.database)}: a step after revision {revision} failed"
        try:
            command.upgrade(configuration, "head")
            connection.commit()
            return
        except DBAPIError as error:
            if isinstance(error.orig, psycopg.errors.LockNotAvailable) and time.monotonic() < end:
                connection.rollback()
                log.warning("%s: a table that it changes is in use; it is tried again", failed)
                continue
            cause = _explain_failure(error.orig)
            if cause is None:
                # A defect of the step itself: its author needs the traceback.
                raise
            raise CommandFailed(f"{failed}, {cause}. That step is rolled back; the steps before it are kept") from None


def _explain_failure(error: BaseException | None) -> str | None:
    match error:
        case psycopg.errors.LockNotAvailable():
            return (
                "because a table that it changes is in use permanently: start it again when there is less load, or end "
                "the longest transaction (pg_stat_activity)"
            )
        case psycopg.errors.InsufficientPrivilege():
            return (
                f"because the role lacks a right ({error.diag.message_primary}): let the role own the database "
                "(ALTER DATABASE … OWNER TO …) and start it again"
            )
        case psycopg.OperationalError():
            return f"because the connection was lost: {diagnose(error).text}: start it again when the database answers"
    return None


def _read_revision(connection: Connection, chain: Chain) -> str | None:
    revision = _find_revision(connection, chain)
    # Within an open transaction Alembic would run all steps in one.
    connection.rollback()
    return revision


def _find_revision(connection: Connection, chain: Chain) -> str | None:
    options = {"version_table": chain.version_table}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _configuration(package: str, chain: Chain) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(str(files("servicekit"))) / "alembic"))
    configuration.set_main_option("path_separator", "newline")
    configuration.set_main_option("version_locations", str(locate_folder(package, chain)))
    return configuration
