"""Reads and writes roster lines in the text form of COPY, as `domain.roster_lines` formats them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from psycopg import sql
from sqlalchemy import text

from qualification_registry.domain.roster_cells import unescape_cell
from qualification_registry.domain.roster_changes import LineKind
from qualification_registry.domain.roster_identity import KnownBidder
from qualification_registry.domain.roster_lines import LINE_FIELDS
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, LINE_FIELDS))
_ADD = sql.SQL("COPY roster_lines (import_number, kind, row, bidder_id, {}) FROM STDIN").format(_COLUMNS)
_CURRENT = sql.SQL(
    "SELECT line.bidder_id, {} FROM roster_lines line JOIN roster_imports import ON import.number = line.import_number"
    " WHERE import.term = {} AND import.made_version IS NOT NULL AND line.superseded_by IS NULL"
)
# In the order of the primary key: a page reads it from the last bidder on, and no other index is needed.
_OF_IMPORT = sql.SQL(
    "SELECT line.bidder_id, line.row, {} FROM roster_lines line"
    " WHERE line.import_number = {} AND line.kind = {} AND line.bidder_id > {} ORDER BY line.bidder_id LIMIT {}"
)
_ASSIGNED_IDS = sql.SQL("SELECT corporate_number, bidder_id FROM assigned_numbers")
# Bidders with an assigned id, as their newest line has them.
_ASSIGNED_BIDDERS = sql.SQL(
    "SELECT DISTINCT ON (line.bidder_id) line.bidder_id, line.name, line.address, line.corporate_number"
    " FROM roster_lines line JOIN roster_imports import ON import.number = line.import_number"
    " WHERE import.ids_are_assigned AND import.made_version IS NOT NULL"
    " ORDER BY line.bidder_id, line.import_number DESC"
)

_ROWS_AT_ONCE = 500

# Lines that were just copied have no statistics yet, and the planner would sort all of them for each page.
_AVOID_SORTING = Statement(text("SET LOCAL enable_sort = off"))
_ALLOW_SORTING = Statement(text("SET LOCAL enable_sort = on"))


@asynccontextmanager
async def open_line_writer(connection: Connection) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    """Yields a function that writes lines: import number, kind, row, bidder id and line, with tabs, and a line feed.

    They are written when the block ends; until then the connection cannot be used for anything else.
    """
    async with connection.cursor() as cursor, cursor.copy(_ADD) as copy:
        yield copy.write


async def read_current_lines(
    connection: Connection, term: int | None, bidder_ids: Collection[str] | None = None
) -> dict[str, str]:
    """Returns the current lines of a term, by its number, by bidder id: all, or those of some bidders.

    A term without a list (None) has none.
    """
    if term is None:
        return {}
    statement = _CURRENT.format(_COLUMNS, sql.Literal(term))
    if bidder_ids is not None:
        statement += sql.SQL(" AND line.bidder_id = ANY({})").format(sql.Literal(list(bidder_ids)))
    return await _copy_out(connection, statement)


async def read_import_lines(
    connection: Connection, number: int, kind: LineKind, *, after: str, most: int
) -> dict[str, tuple[int, str]]:
    """Returns row and line of at most `most` bidders of one kind in an import, by bidder id, with ids after `after`."""
    await connection.change(_AVOID_SORTING)
    numbers = (sql.Literal(number), sql.Literal(kind.value))
    statement = _OF_IMPORT.format(_COLUMNS, *numbers, sql.Literal(after), sql.Literal(most))
    rows = await _copy_out(connection, statement)
    await connection.change(_ALLOW_SORTING)
    pairs = {bidder_id: rest.split("\t", 1) for bidder_id, rest in rows.items()}
    return {bidder_id: (int(row), line) for bidder_id, (row, line) in pairs.items()}


async def read_assigned_ids(connection: Connection) -> dict[str, str]:
    """Returns the bidder id that was assigned for each 法人番号."""
    return await _copy_out(connection, _ASSIGNED_IDS)


async def read_assigned_bidders(connection: Connection) -> Sequence[KnownBidder]:
    """Returns the bidders with an assigned id."""
    rows = await _copy_out(connection, _ASSIGNED_BIDDERS)
    return [KnownBidder(bidder_id, *map(unescape_cell, rest.split("\t"))) for bidder_id, rest in rows.items()]


async def _copy_out(connection: Connection, query: sql.SQL | sql.Composed) -> dict[str, str]:
    """Returns the first value of each row, and the rest of the row in the text form of COPY."""
    values: dict[str, str] = {}
    rows: list[bytes] = []

    def add_rows() -> None:
        # Not splitlines, which splits at characters that a line may contain. Behind the last line feed is nothing.
        for line in b"".join(rows).decode().split("\n")[:-1]:
            first, _, rest = line.partition("\t")
            values[first] = rest
        rows.clear()

    async with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY ({}) TO STDOUT").format(query)) as copy:
        async for row in copy:
            rows.append(bytes(row))
            # So many stay in the processor's cache: all at once take half as long again, and memory for three copies.
            if len(rows) == _ROWS_AT_ONCE:
                add_rows()
    if rows:
        add_rows()
    return values
