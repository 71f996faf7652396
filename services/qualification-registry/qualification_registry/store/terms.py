"""The terms of a roster, and the list that counts in each of them."""

from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import bindparam, insert, select, text, update

from qualification_registry.domain.roster_import import CurrentList
from qualification_registry.domain.roster_term import RosterTerm, Term
from qualification_registry.store.tables import roster_imports, roster_terms
from servicekit.database_connection import Connection
from servicekit.statements import Statement, bind_columns

# A list holds until its term ends, or the next one begins.
_SET_LAST_DAYS = Statement(
    text(
        """
        UPDATE roster_terms term SET holds_until = least(term.term_until, following.term_from - 1)
        FROM (
            SELECT number, lead(term_from) OVER (ORDER BY term_from NULLS FIRST) AS term_from
            FROM roster_terms WHERE roster = :roster
        ) following
        WHERE following.number = term.number
        """
    )
)
_LIST_TERMS = Statement(
    select(roster_terms.c.number, roster_terms.c.term_from, roster_terms.c.term_until).where(
        roster_terms.c.roster == bindparam("roster")
    )
)
_LIST_LAST_DAYS = Statement(
    select(roster_terms.c.number, roster_terms.c.holds_until).where(roster_terms.c.roster == bindparam("roster"))
)
_FIND_CURRENT_LIST = Statement(
    select(
        roster_imports.c.rows,
        roster_imports.c.file_sha256,
        roster_imports.c.mapping_sha256,
        roster_imports.c.named_agencies,
    )
    .join(roster_terms, roster_terms.c.current_import == roster_imports.c.number)
    .where(roster_terms.c.number == bindparam("number"))
)
_ADD_TERM = Statement(
    insert(roster_terms)
    .values(bind_columns("roster", "term_from", "term_until", "current_import"))
    .returning(roster_terms.c.number)
)
_CHANGE_TERM = Statement(
    update(roster_terms)
    .where(roster_terms.c.number == bindparam("number"))
    .values(bind_columns("term_until", "current_import"))
)


async def list_terms(connection: Connection, roster: str) -> Sequence[RosterTerm]:
    """Returns the terms of a roster that have a list."""
    rows = await connection.fetch_rows(_LIST_TERMS, roster=roster)
    return [RosterTerm(row.number, Term(row.term_from, row.term_until)) for row in rows]


async def list_last_days(connection: Connection, roster: str) -> Mapping[int, date | None]:
    """Returns until when the list of each term of a roster holds, by the term's number."""
    return {row.number: row.holds_until for row in await connection.fetch_rows(_LIST_LAST_DAYS, roster=roster)}


async def find_current_list(connection: Connection, number: int) -> CurrentList:
    """Returns the list that counts in a term, by the term's number."""
    return CurrentList(*await connection.fetch_row(_FIND_CURRENT_LIST, number=number))


async def save_list(connection: Connection, roster: str, term: Term, import_number: int, *, number: int | None) -> int:
    """Makes an import the list that counts in a term; returns the term's number.

    `number` is the term's, None where this is its first list. The roster has to be locked.
    """
    values = {"term_until": term.last_day, "current_import": import_number}
    if number is None:
        number = int(await connection.fetch_value(_ADD_TERM, roster=roster, term_from=term.first_day, **values))
    else:
        await connection.change(_CHANGE_TERM, number=number, **values)
    await connection.change(_SET_LAST_DAYS, roster=roster)
    return number
