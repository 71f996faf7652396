"""Keeps only the newest state of an aggregate, so that late and repeated events change nothing."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from servicekit.versions import Version


async def insert_newest(
    connection: AsyncConnection, table: Table, key: Mapping[str, Any], state: Mapping[str, Any], version: Version
) -> bool:
    """Writes a state unless the table has one of the same or a higher version; returns whether it was written.

    `key` holds the columns of the table's primary key, `state` the rest but for `version_epoch` and `version_number`.
    The row stays locked until the caller's transaction ends.
    """
    columns = {**state, "version_epoch": version.epoch, "version_number": version.number}
    statement = insert(table).values(**key, **columns)
    current = tuple_(table.c.version_epoch, table.c.version_number)
    new = tuple_(statement.excluded.version_epoch, statement.excluded.version_number)
    # The conflicting row is locked before versions are compared, so of two concurrent deliveries the newer one remains.
    rows = await connection.execute(
        statement.on_conflict_do_update(index_elements=list(key), set_=columns, where=current < new).returning(
            *(table.c[name] for name in key)
        )
    )
    return rows.first() is not None
