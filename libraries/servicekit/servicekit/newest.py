"""Keeps only the newest state of an aggregate, so that late and repeated events change nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from servicekit.versions import Version


async def insert_newest_rows(
    connection: AsyncConnection, table: Table, key: Sequence[str], rows: Sequence[tuple[Mapping[str, Any], Version]]
) -> int:
    """Writes states in one statement, each unless the table has one of the same or a higher version.

    Returns how many were written; their rows stay locked until the caller's transaction ends. `key` names the columns
    of the table's primary key; each row holds all columns but `version_epoch` and `version_number`, and no key occurs
    twice. Callers pass the rows in the order of their keys: concurrent transactions then wait for each other in turn
    and never in a circle.
    """
    if not rows:
        return 0
    statement = insert(table).values(
        [{**row, "version_epoch": version.epoch, "version_number": version.number} for row, version in rows]
    )
    columns = {column.name: statement.excluded[column.name] for column in table.c if column.name not in key}
    current = tuple_(table.c.version_epoch, table.c.version_number)
    new = tuple_(statement.excluded.version_epoch, statement.excluded.version_number)
    # The conflicting row is locked before versions are compared, so of two concurrent deliveries the newer one remains.
    written = await connection.execute(
        statement.on_conflict_do_update(index_elements=list(key), set_=columns, where=current < new).returning(
            *(table.c[name] for name in key)
        )
    )
    return len(written.all())
