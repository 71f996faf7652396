"""Lines of rosters in the text form of COPY, as `domain.roster_lines` writes them: into the database and out of it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncConnection

from qualification_registry.domain.roster_lines import LINE_FIELDS
from servicekit.database import raw

_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, LINE_FIELDS))
_ADD = sql.SQL("COPY roster_lines (import_number, row, bidder_id, {}) FROM STDIN").format(_COLUMNS)
_CURRENT = sql.SQL(
    "SELECT line.bidder_id, {} FROM roster_lines line JOIN roster_imports import ON import.number = line.import_number"
    " WHERE import.roster = {} AND import.made_version IS NOT NULL AND line.superseded_by IS NULL"
)
_ASSIGNED_IDS = sql.SQL("SELECT assigned_for, bidder_id FROM bidders WHERE assigned_for IS NOT NULL")


@asynccontextmanager
async def adding_lines(connection: AsyncConnection) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    """Gives what takes lines: import number, row, bidder id and the line, parted by tabs, each with a line feed.

    They are there when the block ends; nothing else can be done with the connection meanwhile.
    """
    driver = await raw(connection)
    async with driver.cursor() as cursor, cursor.copy(_ADD) as copy:
        yield copy.write


async def current_lines(
    connection: AsyncConnection, roster: str, bidder_ids: Collection[str] | None = None
) -> dict[str, str]:
    """The lines of a roster that count now, by bidder id: all, or those of some bidders."""
    statement = _CURRENT.format(_COLUMNS, sql.Literal(roster))
    if bidder_ids is not None:
        statement += sql.SQL(" AND line.bidder_id = ANY({})").format(sql.Literal(list(bidder_ids)))
    return await _copied_out(connection, statement)


async def assigned_ids(connection: AsyncConnection) -> dict[str, str]:
    """The bidder id that was assigned for each 法人番号."""
    return await _copied_out(connection, _ASSIGNED_IDS)


async def _copied_out(connection: AsyncConnection, query: sql.SQL | sql.Composed) -> dict[str, str]:
    """The first value of each row, and the rest of it in the text form of COPY."""
    driver = await raw(connection)
    async with driver.cursor() as cursor, cursor.copy(sql.SQL("COPY ({}) TO STDOUT").format(query)) as copy:
        content = b"".join([bytes(piece) async for piece in copy])
    # Not splitlines: that splits at characters which may stand in a line.
    pairs = [row.split("\t", 1) for row in content.decode().split("\n") if row]
    return dict(pairs)
