"""What a preview reads and stores besides lines: the import, its file, its undecided lines (QUA-12)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from psycopg import sql
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from qualification_registry.domain.roster_content import PIECE_BYTES, RosterContent
from qualification_registry.domain.roster_identity import Suggestion
from qualification_registry.domain.roster_import import ImportCounts, PreviewRecord
from qualification_registry.domain.roster_question import FormerImport
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

# A row of this many bytes still fits into one page of 8 KiB, and a piece of a file is eight of them.
_ROW_BYTES = PIECE_BYTES // 8
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


async def find_version(connection: AsyncConnection, roster: str) -> int:
    """Returns the version of a roster; 0 where it was never imported."""
    result = await connection.execute(select(rosters.c.version).where(rosters.c.name == roster))
    return result.scalar_one_or_none() or 0


async def find_former_import(connection: AsyncConnection, roster: str, file_sha256: bytes) -> FormerImport | None:
    """Returns the newest version of a roster that was made by a file with these bytes; None where there is none."""
    result = await connection.execute(
        select(roster_imports.c.made_version, roster_imports.c.committed_at)
        .where(
            roster_imports.c.roster == roster,
            roster_imports.c.file_sha256 == file_sha256,
            roster_imports.c.made_version.is_not(None),
        )
        .order_by(roster_imports.c.made_version.desc())
        .limit(1)
    )
    row = result.one_or_none()
    return FormerImport(*row) if row is not None else None


async def has_assigned_ids(connection: AsyncConnection) -> bool:
    """Returns whether any bidder has an assigned id."""
    made = select(roster_imports.c.number).where(
        roster_imports.c.ids_are_assigned, roster_imports.c.made_version.is_not(None)
    )
    return bool((await connection.execute(select(made.exists()))).scalar_one())


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


async def set_counts(connection: AsyncConnection, number: int, counts: ImportCounts) -> None:
    """Updates the counts of an import."""
    await connection.execute(update(roster_imports).where(roster_imports.c.number == number).values(asdict(counts)))


async def set_findings(
    connection: AsyncConnection,
    number: int,
    *,
    not_named: Collection[str],
    agencies: Collection[str],
    asked: Collection[str],
) -> None:
    """Stores the current bidders that the file of an import does not name, the agencies that it names, and questions.

    `asked` are the reasons of the questions.
    """
    values = {"not_named": list(not_named), "named_agencies": sorted(agencies), "asked": list(asked)}
    await connection.execute(update(roster_imports).where(roster_imports.c.number == number).values(values))


async def add_file(connection: AsyncConnection, number: int, content: RosterContent) -> None:
    """Stores a file byte for byte; it is complete."""
    driver = await raw(connection)
    columns = sql.SQL("COPY roster_file_pieces (import_number, position, content) FROM STDIN (FORMAT BINARY)")
    async with driver.cursor() as cursor, cursor.copy(columns) as copy:
        copy.set_types(["int4", "int4", "bytea"])
        rows = (
            memoryview(piece)[start : start + _ROW_BYTES]
            for piece in content.read_pieces()
            for start in range(0, len(piece), _ROW_BYTES)
        )
        for position, row in enumerate(rows):
            await copy.write_row((number, position, row))


async def add_undecided_lines(connection: AsyncConnection, number: int, suggestions: Sequence[Suggestion]) -> None:
    """Stores the lines that await an officer's decision."""
    rows = [
        {
            "import_number": number,
            "row": suggestion.undecided.row,
            "reason": suggestion.reason,
            "suggested_bidder_id": suggestion.bidder_id,
            "alike": list(map(asdict, suggestion.alike)),
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
    await delete_imports(connection, numbers)
    return len(numbers)


async def delete_imports(connection: AsyncConnection, numbers: Sequence[int]) -> None:
    """Deletes uncommitted previews, which the transaction has locked, with their files and lines."""
    for column in (
        roster_lines.c.import_number,
        undecided_lines.c.import_number,
        roster_file_pieces.c.import_number,
        roster_imports.c.number,
    ):
        if numbers:
            await connection.execute(delete(column.table).where(column.in_(numbers)))
