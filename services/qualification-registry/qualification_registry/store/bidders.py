"""Bidders, their status, and what current rosters contain about them."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ARRAY, Boolean, Text, any_, bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from qualification_registry.domain.bidders import (
    Bidder,
    BidderStatus,
    Company,
    Grade,
    ListedBidder,
    Qualification,
)
from qualification_registry.store.tables import (
    bidders,
    grade_kinds,
    registry_state,
    roster_imports,
    roster_lines,
    roster_terms,
    rosters,
)
from servicekit.versions import Version

_IS_CURRENT = (roster_imports.c.made_version.is_not(None), roster_lines.c.superseded_by.is_(None))
# A line counts neither before its term begins nor after another one has begun, whatever its own days are.
_VALID_FROM = func.greatest(roster_lines.c.valid_from, roster_terms.c.term_from)
_VALID_UNTIL = func.least(roster_lines.c.valid_until, roster_terms.c.holds_until)
_QUALIFIED_AGENCIES = text(
    """
    SELECT line.bidder_id, array_agg(DISTINCT agency)
    FROM roster_lines line
    JOIN roster_imports import ON import.number = line.import_number AND import.made_version IS NOT NULL
    JOIN roster_terms term ON term.number = import.term
    JOIN rosters roster ON roster.name = import.roster
    JOIN bidders bidder ON bidder.bidder_id = line.bidder_id AND bidder.status <> :ended
    CROSS JOIN LATERAL unnest(line.agencies) agency
    WHERE line.bidder_id = ANY(:bidder_ids) AND line.superseded_by IS NULL AND roster.category = :category
      AND coalesce(greatest(line.valid_from, term.term_from) <= :today, true)
      AND coalesce(least(line.valid_until, term.holds_until) >= :today, true)
      AND agency = ANY(:agencies)
    GROUP BY line.bidder_id
    """
)

_LISTED = text(
    """
    SELECT line.bidder_id,
           (array_agg(
               line.name
               ORDER BY :agency = ANY(line.agencies) DESC, coalesce(term.term_from <= :today, true) DESC,
                   line.import_number DESC
           ))[1],
           array_agg(DISTINCT agency), bool_or(password.bidder_id IS NOT NULL)
    FROM roster_lines line
    JOIN roster_imports import ON import.number = line.import_number AND import.made_version IS NOT NULL
    JOIN roster_terms term ON term.number = import.term
    JOIN rosters roster ON roster.name = import.roster
    JOIN bidders bidder ON bidder.bidder_id = line.bidder_id AND bidder.status <> :ended
    LEFT JOIN passwords password ON password.category = roster.category AND password.bidder_id = line.bidder_id
    CROSS JOIN LATERAL unnest(line.agencies) agency
    WHERE line.bidder_id > :after AND line.superseded_by IS NULL AND roster.category = :category
      AND coalesce(least(line.valid_until, term.holds_until) >= :today, true)
    GROUP BY line.bidder_id
    HAVING bool_or(:agency = ANY(line.agencies))
    ORDER BY line.bidder_id
    LIMIT :most
    """
)


async def find_status(connection: AsyncConnection, bidder_id: str) -> BidderStatus | None:
    """Returns the status of a bidder; None where no bidder has this id."""
    result = await connection.execute(select(bidders.c.status).where(bidders.c.bidder_id == bidder_id))
    status = result.scalar_one_or_none()
    return BidderStatus(status) if status is not None else None


async def list_qualifications(connection: AsyncConnection, bidder_id: str, category: str) -> list[Qualification]:
    """Returns a bidder's qualifications in the current rosters of a category, newest first.

    They are valid within the term of their list only.
    """
    qualifications = await _list_qualifications(connection, [bidder_id], category)
    return list(qualifications.get(bidder_id, ()))


async def list_companies(
    connection: AsyncConnection, bidder_ids: Sequence[str], category: str, *, agency: str, today: date
) -> Mapping[str, Company]:
    """Returns the companies of bidders in the newest roster where they are qualified at the agency, or else will be.

    Other bidders are left out.
    """
    companies: dict[str, Company] = {}
    for bidder_id, qualifications in (await _list_qualifications(connection, bidder_ids, category)).items():
        valid = [qualification for qualification in qualifications if qualification.is_or_will_be_valid(agency, today)]
        # The newest may be of a term that has not begun.
        valid.sort(key=lambda qualification: not qualification.is_valid(agency, today))
        if valid:
            companies[bidder_id] = valid[0].company
    return companies


async def list_names_of_others(
    connection: AsyncConnection, bidder_id: str, category: str, *, agency: str, patterns: Sequence[str], today: date
) -> list[str]:
    """Returns the names of other bidders that are or will be qualified at an agency, and match one of the patterns.

    Patterns are regular expressions. The rows are read only where there is a pattern, since no index helps.
    """
    rows = await connection.execute(
        select(roster_lines.c.name)
        .join(roster_imports, roster_imports.c.number == roster_lines.c.import_number)
        .join(roster_terms, roster_terms.c.number == roster_imports.c.term)
        .join(rosters, rosters.c.name == roster_imports.c.roster)
        .join(bidders, bidders.c.bidder_id == roster_lines.c.bidder_id)
        .where(
            # Says the same of every row, so that none is read where it is false.
            bindparam("is_asked", bool(patterns), Boolean),
            roster_lines.c.name.op("~")(any_(bindparam("patterns", list(patterns), ARRAY(Text)))),
            roster_lines.c.bidder_id != bidder_id,
            rosters.c.category == category,
            roster_lines.c.agencies.any_() == agency,
            func.coalesce(_VALID_UNTIL, today) >= today,
            bidders.c.status != BidderStatus.ENDED,
            *_IS_CURRENT,
        )
        .distinct()
    )
    return list(rows.scalars())


async def list_qualified_agencies(
    connection: AsyncConnection, bidder_ids: Collection[str], category: str, *, agencies: Collection[str], today: date
) -> Mapping[str, Sequence[str]]:
    """Returns at which of the agencies each bidder is qualified on a day, from one snapshot.

    Bidders that are unknown, ended or qualified nowhere are left out.
    """
    rows = await connection.execute(
        _QUALIFIED_AGENCIES,
        {
            "bidder_ids": list(bidder_ids),
            "category": category,
            "agencies": list(agencies),
            "today": today,
            "ended": BidderStatus.ENDED,
        },
    )
    return {bidder_id: sorted(codes) for bidder_id, codes in rows}


async def list_bidders(
    connection: AsyncConnection, category: str, *, agency: str, after: str, most: int, today: date
) -> list[ListedBidder]:
    """Returns at most `most` bidders with ids after `after` that are or will be qualified at an agency, sorted by id.

    Each has all its agencies in the category, and the name of the agency's own roster. Ended bidders are left out.
    """
    rows = await connection.execute(
        _LISTED,
        {
            "category": category,
            "agency": agency,
            "after": after,
            "most": most,
            "today": today,
            "ended": BidderStatus.ENDED,
        },
    )
    return [ListedBidder(bidder_id, name, tuple(codes), has_password) for bidder_id, name, codes, has_password in rows]


async def change_status(connection: AsyncConnection, bidder_id: str, new: BidderStatus) -> Bidder | None:
    """Sets a bidder's status and raises its version; None where no bidder has this id, or it has the status already."""
    # The row is locked before its version is raised, so that two changes never get the same version.
    locked = await connection.execute(
        select(bidders.c.status).where(bidders.c.bidder_id == bidder_id).with_for_update()
    )
    status = locked.scalar_one_or_none()
    if status is None or status == new:
        return None
    changed = await connection.execute(
        update(bidders)
        .where(bidders.c.bidder_id == bidder_id)
        .values(
            status=new,
            version_epoch=select(registry_state.c.epoch).scalar_subquery(),
            version_number=bidders.c.version_number + 1,
        )
        .returning(bidders.c.bidder_id, bidders.c.status, bidders.c.version_epoch, bidders.c.version_number)
    )
    return _read_bidder(changed.one())


async def list_states(connection: AsyncConnection, bidder_ids: Collection[str]) -> list[Bidder]:
    """Returns the current states of these bidders."""
    rows = await connection.execute(_select_states().where(bidders.c.bidder_id.in_(list(bidder_ids))))
    return [_read_bidder(row) for row in rows]


async def list_states_first_named_by(
    connection: AsyncConnection, import_number: int, *, after: str, most: int
) -> list[Bidder]:
    """Returns the current states of at most `most` bidders that an import named first, sorted by id, after an id."""
    rows = await connection.execute(
        _select_states()
        .where(bidders.c.first_import == import_number, bidders.c.bidder_id > after)
        .order_by(bidders.c.bidder_id)
        .limit(most)
    )
    return [_read_bidder(row) for row in rows]


async def _list_qualifications(
    connection: AsyncConnection, bidder_ids: Sequence[str], category: str
) -> Mapping[str, Sequence[Qualification]]:
    rows = await connection.execute(
        select(roster_lines, grade_kinds.c.kinds, _VALID_FROM.label("first_day"), _VALID_UNTIL.label("last_day"))
        .join(grade_kinds, grade_kinds.c.number == roster_lines.c.grade_kinds)
        .join(roster_imports, roster_imports.c.number == roster_lines.c.import_number)
        .join(roster_terms, roster_terms.c.number == roster_imports.c.term)
        .join(rosters, rosters.c.name == roster_imports.c.roster)
        .where(roster_lines.c.bidder_id.in_(bidder_ids), rosters.c.category == category, *_IS_CURRENT)
        .order_by(roster_imports.c.committed_at.desc(), roster_lines.c.import_number.desc())
    )
    qualifications: dict[str, list[Qualification]] = {}
    for row in rows:
        qualifications.setdefault(row.bidder_id, []).append(_read_qualification(row))
    return qualifications


def _select_states() -> Any:
    return select(bidders.c.bidder_id, bidders.c.status, bidders.c.version_epoch, bidders.c.version_number)


def _read_bidder(row: Any) -> Bidder:
    return Bidder(row.bidder_id, BidderStatus(row.status), Version(row.version_epoch, row.version_number))


def read_company(row: Any) -> Company:
    """Returns the company in a row of roster_lines with the kinds of its grades."""
    return Company(
        bidder_id=row.bidder_id,
        name=row.name,
        postal_code=row.postal_code,
        address=row.address,
        representative_name=row.representative_name,
        representative_title=row.representative_title,
        telephone=row.telephone,
        fax=row.fax,
        department=row.department,
        branch=row.branch,
        region=row.region,
        permit_number=row.permit_number,
        corporate_number=row.corporate_number,
        grades=tuple(
            Grade(kind, grade) for kind, grade in zip(row.kinds, json.loads(row.grades), strict=True) if grade
        ),
    )


def _read_qualification(row: Any) -> Qualification:
    return Qualification(read_company(row), frozenset(row.agencies), row.first_day, row.last_day)
