"""What a preview reads and stores besides lines: the import, its file, its undecided lines (QUA-12)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime

from psycopg import sql
from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.dialects.postgresql import JSONB

from qualification_registry.domain.roster_identity import Suggestion
from qualification_registry.domain.roster_import import ImportCounts, PreviewRecord
from qualification_registry.domain.roster_question import FormerImport
from qualification_registry.store.tables import grade_kinds, roster_imports, rosters
from servicekit.database_connection import Connection
from servicekit.statements import Statement, bind_columns

# A suggested bidder is not gone, unless the officer decides so.
_LIST_GONE = Statement(
    text(
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
)
_COUNTS = tuple(count.name for count in fields(ImportCounts))
_FIND_VERSION = Statement(select(rosters.c.version).where(rosters.c.name == bindparam("roster")))
_FIND_FORMER_IMPORT = Statement(
    select(roster_imports.c.made_version, roster_imports.c.committed_at)
    .where(
        roster_imports.c.roster == bindparam("roster"),
        roster_imports.c.file_sha256 == bindparam("file_sha256"),
        roster_imports.c.made_version.is_not(None),
    )
    .order_by(roster_imports.c.made_version.desc())
    .limit(1)
)
_HAS_ASSIGNED_IDS = Statement(
    select(
        select(roster_imports.c.number)
        .where(roster_imports.c.ids_are_assigned, roster_imports.c.made_version.is_not(None))
        .exists()
        .label("has_assigned_ids")
    )
)
_LIST_GRADE_KINDS = Statement(select(grade_kinds.c.number, grade_kinds.c.kinds))
_FIND_EXISTING_IDS = Statement(text("SELECT bidder_id FROM bidders WHERE bidder_id = ANY(:bidder_ids)"))
# An existing row is overwritten with itself, so that it is returned and locked.
_SAVE_GRADE_KINDS = Statement(
    text(
        """
        INSERT INTO grade_kinds (kinds) VALUES (:kinds)
        ON CONFLICT (kinds) DO UPDATE SET kinds = excluded.kinds
        RETURNING number
        """
    )
)
_ALLOCATE_BIDDER_NUMBERS = Statement(
    text("UPDATE registry_state SET next_assigned = next_assigned + :count RETURNING next_assigned - :count AS first")
)
_ADD_IMPORT = Statement(
    insert(roster_imports)
    .values(bind_columns(*(column.name for column in fields(PreviewRecord)), *_COUNTS))
    .returning(roster_imports.c.number)
)
_SET_COUNTS = Statement(
    update(roster_imports).where(roster_imports.c.number == bindparam("number")).values(bind_columns(*_COUNTS))
)
_SET_FINDINGS = Statement(
    update(roster_imports)
    .where(roster_imports.c.number == bindparam("number"))
    .values(bind_columns("not_named", "named_agencies", "asked"))
)
_ADD_UNDECIDED_LINES = Statement(
    text(
        """
        INSERT INTO undecided_lines (import_number, row, reason, suggested_bidder_id, alike, line)
        SELECT :number, row, reason, suggested_bidder_id, alike, line
        FROM jsonb_populate_recordset(CAST(NULL AS undecided_lines), :rows)
        """
    ).bindparams(bindparam("rows", type_=JSONB))
)
_LOCK_EXPIRED = Statement(
    select(roster_imports.c.number)
    .where(roster_imports.c.committed_at.is_(None), roster_imports.c.previewed_at < bindparam("older_than"))
    .order_by(roster_imports.c.previewed_at)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_DELETE_IMPORTS = Statement(
    text(
        """
        WITH lines AS (DELETE FROM roster_lines WHERE import_number = ANY(:numbers)),
             undecided AS (DELETE FROM undecided_lines WHERE import_number = ANY(:numbers)),
             pieces AS (DELETE FROM roster_file_pieces WHERE import_number = ANY(:numbers))
        DELETE FROM roster_imports WHERE number = ANY(:numbers)
        """
    )
)


async def find_version(connection: Connection, roster: str) -> int:
    """Returns the version of a roster; 0 where it was never imported."""
    return await connection.fetch_value(_FIND_VERSION, roster=roster) or 0


async def find_former_import(connection: Connection, roster: str, file_sha256: bytes) -> FormerImport | None:
    """Returns the newest version of a roster that was made by a file with these bytes; None where there is none."""
    row = await connection.fetch_row(_FIND_FORMER_IMPORT, roster=roster, file_sha256=file_sha256)
    return FormerImport(*row) if row is not None else None


async def has_assigned_ids(connection: Connection) -> bool:
    """Returns whether any bidder has an assigned id."""
    return bool(await connection.fetch_value(_HAS_ASSIGNED_IDS))


async def list_gone(connection: Connection, number: int, *, after: str, most: int) -> list[str]:
    """Returns at most `most` bidders that a preview would take off the roster, sorted by id, with ids after `after`."""
    return await connection.fetch_values(_LIST_GONE, number=number, after=after, most=most)


async def list_grade_kinds(connection: Connection) -> Mapping[str, Sequence[str]]:
    """Returns the kinds of grades by the number in a line."""
    return {f"{row.number}": row.kinds for row in await connection.fetch_rows(_LIST_GRADE_KINDS)}


async def find_existing_ids(connection: Connection, bidder_ids: Collection[str]) -> set[str]:
    """Returns those of the ids that bidders have."""
    return set(await connection.fetch_values(_FIND_EXISTING_IDS, bidder_ids=list(bidder_ids)))


async def save_grade_kinds(connection: Connection, kinds: Sequence[str]) -> int:
    """Returns the number under which these kinds of grades are stored, after storing new ones."""
    return int(await connection.fetch_value(_SAVE_GRADE_KINDS, kinds=list(kinds)))


async def allocate_bidder_numbers(connection: Connection, count: int) -> int:
    """Permanently allocates `count` numbers for assigned bidder ids and returns the first."""
    return int(await connection.fetch_value(_ALLOCATE_BIDDER_NUMBERS, count=count))


async def add_import(connection: Connection, record: PreviewRecord, counts: ImportCounts) -> int:
    """Stores a preview; returns its number."""
    return int(await connection.fetch_value(_ADD_IMPORT, **asdict(record), **asdict(counts)))


async def set_counts(connection: Connection, number: int, counts: ImportCounts) -> None:
    """Updates the counts of an import."""
    await connection.change(_SET_COUNTS, number=number, **asdict(counts))


async def set_findings(
    connection: Connection,
    number: int,
    *,
    not_named: Collection[str],
    agencies: Collection[str],
    asked: Collection[str],
) -> None:
    """Stores the current bidders that the file of an import does not name, the agencies that it names, and questions.

    `asked` are the reasons of the questions.
    """
    await connection.change(
        _SET_FINDINGS,
        number=number,
        not_named=list(not_named),
        named_agencies=sorted(agencies),
        asked=list(asked),
    )


async def add_file(connection: Connection, number: int, rows: Sequence[bytes]) -> None:
    """Stores a file, as `domain.stored_file` turns it into rows."""
    columns = sql.SQL("COPY roster_file_pieces (import_number, position, content) FROM STDIN (FORMAT BINARY)")
    async with connection.cursor() as cursor, cursor.copy(columns) as copy:
        copy.set_types(["int4", "int4", "bytea"])
        for position, row in enumerate(rows):
            await copy.write_row((number, position, row))


async def add_undecided_lines(connection: Connection, number: int, suggestions: Sequence[Suggestion]) -> None:
    """Stores the lines that await an officer's decision."""
    rows = [
        {
            "row": suggestion.undecided.row,
            "reason": suggestion.reason,
            "suggested_bidder_id": suggestion.bidder_id,
            "alike": list(map(asdict, suggestion.alike)),
            "line": suggestion.undecided.line,
        }
        for suggestion in suggestions
    ]
    if rows:
        await connection.change(_ADD_UNDECIDED_LINES, number=number, rows=rows)


async def delete_oldest_preview(connection: Connection, *, older_than: datetime) -> bool:
    """Deletes the oldest uncommitted preview before an instant with its file and lines; returns whether there is one.

    One, since it may have a hundred thousand lines.
    """
    numbers = await connection.fetch_values(_LOCK_EXPIRED, older_than=older_than)
    await delete_imports(connection, numbers)
    return bool(numbers)


async def delete_imports(connection: Connection, numbers: Sequence[int]) -> None:
    """Deletes uncommitted previews, which the transaction has locked, with their files and lines."""
    if numbers:
        await connection.change(_DELETE_IMPORTS, numbers=list(numbers))
