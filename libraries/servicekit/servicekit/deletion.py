"""Deletes rows that are too old in portions, so that neither a row nor the log of writes waits for all of them."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, any_, bindparam, delete, func, literal_column, select

from servicekit.database_connection import Connection
from servicekit.statements import Statement

# Rows that one transaction deletes at most: some milliseconds.
PORTION = 1_000


def write_deletion(table: Table, *which: ColumnElement[bool], oldest: Column[Any]) -> Statement:
    """Returns the statement that deletes the oldest of these rows, at most the parameter `most`.

    It passes over rows that another transaction has locked. An index on `oldest` finds them.
    """
    place: ColumnElement[Any] = literal_column(f"{table.name}.ctid")
    rows = select(place).select_from(table).where(*which).order_by(oldest).limit(bindparam("most"))
    # As an array they are looked for once. Their places stay, since they are locked.
    places = func.array(rows.with_for_update(skip_locked=True).correlate(None).scalar_subquery())
    return Statement(delete(table).where(place == any_(places)))


async def delete_in_portions(
    open_connection: Callable[[], AbstractAsyncContextManager[Connection]],
    delete_portion: Callable[..., Awaitable[int]],
    /,
    **values: Any,
) -> int:
    """Deletes portion by portion until one is not full; returns how many rows.

    `open_connection` is `Database.single_change`, or `Database.transaction` where a portion is several statements.
    `delete_portion` gets the connection, `most` and the values, and returns how many rows it deleted.
    """
    deleted = 0
    while True:
        async with open_connection() as connection:
            portion = await delete_portion(connection, most=PORTION, **values)
        deleted += portion
        if portion < PORTION:
            return deleted
