"""What current rosters contain about bidders, and whether these may act."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ARRAY, Boolean, Date, DateTime, Text, all_, and_, any_, bindparam, case, func, select, text

from instance_profile.roster_mapping import SuccessionKind
from qualification_registry.domain.bidders import (
    BidderStatus,
    Company,
    Grade,
    ListedBidder,
    Qualification,
)
from qualification_registry.domain.passwords import PasswordHash
from qualification_registry.domain.review import COMPANY_FIELDS
from qualification_registry.domain.search import SearchedBidder
from qualification_registry.store.tables import (
    bidder_states,
    bidder_suspensions,
    bidders,
    company_reviews,
    grade_kinds,
    passwords,
    predecessors,
    roster_imports,
    roster_lines,
    roster_terms,
    rosters,
)
from servicekit.database_connection import Connection
from servicekit.identity import OPERATOR
from servicekit.statements import Statement

_IS_CURRENT = (roster_imports.c.made_version.is_not(None), roster_lines.c.superseded_by.is_(None))
# A line counts neither before its term begins nor after another one has begun, whatever its own days are.
_VALID_FROM = func.greatest(roster_lines.c.valid_from, roster_terms.c.term_from)
_VALID_UNTIL = func.least(roster_lines.c.valid_until, roster_terms.c.holds_until)

# The line whose company data an agency is shown while the review of the newer ones lasts there (QUA-08).
_SHOWN = roster_lines.alias("shown")
# What `_read_qualification` reads, and in which order.
_QUALIFICATION: tuple[Any, ...] = (
    roster_lines,
    grade_kinds.c.kinds,
    _VALID_FROM.label("first_day"),
    _VALID_UNTIL.label("last_day"),
    _SHOWN.c.bidder_id.is_not(None).label("is_under_review"),
    *(_SHOWN.c[field].label(f"shown_{field}") for field in COMPANY_FIELDS),
)
_NEWEST_FIRST = (roster_imports.c.committed_at.desc(), roster_lines.c.import_number.desc())
_LINES = (
    roster_lines.join(grade_kinds, grade_kinds.c.number == roster_lines.c.grade_kinds)
    .join(roster_imports, roster_imports.c.number == roster_lines.c.import_number)
    .join(roster_terms, roster_terms.c.number == roster_imports.c.term)
    .join(rosters, rosters.c.name == roster_imports.c.roster)
    .outerjoin(
        company_reviews,
        and_(
            company_reviews.c.bidder_id == roster_lines.c.bidder_id,
            company_reviews.c.term == roster_imports.c.term,
            all_(company_reviews.c.ended_agencies) != bindparam("agency", type_=Text),
            all_(company_reviews.c.ended_agencies) != OPERATOR,
        ),
    )
    .outerjoin(
        _SHOWN,
        and_(
            _SHOWN.c.bidder_id == company_reviews.c.bidder_id, _SHOWN.c.import_number == company_reviews.c.shown_import
        ),
    )
)

_LIST_QUALIFICATIONS = Statement(
    select(*_QUALIFICATION)
    .select_from(_LINES)
    .where(
        roster_lines.c.bidder_id == any_(bindparam("bidder_ids", type_=ARRAY(Text))),
        rosters.c.category == bindparam("category"),
        *_IS_CURRENT,
    )
    .order_by(*_NEWEST_FIRST)
)

# One row, whether there is such a bidder or not.
_ASKED = select(
    func.coalesce(bindparam("now", type_=DateTime(timezone=True)), func.now()).label("at")  # `STATEMENT_TIME`
).subquery("asked")
_STATUS_HERE = case(
    (bidder_states.c.has_ended, BidderStatus.ENDED.value),
    (
        select(bidder_suspensions.c.bidder_id)
        .where(
            bidder_suspensions.c.bidder_id == bindparam("bidder_id"),
            bidder_suspensions.c.category == bindparam("category"),
            bidder_suspensions.c.agency.in_([bindparam("agency"), OPERATOR]),
        )
        .exists(),
        BidderStatus.SUSPENDED.value,
    ),
    else_=BidderStatus.ACTIVE.value,
)
_SUCCESSION = (
    select(predecessors.c.kind)
    .where(
        predecessors.c.category == bindparam("category"),
        predecessors.c.predecessor == bindparam("bidder_id"),
        predecessors.c.since <= _ASKED.c.at,
    )
    .scalar_subquery()
)
_FIND_SEARCHED = Statement(
    select(
        _ASKED.c.at,
        bidders.c.bidder_id.is_not(None).label("is_known"),
        _STATUS_HERE.label("status"),
        _SUCCESSION.label("succession"),
        passwords.c.encoded,
        passwords.c.issued_at,
        passwords.c.changed_at,
        *_QUALIFICATION,
    )
    .select_from(
        _ASKED.outerjoin(bidders, bidders.c.bidder_id == bindparam("bidder_id"))
        .outerjoin(
            bidder_states,
            and_(
                bidder_states.c.bidder_id == bindparam("bidder_id"),
                bidder_states.c.category == bindparam("category"),
            ),
        )
        .outerjoin(
            passwords,
            and_(passwords.c.category == bindparam("category"), passwords.c.bidder_id == bindparam("bidder_id")),
        )
        .outerjoin(
            _LINES,
            and_(
                roster_lines.c.bidder_id == bindparam("bidder_id"),
                rosters.c.category == bindparam("category"),
                *_IS_CURRENT,
            ),
        )
    )
    .order_by(*_NEWEST_FIRST)
)

_LIST_NAMES_OF_OTHERS = Statement(
    select(roster_lines.c.name)
    .join(roster_imports, roster_imports.c.number == roster_lines.c.import_number)
    .join(roster_terms, roster_terms.c.number == roster_imports.c.term)
    .join(rosters, rosters.c.name == roster_imports.c.roster)
    .outerjoin(
        bidder_states,
        and_(bidder_states.c.bidder_id == roster_lines.c.bidder_id, bidder_states.c.category == rosters.c.category),
    )
    .where(
        # Says the same of every row, so that none is read where it is false.
        bindparam("is_asked", type_=Boolean),
        roster_lines.c.name.op("~")(any_(bindparam("patterns", type_=ARRAY(Text)))),
        roster_lines.c.bidder_id != bindparam("bidder_id"),
        rosters.c.category == bindparam("category"),
        any_(func.string_to_array(roster_lines.c.agencies, " ")) == bindparam("agency"),
        func.coalesce(bindparam("today", type_=Date) <= _VALID_UNTIL, True),
        bidder_states.c.has_ended.is_not(True),
        *_IS_CURRENT,
    )
    .distinct()
)

_LIST_BIDDERS = Statement(
    text(
        """
        SELECT line.bidder_id,
               (array_agg(
                   coalesce(shown.name, line.name)
                   ORDER BY :agency = ANY(string_to_array(line.agencies, ' ')) DESC,
                       coalesce(term.term_from <= :today, true) DESC, line.import_number DESC
               ))[1] AS name,
               array_agg(DISTINCT agency) AS agencies,
               bool_or(password.bidder_id IS NOT NULL) AS has_password
        FROM roster_lines line
        JOIN roster_imports import ON import.number = line.import_number AND import.made_version IS NOT NULL
        JOIN roster_terms term ON term.number = import.term
        JOIN rosters roster ON roster.name = import.roster
        LEFT JOIN bidder_states state ON state.bidder_id = line.bidder_id AND state.category = roster.category
        LEFT JOIN passwords password ON password.category = roster.category AND password.bidder_id = line.bidder_id
        LEFT JOIN company_reviews review ON review.bidder_id = line.bidder_id AND review.term = import.term
            AND NOT review.ended_agencies && ARRAY[:agency, :operator]
        LEFT JOIN roster_lines shown
            ON shown.bidder_id = line.bidder_id AND shown.import_number = review.shown_import
        CROSS JOIN LATERAL unnest(string_to_array(line.agencies, ' ')) agency
        WHERE line.bidder_id > :after AND line.superseded_by IS NULL AND roster.category = :category
          AND state.has_ended IS NOT TRUE
          AND coalesce(least(line.valid_until, term.holds_until) >= :today, true)
        GROUP BY line.bidder_id
        HAVING bool_or(:agency = ANY(string_to_array(line.agencies, ' ')))
        ORDER BY line.bidder_id
        LIMIT :most
        """
    )
)


async def find_searched(
    connection: Connection, bidder_id: str, category: str, agency: str, now: datetime | None
) -> tuple[SearchedBidder | None, datetime]:
    """Returns what a search at an agency for a bidder in the current rosters of a category reads.

    None where no bidder has this id. And the instant of that; `now`: see `STATEMENT_TIME`. One statement, because every
    search and every registration asks it.
    """
    rows = await connection.fetch_rows(_FIND_SEARCHED, bidder_id=bidder_id, category=category, agency=agency, now=now)
    first = rows[0]
    at = first.at.astimezone(UTC)
    if not first.is_known:
        return None, at
    bidder = SearchedBidder(
        BidderStatus(first.status),
        PasswordHash(first.encoded, first.issued_at, first.changed_at) if first.encoded is not None else None,
        # Without a line the one row has no name.
        [_read_qualification(row) for row in rows if row.name is not None],
        SuccessionKind(first.succession) if first.succession is not None else None,
    )
    return bidder, at


async def list_qualifications(
    connection: Connection, bidder_ids: Sequence[str], category: str, *, agency: str, today: date
) -> Mapping[str, Qualification]:
    """Returns bidders' qualifications in the newest roster where they are qualified at the agency, or else will be.

    Other bidders are left out.
    """
    newest: dict[str, Qualification] = {}
    for bidder_id, qualifications in (await _list_qualifications(connection, bidder_ids, category, agency)).items():
        valid = [qualification for qualification in qualifications if qualification.is_or_will_be_valid(agency, today)]
        # The newest may be of a term that has not begun.
        valid.sort(key=lambda qualification: not qualification.is_valid(agency, today))
        if valid:
            newest[bidder_id] = valid[0]
    return newest


async def list_names_of_others(
    connection: Connection, bidder_id: str, category: str, *, agency: str, patterns: Sequence[str], today: date
) -> list[str]:
    """Returns the names of other bidders that are or will be qualified at an agency, and match one of the patterns.

    Patterns are regular expressions. The rows are read only where there is a pattern, since no index helps.
    """
    return await connection.fetch_values(
        _LIST_NAMES_OF_OTHERS,
        is_asked=bool(patterns),
        patterns=list(patterns),
        bidder_id=bidder_id,
        category=category,
        agency=agency,
        today=today,
    )


async def list_bidders(
    connection: Connection, category: str, *, agency: str, after: str, most: int, today: date
) -> list[ListedBidder]:
    """Returns at most `most` bidders with ids after `after` that are or will be qualified at an agency, sorted by id.

    Each has all its agencies in the category, and the name of the agency's own roster. Ended bidders are left out.
    """
    rows = await connection.fetch_rows(
        _LIST_BIDDERS, category=category, agency=agency, after=after, most=most, today=today, operator=OPERATOR
    )
    return [ListedBidder(row.bidder_id, row.name, tuple(row.agencies), row.has_password) for row in rows]


async def _list_qualifications(
    connection: Connection, bidder_ids: Sequence[str], category: str, agency: str
) -> Mapping[str, Sequence[Qualification]]:
    rows = await connection.fetch_rows(
        _LIST_QUALIFICATIONS, bidder_ids=list(bidder_ids), category=category, agency=agency
    )
    qualifications: dict[str, list[Qualification]] = {}
    for row in rows:
        qualifications.setdefault(row.bidder_id, []).append(_read_qualification(row))
    return qualifications


def read_company(row: Any) -> Company:
    """Returns the company in a row of roster_lines with the kinds of its grades."""
    return Company(
        bidder_id=row.bidder_id,
        name=row.name,
        postal_code=row.postal_code,
        address=row.address,
        representative_name=row.representative_name,
        contract_party_name=row.contract_party_name,
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
    company, applied = read_company(row), None
    if row.is_under_review:
        applied = company
        company = replace(company, **{field: getattr(row, f"shown_{field}") for field in COMPANY_FIELDS})
    return Qualification(company, frozenset(row.agencies.split()), row.first_day, row.last_day, applied)
