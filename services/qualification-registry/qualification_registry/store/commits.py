"""What a commit changes: a roster's current lines, its version, and the bidders that it names first (QUA-12)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from qualification_registry.domain.roster_identity import KnownBidder
from qualification_registry.domain.roster_import import ImportCounts, RosterImport, UndecidedRow
from qualification_registry.domain.roster_term import Term
from qualification_registry.store.tables import registry_state, roster_imports, rosters, undecided_lines
from servicekit.database_connection import Connection
from servicekit.statements import Statement, bind_columns

# The bidders that a file does not name may be hundreds of thousands, and nobody reads them with the import.
IMPORT_COLUMNS = tuple(column for column in roster_imports.c if column is not roster_imports.c.not_named)

# A preview's ids for new 法人番号 are valid unless another import assigned another id to one of them meanwhile.
_HAS_CONFLICTING_IDS = Statement(
    text(
        """
        SELECT EXISTS (
            SELECT FROM roster_lines line
            JOIN assigned_numbers assigned
              ON assigned.corporate_number = line.corporate_number AND assigned.bidder_id <> line.bidder_id
            WHERE line.import_number = :number
        ) AS has_conflicting_ids
        """
    )
)
_ADD_BIDDERS = Statement(
    text(
        """
        INSERT INTO bidders (bidder_id)
        SELECT line.bidder_id
        FROM roster_lines line
        WHERE line.import_number = :number
          AND NOT EXISTS (SELECT FROM bidders bidder WHERE bidder.bidder_id = line.bidder_id)
        """
    )
)
_ADD_NUMBERS = Statement(
    text(
        """
        INSERT INTO assigned_numbers (corporate_number, bidder_id)
        SELECT line.corporate_number, line.bidder_id
        FROM roster_lines line
        WHERE line.import_number = :number AND line.corporate_number IS NOT NULL
          AND NOT EXISTS (
              SELECT FROM assigned_numbers assigned WHERE assigned.corporate_number = line.corporate_number
          )
        """
    )
)
# `:number` has made no version yet, so its own lines are not among these. The bidders are one set, so that their lines
# are looked up by the key; with an OR, all lines of all versions were read for a list in which little changes.
_SUPERSEDE = Statement(
    text(
        """
        WITH before AS (
            UPDATE roster_lines line SET superseded_by = :number
            FROM roster_imports import
            WHERE import.number = line.import_number AND import.term = :term AND import.made_version IS NOT NULL
              AND line.superseded_by IS NULL
              AND line.bidder_id IN (
                  SELECT unnest(CAST(:gone AS text[])) COLLATE "C"
                  UNION ALL SELECT new.bidder_id FROM roster_lines new WHERE new.import_number = :number
              )
            RETURNING line.bidder_id, line.agencies, line.valid_from, line.valid_until, line.review
        )
        SELECT coalesce(after.bidder_id, before.bidder_id)
        FROM before
        FULL JOIN (
            SELECT bidder_id, agencies, valid_from, valid_until, review FROM roster_lines WHERE import_number = :number
        ) after ON after.bidder_id = before.bidder_id
        WHERE (after.agencies, after.valid_from, after.valid_until, after.review)
            IS DISTINCT FROM (before.agencies, before.valid_from, before.valid_until, before.review)
        """
    )
)
# Of the terms whose last day became another one.
_LIST_MOVED = Statement(
    text(
        """
        SELECT line.bidder_id
        FROM unnest(CAST(:terms AS int[]), CAST(:held_until AS date[])) AS before (term, held_until)
        JOIN roster_terms term ON term.number = before.term AND term.holds_until IS DISTINCT FROM before.held_until
        JOIN roster_imports import ON import.term = term.number AND import.made_version IS NOT NULL
        JOIN roster_lines line ON line.import_number = import.number AND line.superseded_by IS NULL
        WHERE least(line.valid_until, term.holds_until) IS DISTINCT FROM least(line.valid_until, before.held_until)
        """
    )
)
_LIST_ALL_OF_ROSTER = Statement(
    text(
        """
        SELECT DISTINCT line.bidder_id
        FROM roster_imports import
        JOIN roster_lines line ON line.import_number = import.number
        WHERE import.roster = :roster AND import.made_version IS NOT NULL
            AND (line.superseded_by IS NULL OR line.superseded_by = :number)
        """
    )
)
_NAMED_BY_IMPORT = Statement(
    text("SELECT bidder_id FROM roster_lines WHERE import_number = :number AND bidder_id = ANY(:bidder_ids)")
)
# Lines that were just copied have no statistics yet, and the planner would look up each line separately.
_AVOID_NESTED_LOOPS = Statement(text("SET LOCAL enable_nestloop = off"))
_ALLOW_NESTED_LOOPS = Statement(text("SET LOCAL enable_nestloop = on"))

_SELECT_IMPORT = select(*IMPORT_COLUMNS).where(roster_imports.c.import_id == bindparam("import_id"))
_FIND_IMPORT = Statement(_SELECT_IMPORT)
_LOCK_IMPORT = Statement(_SELECT_IMPORT.with_for_update())
_LIST_NOT_NAMED = Statement(select(roster_imports.c.not_named).where(roster_imports.c.number == bindparam("number")))
_ADD_ROSTER = Statement(insert(rosters).values(bind_columns("name", "category")).on_conflict_do_nothing())
_LOCK_ROSTER = Statement(
    select(rosters.c.version, rosters.c.category).where(rosters.c.name == bindparam("name")).with_for_update()
)
_LOCK_ALL_IMPORTS = Statement(select(registry_state.c.epoch).with_for_update())
_LIST_UNDECIDED_ROWS = Statement(
    select(
        undecided_lines.c.row,
        undecided_lines.c.reason,
        undecided_lines.c.suggested_bidder_id,
        undecided_lines.c.alike,
        undecided_lines.c.line,
    )
    .where(undecided_lines.c.import_number == bindparam("number"), undecided_lines.c.row > bindparam("after"))
    .order_by(undecided_lines.c.row)
    .limit(bindparam("most"))
)
_SET_VERSION = Statement(
    update(rosters).where(rosters.c.name == bindparam("roster")).values(bind_columns("version", "category"))
)
_SET_COMMITTED = Statement(
    update(roster_imports)
    .where(roster_imports.c.number == bindparam("number"))
    .values(bind_columns("committed_by", "committed_at", "result_version"))
)
_SET_MADE = Statement(
    update(roster_imports)
    .where(roster_imports.c.number == bindparam("number"))
    .values(bind_columns("made_version", "term", "confirmed"))
)
_LIST_LAST_COMMITS = Statement(
    select(rosters.c.name, rosters.c.category, func.max(roster_imports.c.committed_at).label("last_commit"))
    .join(roster_imports, roster_imports.c.roster == rosters.c.name)
    .where(roster_imports.c.committed_at.is_not(None))
    .group_by(rosters.c.name, rosters.c.category)
)


async def lock_import(connection: Connection, import_id: UUID) -> RosterImport | None:
    """Returns an import, locked for this transaction; None where none has this id."""
    return _read_import(await connection.fetch_row(_LOCK_IMPORT, import_id=import_id))


async def find_import(connection: Connection, import_id: UUID) -> RosterImport | None:
    """Returns an import; None where none has this id."""
    return _read_import(await connection.fetch_row(_FIND_IMPORT, import_id=import_id))


async def list_not_named(connection: Connection, number: int) -> list[str]:
    """Returns the current bidders that the file of an import does not name; some of them may be undecided lines."""
    not_named: list[str] = await connection.fetch_value(_LIST_NOT_NAMED, number=number)
    return not_named


async def lock_roster(connection: Connection, name: str, category: str) -> tuple[int, str]:
    """Locks a roster for this transaction, created where it was never imported; returns its version and category."""
    await connection.change(_ADD_ROSTER, name=name, category=category)
    row = await connection.fetch_row(_LOCK_ROSTER, name=name)
    return row.version, row.category


async def lock_all_imports(connection: Connection) -> None:
    """Serializes the commits of all rosters, and all links of bidders, until this transaction ends.

    So that two of them never add the same new bidder, assign it two ids, or link bidders in a circle.
    """
    await connection.fetch_value(_LOCK_ALL_IMPORTS)


async def has_conflicting_ids(connection: Connection, number: int) -> bool:
    """Returns whether another import assigned another bidder id to a 法人番号 of this import since the preview."""
    return bool(await connection.fetch_value(_HAS_CONFLICTING_IDS, number=number))


async def list_undecided_rows(
    connection: Connection, number: int, *, after: int = 0, most: int | None = None
) -> list[UndecidedRow]:
    """Returns the lines of a preview that await an officer's decision, in the order of the file: at most `most`.

    `after` is the row after which they begin.
    """
    rows = await connection.fetch_rows(_LIST_UNDECIDED_ROWS, number=number, after=after, most=most)
    return [
        UndecidedRow(row, reason, suggested, [KnownBidder(**bidder) for bidder in alike], line)
        for row, reason, suggested, alike, line in rows
    ]


async def list_named_bidders(connection: Connection, number: int, bidder_ids: Collection[str]) -> set[str]:
    """Returns those of the bidders that stored lines of the import name."""
    return set(await connection.fetch_values(_NAMED_BY_IMPORT, number=number, bidder_ids=list(bidder_ids)))


async def add_bidders(connection: Connection, number: int, *, ids_are_assigned: bool) -> None:
    """Adds a bidder for each new id in the import's lines. Requires `lock_all_imports`.

    Where ids are assigned, those of the lines belong to their 法人番号 from now on.
    """
    await connection.change(_AVOID_NESTED_LOOPS)
    await connection.change(_ADD_BIDDERS, number=number)
    if ids_are_assigned:
        await connection.change(_ADD_NUMBERS, number=number)
    await connection.change(_ALLOW_NESTED_LOOPS)


async def supersede_lines(connection: Connection, term: int | None, number: int, *, gone: Sequence[str]) -> list[str]:
    """Ends the current lines of the term that the import replaces, and those of bidders that are gone.

    Returns the bidders whose qualification or review differs by it: not those with another name alone. `term` is None
    for the first list of a term.
    """
    return await connection.fetch_values(_SUPERSEDE, term=term, number=number, gone=list(gone))


async def list_moved_bidders(connection: Connection, held_until: Mapping[int, date | None]) -> list[str]:
    """Returns the bidders that are qualified until another day, because a term is.

    `held_until` are the last days of the roster's terms before.
    """
    return await connection.fetch_values(_LIST_MOVED, terms=list(held_until), held_until=list(held_until.values()))


async def list_bidders_of_roster(connection: Connection, roster: str, number: int) -> list[str]:
    """Returns all bidders of the roster's current lists, and those that an import took from them."""
    return await connection.fetch_values(_LIST_ALL_OF_ROSTER, roster=roster, number=number)


async def set_version(connection: Connection, roster: str, version: int, *, category: str) -> None:
    """Sets the version of a roster; a roster has the category of its last import."""
    await connection.change(_SET_VERSION, roster=roster, version=version, category=category)


async def set_committed(
    connection: Connection, number: int, *, officer: str, now: datetime, result_version: int
) -> None:
    """Records who committed an import and when."""
    await connection.change(
        _SET_COMMITTED, number=number, committed_by=officer, committed_at=now, result_version=result_version
    )


async def set_made(connection: Connection, number: int, *, version: int, term: int, confirmed: Sequence[str]) -> None:
    """Makes the lines of an import count: records the version that it made, its term, and what was confirmed."""
    await connection.change(_SET_MADE, number=number, made_version=version, term=term, confirmed=list(confirmed))


async def list_last_commits(connection: Connection) -> Mapping[tuple[str, str], datetime]:
    """Returns when each roster was last committed, even with nothing new: (name, category) → instant."""
    rows = await connection.fetch_rows(_LIST_LAST_COMMITS)
    return {(row.name, row.category): row.last_commit for row in rows}


def read_counts(row: Any) -> ImportCounts:
    """Returns the counts of an import's row."""
    return ImportCounts(**{count.name: getattr(row, count.name) for count in fields(ImportCounts)})


def _read_import(row: Any) -> RosterImport | None:
    if row is None:
        return None
    return RosterImport(
        number=row.number,
        import_id=row.import_id,
        mapping=row.mapping,
        roster=row.roster,
        category=row.category,
        responsible_agency=row.responsible_agency,
        term_number=row.term,
        term=Term(row.term_from, row.term_until),
        base_version=row.base_version,
        mapping_sha256=row.mapping_sha256,
        file_name=row.file_name,
        file_sha256=row.file_sha256,
        same_as_current=row.same_as_current,
        ids_are_assigned=row.ids_are_assigned,
        counts=read_counts(row),
        asked=row.asked,
        previewed_at=row.previewed_at,
        committed_at=row.committed_at,
        result_version=row.result_version,
    )
