"""What a preview reads and stores besides lines: the import, its file, its undecided lines (QUA-12)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from psycopg import sql
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from qualification_registry.domain.roster_comparison import KnownBidder, Suggestion
from qualification_registry.domain.roster_import import CurrentRoster, ImportCounts, PreviewRecord
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
# Bidders with an assigned id and no 法人番号, with the name and address of their newest line.
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
# A suggested bidder is not gone, unless the officer decides so.
_GONE = text(
    """
    SELECT gone.bidder_id
    FROM roster_imports import
    CROSS JOIN LATERAL unnest(import.not_named) gone (bidder_id)
    WHERE import.number = :number AND gone.bidder_id COLLATE "C" > :after
      AND NOT EXISTS (
          SELECT FROM undecided_lines undecided
          WHERE undecided.import_number = import.number AND undecided.suggested_bidder_id = gone.bidder_id
      )
    ORDER BY gone.bidder_id COLLATE "C"
    LIMIT :most
    """
)


async def find_current_roster(connection: AsyncConnection, name: str) -> CurrentRoster:
    """Returns the current version of a roster; version 0 where it was never imported."""
    result = await connection.execute(
        select(rosters.c.version, roster_imports.c.rows, roster_imports.c.file_sha256, roster_imports.c.mapping_sha256)
        .join(roster_imports, roster_imports.c.number == rosters.c.current_import)
        .where(rosters.c.name == name)
    )
    row = result.one_or_none()
    return CurrentRoster(*row) if row is not None else CurrentRoster()


async def list_bidders_without_corporate_number(connection: AsyncConnection) -> list[KnownBidder]:
    """Returns the bidders that an undecided line of any roster may name."""
    return [KnownBidder(*row) for row in await connection.execute(_WITHOUT_CORPORATE_NUMBER)]


async def list_gone(connection: AsyncConnection, number: int, *, after: str, most: int) -> list[str]:
    """Returns at most `most` bidders that a preview would take off the roster, sorted by id, with ids after `after`."""
    result = await connection.execute(_GONE, {"number": number, "after": after, "most": most})
    return list(result.scalars())


async def list_grade_kinds(connection: AsyncConnection) -> Mapping[str, Sequence[str]]:
    """Returns the kinds of grades by the number in a line."""
    rows = await connection.execute(select(grade_kinds.c.number, grade_kinds.c.kinds))
    return {f"{number}": kinds for number, kinds in rows}


async def find_existing_ids(connection: AsyncConnection, bidder_ids: Collection[str]) -> set[str]:
    """Returns those of the ids that bidders have."""
    result = await connection.execute(
        text("SELECT bidder_id FROM bidders WHERE bidder_id = ANY(:bidder_ids)"), {"bidder_ids": list(bidder_ids)}
    )
    return set(result.scalars())


async def save_grade_kinds(connection: AsyncConnection, kinds: Sequence[str]) -> int:
    """Returns the number under which these kinds of grades are stored, after storing new ones."""
    statement = pg_insert(grade_kinds).values(kinds=list(kinds))
    # An existing row is overwritten with itself, so that it is returned and locked.
    saved = statement.on_conflict_do_update(index_elements=["kinds"], set_={"kinds": statement.excluded.kinds})
    return int((await connection.execute(saved.returning(grade_kinds.c.number))).scalar_one())


async def allocate_bidder_numbers(connection: AsyncConnection, count: int) -> int:
    """Permanently allocates `count` numbers for assigned bidder ids and returns the first."""
    allocated = await connection.execute(
        update(registry_state)
        .values(next_assigned=registry_state.c.next_assigned + count)
        .returning(registry_state.c.next_assigned)
    )
    return int(allocated.scalar_one()) - count


async def add_import(connection: AsyncConnection, record: PreviewRecord, counts: ImportCounts) -> int:
    """Stores a preview; returns its number."""
    statement = insert(roster_imports).values(**asdict(record), **asdict(counts)).returning(roster_imports.c.number)
    return int((await connection.execute(statement)).scalar_one())


async def set_counts(
    connection: AsyncConnection, number: int, counts: ImportCounts, not_named: Sequence[str] | None = None
) -> None:
    """Updates the counts of an import and, unless None, the current bidders that its file does not name."""
    values = asdict(counts) | ({} if not_named is None else {"not_named": list(not_named)})
    await connection.execute(update(roster_imports).where(roster_imports.c.number == number).values(values))


async def add_file(connection: AsyncConnection, number: int, content: bytes) -> None:
    """Stores a file byte for byte."""
    driver = await raw(connection)
    columns = sql.SQL("COPY roster_file_pieces (import_number, position, content) FROM STDIN (FORMAT BINARY)")
    async with driver.cursor() as cursor, cursor.copy(columns) as copy:
        copy.set_types(["int4", "int4", "bytea"])
        view = memoryview(content)
        for position, start in enumerate(range(0, len(content), _PIECE_BYTES)):
            await copy.write_row((number, position, view[start : start + _PIECE_BYTES]))


async def add_undecided_lines(connection: AsyncConnection, number: int, suggestions: Sequence[Suggestion]) -> None:
    """Stores the lines that await an officer's decision."""
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


async def delete_previews(connection: AsyncConnection, *, older_than: datetime) -> int:
    """Deletes the uncommitted previews before an instant with their files and lines; returns how many."""
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
