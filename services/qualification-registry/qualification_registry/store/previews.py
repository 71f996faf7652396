"""What a preview reads and keeps: current lines, the file, new and changed lines (QUA-12)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from qualification_registry.domain.roster_comparison import KnownBidder, Suggestion
from qualification_registry.store.tables import (
    grade_kinds,
    registry_state,
    roster_file_pieces,
    roster_imports,
    roster_lines,
    rosters,
    undecided_lines,
)
from servicekit.database import raw

# A row of this many bytes still fits into one page of 8 KiB.
_PIECE_BYTES = 8000
# Bidders that we numbered without a 法人番号, as their newest line names them.
_WITHOUT_CORPORATE_NUMBER = text(
    """
    SELECT DISTINCT ON (line.bidder_id) line.bidder_id, line.name, coalesce(line.address, '')
    FROM roster_lines line
    JOIN roster_imports import ON import.number = line.import_number AND import.made_version IS NOT NULL
    JOIN bidders bidder ON bidder.bidder_id = line.bidder_id
    WHERE import.ids_are_assigned AND bidder.assigned_for IS NULL
    ORDER BY line.bidder_id, line.import_number DESC
    """
)


@dataclass(frozen=True, slots=True)
class CurrentRoster:
    """The version of a roster that counts, and what made it; version 0 has nothing."""

    version: int = 0
    rows: int = 0
    file_sha256: bytes = b""
    mapping_sha256: bytes = b""


async def current_roster(connection: AsyncConnection, name: str) -> CurrentRoster:
    """The roster as it counts now."""
    found = await connection.execute(
        select(rosters.c.version, roster_imports.c.rows, roster_imports.c.file_sha256, roster_imports.c.mapping_sha256)
        .join(roster_imports, roster_imports.c.number == rosters.c.current_import)
        .where(rosters.c.name == name)
    )
    row = found.one_or_none()
    return CurrentRoster(*row) if row is not None else CurrentRoster()


async def bidders_without_corporate_number(connection: AsyncConnection) -> list[KnownBidder]:
    """The bidders that an undecided line of any roster may be."""
    return [KnownBidder(*row) for row in await connection.execute(_WITHOUT_CORPORATE_NUMBER)]


async def existing(connection: AsyncConnection, bidder_ids: Collection[str]) -> set[str]:
    """Those of the ids that are bidders."""
    found = await connection.execute(
        text("SELECT bidder_id FROM bidders WHERE bidder_id = ANY(:bidder_ids)"), {"bidder_ids": list(bidder_ids)}
    )
    return set(found.scalars())


async def number_of_grade_kinds(connection: AsyncConnection, kinds: Sequence[str]) -> int:
    """The number under which these kinds of grades are kept, taken where there is none yet."""
    statement = pg_insert(grade_kinds).values(kinds=list(kinds))
    # What is there is written over by the same, so that it comes back and is not deleted meanwhile.
    kept = statement.on_conflict_do_update(index_elements=["kinds"], set_={"kinds": statement.excluded.kinds})
    return int((await connection.execute(kept.returning(grade_kinds.c.number))).scalar_one())


async def take_numbers(connection: AsyncConnection, count: int) -> int:
    """Takes so many numbers for bidder ids of our own, for good; gives the first."""
    taken = await connection.execute(
        update(registry_state)
        .values(next_assigned=registry_state.c.next_assigned + count)
        .returning(registry_state.c.next_assigned)
    )
    return int(taken.scalar_one()) - count


async def add_import(connection: AsyncConnection, values: Mapping[str, Any]) -> int:
    """Keeps a preview; gives its number."""
    return int(
        (
            await connection.execute(insert(roster_imports).values(values).returning(roster_imports.c.number))
        ).scalar_one()
    )


async def set_import(connection: AsyncConnection, number: int, values: Mapping[str, Any]) -> None:
    """Changes what is kept of a preview."""
    await connection.execute(update(roster_imports).where(roster_imports.c.number == number).values(values))


async def add_file(connection: AsyncConnection, number: int, content: bytes) -> None:
    """Keeps a file byte for byte."""
    driver = await raw(connection)
    columns = sql.SQL("COPY roster_file_pieces (import_number, position, content) FROM STDIN (FORMAT BINARY)")
    async with driver.cursor() as cursor, cursor.copy(columns) as copy:
        copy.set_types(["int4", "int4", "bytea"])
        view = memoryview(content)
        for position, start in enumerate(range(0, len(content), _PIECE_BYTES)):
            await copy.write_row((number, position, view[start : start + _PIECE_BYTES]))


async def add_undecided(connection: AsyncConnection, number: int, suggestions: Sequence[Suggestion]) -> None:
    """Keeps the lines that wait for an officer's word."""
    rows = [
        {
            "import_number": number,
            "row": suggestion.undecided.row,
            "suggested_bidder_id": suggestion.bidder_id,
            "line": suggestion.undecided.line,
        }
        for suggestion in suggestions
    ]
    if rows:
        await connection.execute(insert(undecided_lines), rows)


async def clear_previews(connection: AsyncConnection, *, older_than: datetime) -> int:
    """Deletes the previews that nobody committed, with all that came with them; says how many there were."""
    expired = await connection.execute(
        select(roster_imports.c.number)
        .where(roster_imports.c.committed_at.is_(None), roster_imports.c.previewed_at < older_than)
        .with_for_update(skip_locked=True)
    )
    numbers = list(expired.scalars())
    for column in (
        roster_lines.c.import_number,
        undecided_lines.c.import_number,
        roster_file_pieces.c.import_number,
        roster_imports.c.number,
    ):
        if numbers:
            await connection.execute(delete(column.table).where(column.in_(numbers)))
    return len(numbers)


async def import_by_id(connection: AsyncConnection, import_id: UUID) -> Any:
    """The row of a preview, locked for this transaction; None where there is none."""
    found = await connection.execute(
        select(roster_imports).where(roster_imports.c.import_id == import_id).with_for_update()
    )
    return found.one_or_none()
