"""The links between bidders and their predecessors. Who adds one holds `commits.lock_all_imports`."""

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import insert

from instance_profile.roster_mapping import SuccessionKind
from qualification_registry.domain.predecessor import Link
from qualification_registry.domain.roster_predecessors import Succession
from qualification_registry.store.tables import predecessors, roster_lines
from servicekit.database_connection import Connection
from servicekit.statements import Statement, bind_columns

_LIST_SUCCESSORS = Statement(
    select(predecessors.c.predecessor, predecessors.c.bidder_id).where(predecessors.c.category == bindparam("category"))
)
_ADD = Statement(insert(predecessors).values(bind_columns("category", "predecessor", "bidder_id", "kind", "since")))
_LIST_OF_IMPORT = Statement(
    select(roster_lines.c.row, roster_lines.c.bidder_id, roster_lines.c.predecessor)
    .where(roster_lines.c.import_number == bindparam("number"), roster_lines.c.predecessor.is_not(None))
    .order_by(roster_lines.c.row)
)
# A list whose term begins later says what is so from then on; another one may say that it is so before.
_ADD_OF_IMPORT = Statement(
    text(
        """
        INSERT INTO predecessors (category, predecessor, bidder_id, kind, since, import_number)
        SELECT :category, line.predecessor, line.bidder_id, line.predecessor_kind,
               greatest(
                   CAST(:now AS timestamptz),
                   CAST(greatest(line.valid_from, CAST(:term_from AS date)) AS timestamp) AT TIME ZONE 'Asia/Tokyo'
               ),
               :number
        FROM roster_lines line
        WHERE line.import_number = :number AND line.predecessor IS NOT NULL
        ON CONFLICT (category, predecessor) DO UPDATE
        SET since = excluded.since, import_number = excluded.import_number
        WHERE excluded.since < predecessors.since
        RETURNING bidder_id, predecessor, kind, since
        """
    )
)


async def list_successors(connection: Connection, category: str) -> Mapping[str, str]:
    """Returns the successor of each bidder that has one in a category, or will have one."""
    rows = await connection.fetch_rows(_LIST_SUCCESSORS, category=category)
    return {row.predecessor: row.bidder_id for row in rows}


async def add_link(connection: Connection, link: Link, *, since: datetime) -> None:
    """Adds a link that officers decided."""
    await connection.change(
        _ADD,
        category=link.category,
        predecessor=link.predecessor,
        bidder_id=link.bidder_id,
        kind=link.kind.value,
        since=since,
    )


async def list_of_import(connection: Connection, number: int) -> list[Succession]:
    """Returns the new and changed lines of an import whose bidder took another one's place, in the file's order."""
    rows = await connection.fetch_rows(_LIST_OF_IMPORT, number=number)
    return [Succession(row.row, row.bidder_id, row.predecessor) for row in rows]


async def add_of_import(
    connection: Connection, number: int, *, category: str, term_from: date | None, now: datetime
) -> list[tuple[Link, datetime]]:
    """Adds the links of an import's lines, which count from the first day of each; returns the new ones, each with it.

    One that stands already stays as it is, or begins earlier.
    """
    rows = await connection.fetch_rows(_ADD_OF_IMPORT, number=number, category=category, term_from=term_from, now=now)
    return [
        (
            Link(
                category=category,
                bidder_id=row.bidder_id,
                predecessor=row.predecessor,
                kind=SuccessionKind(row.kind),
            ),
            row.since,
        )
        for row in rows
    ]
