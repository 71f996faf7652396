"""What the database has of the history: entries to show, receipts, and all of it for a verification."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import text

from history.entries import StoredEntry
from history.heads import Head, SealedBatch
from history.merkle import compute_path
from history.receipt import Receipt
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# Rows of one statement: entries with their details, and heads with their leaves, each some megabytes.
_ENTRIES = 1000
_HEADS = 20
# More of them, which are in no batch, are not shown.
_STRANGE_ENTRIES = 10_000
_LARGEST = (1 << 63) - 1

# By what an entry is looked for: the name of the column.
IndexedColumn = Literal["bidder_id", "certificate_sha256", "request_id", "who"]
_INDEXED: Sequence[IndexedColumn] = get_args(IndexedColumn)

_COLUMNS = """
    position.position, entry.number, entry.happened_at, entry.who, entry.what, entry.request_id, entry.trace_id,
    entry.certificate_sha256, entry.category, entry.agencies, entry.bidder_id, entry.details_digest, entry.digest,
    details.salt, details.details, erasure.erased_by
"""
_TABLES = """
    history_entry AS entry
    LEFT JOIN history_position AS position ON position.number = entry.number
    LEFT JOIN history_details AS details ON details.number = entry.number
    LEFT JOIN history_erasure AS erasure ON erasure.number = entry.number
"""
_HEAD = "chain, number, first_position, last_position, sealed_at, root, previous, key_id, signature"
# Each looks for the newest entries before a number.
_SHOW = {
    column: Statement(
        text(
            f"SELECT {_COLUMNS} FROM {_TABLES} "  # noqa: S608  # constants of this module
            f"WHERE entry.{column} = :sought AND entry.number < CAST(:before AS bigint) "
            "ORDER BY entry.number DESC LIMIT CAST(:most AS bigint)"
        )
    )
    for column in _INDEXED
}
_NEWEST_HEAD = Statement(text(f"SELECT {_HEAD} FROM history_head ORDER BY number DESC LIMIT 1"))  # noqa: S608  # as above
_RECEIPT = Statement(
    text(
        f"""
        SELECT {_HEAD.replace("number", "head.number")}, leaves, position.position
        FROM (SELECT position FROM history_position WHERE number = CAST(:number AS bigint)) AS position,
            LATERAL (
                SELECT * FROM history_head WHERE first_position <= position.position
                ORDER BY first_position DESC LIMIT 1
            ) AS head
        """  # noqa: S608  # as above
    )
)
_BATCHES = Statement(
    text(
        f"""
        SELECT {_HEAD}, leaves FROM history_head
        WHERE number > CAST(:after AS bigint) AND last_position >= CAST(:first AS bigint)
            AND first_position <= CAST(:last AS bigint)
        ORDER BY number LIMIT CAST(:most AS bigint)
        """  # noqa: S608  # as above
    )
)
# Also of entries that are gone: their rows are empty, but for the position and the number.
_SEALED = Statement(
    text(
        f"""
        SELECT {_COLUMNS.replace("entry.number", "position.number")}
        FROM (
            SELECT position, number FROM history_position
            WHERE position > CAST(:after AS bigint) AND position <= CAST(:last AS bigint)
            ORDER BY position LIMIT CAST(:most AS bigint)
        ) AS position
        LEFT JOIN history_entry AS entry ON entry.number = position.number
        LEFT JOIN history_details AS details ON details.number = entry.number
        LEFT JOIN history_erasure AS erasure ON erasure.number = entry.number
        ORDER BY position.position
        """  # noqa: S608  # as above
    )
)
# By one snapshot, since entries are sealed meanwhile.
_STRANGE = Statement(
    text(
        f"""
        SELECT {_COLUMNS} FROM {_TABLES}
        WHERE (position.position IS NULL AND NOT EXISTS (SELECT FROM history_unsealed WHERE number = entry.number))
            OR position.position > coalesce((SELECT max(last_position) FROM history_head), 0)
        ORDER BY position.position NULLS LAST, entry.number LIMIT CAST(:most AS bigint)
        """  # noqa: S608  # as above
    )
)


async def find_entries(
    connection: Connection,
    column: IndexedColumn,
    sought: str | bytes | UUID,
    *,
    before: int | None = None,
    most: int = 100,
) -> list[StoredEntry]:
    """Returns the newest entries with this value, newest first; with `before` those with a smaller number."""
    rows = await connection.fetch_rows(_SHOW[column], sought=sought, before=before or _LARGEST, most=most)
    return list(map(StoredEntry._make, rows))


async def find_newest_head(connection: Connection) -> Head | None:
    """Returns the newest head, which others keep as witnesses; None where nothing is sealed yet."""
    row = await connection.fetch_row(_NEWEST_HEAD)
    return None if row is None else Head._make(row)


async def find_receipt(connection: Connection, number: int) -> Receipt | None:
    """Returns the proof of the entry with this number; None where it is not sealed yet, or there is none."""
    row = await connection.fetch_row(_RECEIPT, number=number)
    if row is None:
        return None
    *head, leaves, position = row
    batch = SealedBatch(Head._make(head), leaves)
    digests = batch.split_leaves()
    index = position - batch.head.first_position
    return Receipt(digests[index], position, tuple(compute_path(digests, index)), batch.head)


async def read_history(
    database: Database, *, first_position: int | None = None, last_position: int | None = None
) -> AsyncIterator[list[SealedBatch | StoredEntry]]:
    """Yields what is sealed by now, in the order in which `history.verification.Verification` takes it.

    With a first or a last position only the batches of that range; without, also entries that are in no batch and do
    not wait for one. Each portion is one statement, so that nothing waits for a long verification.
    """
    async with database.read() as connection:
        newest = await find_newest_head(connection)
    last = 0 if newest is None else newest.last_position
    is_range = first_position is not None or last_position is not None
    wanted = {"first": first_position or 1, "last": min(last, last_position or last)}
    after_head, after = 0, None
    while True:
        async with database.read() as connection:
            rows = await connection.fetch_rows(_BATCHES, **wanted, after=after_head, most=_HEADS)
        if not rows:
            break
        batches = [SealedBatch(Head._make(row[:-1]), row[-1]) for row in rows]
        after_head = batches[-1].head.number
        if after is None:
            after = batches[0].head.first_position - 1 if is_range else 0
        async for portion in _read_batches(database, batches, after):
            yield portion
        after = max(after, batches[-1].head.last_position)
    if not is_range:
        async with database.read() as connection:
            strange = await connection.fetch_rows(_STRANGE, most=_STRANGE_ENTRIES)
        yield list(map(StoredEntry._make, strange))


async def _read_batches(
    database: Database, batches: Sequence[SealedBatch], after: int
) -> AsyncIterator[list[SealedBatch | StoredEntry]]:
    """Yields batches and entries after a position in their order."""
    waiting = deque(batches)
    last = batches[-1].head.last_position
    while True:
        async with database.read() as connection:
            rows = await connection.fetch_rows(_SEALED, after=after, last=last, most=_ENTRIES)
        portion: list[SealedBatch | StoredEntry] = []
        for entry in map(StoredEntry._make, rows):
            position = entry.position or 0
            while waiting and waiting[0].head.first_position <= position:
                portion.append(waiting.popleft())
            if entry.digest is not None:
                portion.append(entry)
            after = position
        if len(rows) < _ENTRIES:
            yield [*portion, *waiting]
            return
        yield portion
