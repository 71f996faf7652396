"""The versions of a roster, the lines of each as they were, and its file."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Integer, bindparam, func, select, text

from qualification_registry.domain.roster_term import Term
from qualification_registry.domain.roster_versions import RosterLine, RosterVersion
from qualification_registry.store.bidders import read_company
from qualification_registry.store.commits import IMPORT_COLUMNS, read_counts
from qualification_registry.store.tables import roster_file_pieces, roster_imports, roster_terms
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# A version's list is what the imports of its term had made so far. Each of them is read in the order of its primary key
# from the last bidder on, so that a page does not sort the whole list.
_LIST_LINES = Statement(
    text(
        """
        SELECT line.bidder_id, line.name, line.postal_code, line.address, line.representative_name,
               line.contract_party_name, line.representative_title, line.telephone, line.fax, line.department,
               line.branch, line.region, line.permit_number, line.corporate_number, line.grades, kinds.kinds,
               line.agencies, line.valid_from, line.valid_until, line.predecessor, line.predecessor_kind,
               line.review, line.row, import.made_version
        FROM roster_imports import
        CROSS JOIN LATERAL (
            SELECT * FROM roster_lines
            WHERE import_number = import.number AND bidder_id > :after
              AND (superseded_by IS NULL OR superseded_by <> ALL (:numbers))
            ORDER BY bidder_id
            LIMIT :most
        ) line
        JOIN grade_kinds kinds ON kinds.number = line.grade_kinds
        WHERE import.number = ANY (:numbers)
        ORDER BY line.bidder_id
        LIMIT :most
        """
    )
)
_SELECT_VERSIONS = (
    select(
        *IMPORT_COLUMNS,
        roster_terms.c.holds_until,
        func.coalesce(roster_terms.c.current_import == roster_imports.c.number, False).label("is_current"),
    )
    .join(roster_terms, roster_terms.c.number == roster_imports.c.term)
    .where(roster_imports.c.roster == bindparam("roster"), roster_imports.c.made_version.is_not(None))
)
_LIST_VERSIONS = Statement(
    _SELECT_VERSIONS.where(func.coalesce(roster_imports.c.made_version < bindparam("before", type_=Integer), True))
    .order_by(roster_imports.c.made_version.desc())
    .limit(bindparam("most"))
)
_FIND_VERSION = Statement(_SELECT_VERSIONS.where(roster_imports.c.made_version == bindparam("version")))
_LIST_NUMBERS = Statement(
    select(roster_imports.c.number).where(
        roster_imports.c.term == bindparam("term"), roster_imports.c.made_version <= bindparam("version")
    )
)
_READ_FILE = Statement(
    select(roster_file_pieces.c.content)
    .where(
        roster_file_pieces.c.import_number == bindparam("number"), roster_file_pieces.c.position >= bindparam("first")
    )
    .order_by(roster_file_pieces.c.position)
    .limit(bindparam("most"))
)


async def list_versions(
    connection: Connection, roster: str, *, before: int | None, most: int
) -> Sequence[RosterVersion]:
    """Returns at most `most` versions of a roster, the newest first: all, or those before a version."""
    rows = await connection.fetch_rows(_LIST_VERSIONS, roster=roster, before=before, most=most)
    return list(map(_read_version, rows))


async def find_version(connection: Connection, roster: str, version: int) -> RosterVersion | None:
    """Returns a version of a roster; None where it has no such version."""
    row = await connection.fetch_row(_FIND_VERSION, roster=roster, version=version)
    return _read_version(row) if row is not None else None


async def list_lines(connection: Connection, version: RosterVersion, *, after: str, most: int) -> Sequence[RosterLine]:
    """Returns at most `most` lines of a version with bidder ids after `after`, sorted by bidder id."""
    numbers = await connection.fetch_values(_LIST_NUMBERS, term=version.term_number, version=version.version)
    rows = await connection.fetch_rows(_LIST_LINES, numbers=numbers, after=after, most=most)
    return [
        RosterLine(
            read_company(row),
            row.agencies.split(),
            row.valid_from,
            row.valid_until,
            row.predecessor,
            row.predecessor_kind,
            row.review is not None,
            row.made_version,
            row.row,
        )
        for row in rows
    ]


async def read_file(connection: Connection, number: int, *, first: int, most: int) -> bytes:
    """Returns at most `most` rows of an import's file from position `first` on, joined; empty after the end."""
    return b"".join(await connection.fetch_values(_READ_FILE, number=number, first=first, most=most))


def _read_version(row: Any) -> RosterVersion:
    return RosterVersion(
        version=row.made_version,
        number=row.number,
        mapping=row.mapping,
        responsible_agency=row.responsible_agency,
        file_name=row.file_name,
        file_sha256=row.file_sha256,
        counts=read_counts(row),
        term_number=row.term,
        term=Term(row.term_from, row.term_until),
        holds_until=row.holds_until,
        is_current=row.is_current,
        committed_at=row.committed_at,
        committed_by=row.committed_by,
        confirmed=row.confirmed,
    )
