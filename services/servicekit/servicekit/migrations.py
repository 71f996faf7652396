"""Brings a database to the schema that a package's code expects, and says whether it is there."""

import logging
from collections.abc import Awaitable, Callable
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
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from servicekit.database import Database

log = logging.getLogger(__name__)

# Two migrations of one database at the same time wait for each other on this number.
MIGRATION_LOCK = 0x746F726F6B75


def migrate(dsn: str, package: str) -> None:
    """Applies all revisions in `<package>/migrations/versions` that the database lacks, one transaction each.

    Several at once are safe: the later ones wait and then find nothing to do.
    """
    engine = create_engine(make_url(dsn).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": MIGRATION_LOCK})
        connection.commit()
        configuration = _configuration(package)
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "head")
        connection.commit()
        connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": MIGRATION_LOCK})
        connection.commit()
    engine.dispose()
    log.info("the database of %s is at revision %s", package, newest_revision(package))


@cache
def newest_revision(package: str) -> str:
    """The newest revision that the package brings."""
    head = ScriptDirectory.from_config(_configuration(package)).get_current_head()
    if head is None:
        raise LookupError(f"{package} has no migrations")
    return head


async def schema_is_current(connection: AsyncConnection, package: str) -> bool:
    """Whether the database stands at the package's newest revision (or at one that this code does not know yet)."""

    def current(synchronous: Connection) -> str | None:
        return MigrationContext.configure(synchronous).get_current_revision()

    found = await connection.run_sync(current)
    return found is not None and found >= newest_revision(package)


def ready(database: Database, package: str) -> Callable[[], Awaitable[bool]]:
    """What readiness asks: the service's own database answers and has the schema; never its peers."""

    async def answer() -> bool:
        async with database.read() as connection:
            return await schema_is_current(connection, package)

    return answer


def create_jobs_schema(connection: Connection) -> None:
    """Makes the tables of the jobs in the schema `jobs`; called by a service's first revision with `op.get_bind()`."""
    connection.exec_driver_sql("CREATE SCHEMA jobs")
    connection.exec_driver_sql("SET LOCAL search_path = jobs")
    # Many statements in one string: only the driver itself, without parameters, takes that.
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    driver.execute(SchemaManager.get_schema())
    connection.exec_driver_sql("SET LOCAL search_path = public, jobs")


def _configuration(package: str) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(str(files("servicekit"))) / "alembic"))
    configuration.set_main_option("path_separator", "newline")
    configuration.set_main_option("version_locations", str(Path(str(files(package))) / "migrations" / "versions"))
    return configuration
