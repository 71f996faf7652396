"""The terms of a roster, and the list that counts in each of them."""

from collections.abc import Sequence

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from qualification_registry.domain.roster_import import CurrentList
from qualification_registry.domain.roster_term import RosterTerm, Term
from qualification_registry.store.tables import roster_imports, roster_terms

# A list holds until its term ends, or the next one begins.
_SET_LAST_DAYS = text(
    """
    UPDATE roster_terms term SET holds_until = least(term.term_until, following.term_from - 1)
    FROM (
        SELECT number, lead(term_from) OVER (ORDER BY term_from NULLS FIRST) AS term_from
        FROM roster_terms WHERE roster = :roster
    ) following
    WHERE following.number = term.number
    """
)


async def list_terms(connection: AsyncConnection, roster: str) -> Sequence[RosterTerm]:
    """Returns the terms of a roster that have a list."""
    rows = await connection.execute(
        select(roster_terms.c.number, roster_terms.c.term_from, roster_terms.c.term_until).where(
            roster_terms.c.roster == roster
        )
    )
    return [RosterTerm(number, Term(first, last)) for number, first, last in rows]


async def find_current_list(connection: AsyncConnection, number: int) -> CurrentList:
    """Returns the list that counts in a term, by the term's number."""
    columns = (
        roster_imports.c.rows,
        roster_imports.c.file_sha256,
        roster_imports.c.mapping_sha256,
        roster_imports.c.named_agencies,
    )
    result = await connection.execute(
        select(*columns)
        .join(roster_terms, roster_terms.c.current_import == roster_imports.c.number)
        .where(roster_terms.c.number == number)
    )
    return CurrentList(*result.one())


async def save_list(
    connection: AsyncConnection, roster: str, term: Term, import_number: int, *, number: int | None
) -> int:
    """Makes an import the list that counts in a term; returns the term's number.

    `number` is the term's, None where this is its first list. The roster has to be locked.
    """
    values = {"term_until": term.last_day, "current_import": import_number}
    if number is None:
        added = insert(roster_terms).values(roster=roster, term_from=term.first_day, **values)
        number = int((await connection.execute(added.returning(roster_terms.c.number))).scalar_one())
    else:
        await connection.execute(update(roster_terms).where(roster_terms.c.number == number).values(**values))
    await connection.execute(_SET_LAST_DAYS, {"roster": roster})
    return number
