"""Entries of the history with the heads that seal them."""

from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import text

from history.entries import SealedEntry
from history.sealed_entry import SEAL_COLUMNS, SEAL_TABLES, read_sealed_entry, write_waiting
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_FIND = Statement(
    text(
        f"""
        SELECT entry.happened_at, {SEAL_COLUMNS},
            {write_waiting("entry.happened_at", "CAST(:now AS timestamptz)")} AS waits
        FROM history_entry AS entry {SEAL_TABLES}
        WHERE entry.number = :number
        """  # noqa: S608  # constants
    )
)


class FoundEntry(NamedTuple):
    """An entry, when its act was, and whether its seal should be waited for."""

    entry: SealedEntry
    happened_at: datetime
    waits: bool


async def find_entry(connection: Connection, number: int, now: datetime) -> FoundEntry:
    """Returns an entry by its number, and whether it is worth waiting for its seal: a minute at most."""
    row = await connection.fetch_row(_FIND, number=number, now=now)
    return FoundEntry(read_sealed_entry(row), row.happened_at.astimezone(UTC), row.waits)
