"""Whether a database has the schema that a package's code expects.

There are two chains of revisions, each with its folder and version table (docs/adr/0006): `versions` is applied before
new code runs, while old code still does; `after` is applied when old code no longer runs. `servicekit.migrations`
applies them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import psycopg
from sqlalchemy import column, select, table

from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.database_errors import diagnose
from servicekit.exceptions import NotReady
from servicekit.statements import Statement


@dataclass(frozen=True, slots=True)
class Chain:
    """A linear chain of revisions: its folder in `<package>/migrations`, and its version table."""

    folder: str
    version_table: str


BEFORE = Chain("versions", "alembic_version")
AFTER = Chain("after", "alembic_version_after")

_REVISION = Statement(select(column("version_num")).select_from(table(BEFORE.version_table)))


@cache
def newest_revision(package: str) -> str:
    """Returns the newest revision of `versions`; raises LookupError where there is none."""
    newest = find_newest(package, BEFORE)
    if newest is None:
        raise LookupError(f"{package} has no migrations")
    return newest


def find_newest(package: str, chain: Chain) -> str | None:
    """Returns the newest revision of a chain, as the names of its files begin; None where it has none."""
    return max((file.name.split("_")[0] for file in locate_folder(package, chain).glob("[0-9]*_*.py")), default=None)


def locate_folder(package: str, chain: Chain) -> Path:
    """Returns the folder of a chain, which need not exist."""
    return Path(str(files(package))) / "migrations" / chain.folder


async def schema_is_current(connection: Connection, package: str) -> bool:
    """Returns whether the database is at the package's newest revision of `versions`, or at a later one."""
    try:
        current = await connection.fetch_value(_REVISION)
    except psycopg.errors.UndefinedTable:
        return False
    return current is not None and current >= newest_revision(package)


def ready(database: Database, package: str) -> Callable[[], Awaitable[bool]]:
    """Returns the readiness check: the service's database answers and has the schema. It never asks peers.

    The check returns True or raises NotReady with the cause.
    """

    async def ask() -> bool:
        async with database.read() as connection:
            return await schema_is_current(connection, package)

    async def answer() -> bool:
        try:
            try:
                is_current = await ask()
            except psycopg.OperationalError:
                # A connection used within the last second is not pinged: it may be lost, and the database back.
                is_current = await ask()
        except psycopg.Error as error:
            raise NotReady(f"the database does not answer: {diagnose(error).text}") from None
        if is_current:
            return True
        raise NotReady(
            f"the database is not at revision {newest_revision(package)} yet: run `python -m {package} migrate`"
        )

    return answer
