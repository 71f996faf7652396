"""Suspensions of bidders that stand. Whoever decides about a bidder has its state locked."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Text, bindparam, delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from qualification_registry.domain.suspension import Suspension, SuspensionQuery
from qualification_registry.store.tables import bidder_suspensions
from servicekit.database_connection import Connection
from servicekit.statements import Statement, bind_columns

_IS_MEANT = (
    bidder_suspensions.c.bidder_id == bindparam("of_bidder"),
    bidder_suspensions.c.category == bindparam("of_category"),
    bidder_suspensions.c.agency == bindparam("of_agency"),
)
_FIND = Statement(select(bidder_suspensions).where(*_IS_MEANT))
_ADD = Statement(
    insert(bidder_suspensions).values(
        bind_columns("bidder_id", "category", "agency", "reason", "suspended_by", "suspended_at", "lapses_at")
    )
)
_CONFIRM = Statement(
    update(bidder_suspensions)
    .where(*_IS_MEANT)
    .values(lapses_at=None, confirmed_by=bindparam("officer"), confirmed_at=bindparam("at"))
)
_END = Statement(delete(bidder_suspensions).where(*_IS_MEANT))
_LIST_LAPSED = Statement(
    select(bidder_suspensions)
    .where(bidder_suspensions.c.lapses_at <= bindparam("now"))
    .order_by(bidder_suspensions.c.lapses_at)
    .limit(bindparam("most"))
)
_LIST = Statement(
    select(bidder_suspensions)
    .where(
        bidder_suspensions.c.agency == bindparam("agency"),
        bindparam("category", type_=Text).in_(["", bidder_suspensions.c.category]),
        bindparam("bidder_id", type_=Text).in_(["", bidder_suspensions.c.bidder_id]),
        tuple_(bidder_suspensions.c.bidder_id, bidder_suspensions.c.category)
        > tuple_(bindparam("after_bidder_id", type_=Text), bindparam("after_category", type_=Text)),
    )
    .order_by(bidder_suspensions.c.bidder_id, bidder_suspensions.c.category)
    .limit(bindparam("most"))
)


async def find_suspension(connection: Connection, bidder_id: str, category: str, agency: str) -> Suspension | None:
    """Returns the suspension of a bidder at an agency, or of the whole instance under the operator's code."""
    row = await connection.fetch_row(_FIND, of_bidder=bidder_id, of_category=category, of_agency=agency)
    return None if row is None else _read_suspension(row)


async def add_suspension(connection: Connection, suspension: Suspension) -> None:
    """Writes a new suspension, which lapses unless it is confirmed."""
    await connection.change(
        _ADD,
        bidder_id=suspension.bidder_id,
        category=suspension.category,
        agency=suspension.agency,
        reason=suspension.reason,
        suspended_by=suspension.suspended_by,
        suspended_at=suspension.suspended_at,
        lapses_at=suspension.lapses_at,
    )


async def confirm_suspension(connection: Connection, suspension: Suspension) -> None:
    """Writes who confirmed a suspension; it does not lapse any more."""
    await connection.change(_CONFIRM, **_name(suspension), officer=suspension.confirmed_by, at=suspension.confirmed_at)


async def end_suspension(connection: Connection, suspension: Suspension) -> None:
    """Ends a suspension; the history alone still has it."""
    await connection.change(_END, **_name(suspension))


async def list_lapsed(connection: Connection, *, now: datetime, most: int) -> Sequence[Suspension]:
    """Returns at most `most` suspensions that were to lapse until now, the oldest first."""
    return list(map(_read_suspension, await connection.fetch_rows(_LIST_LAPSED, now=now, most=most)))


async def list_suspensions(connection: Connection, query: SuspensionQuery) -> Sequence[Suspension]:
    """Returns the suspensions that are asked for, sorted by bidder and category."""
    return list(map(_read_suspension, await connection.fetch_rows(_LIST, **asdict(query))))


def _name(suspension: Suspension) -> dict[str, str]:
    return {
        "of_bidder": suspension.bidder_id,
        "of_category": suspension.category,
        "of_agency": suspension.agency,
    }


def _read_suspension(row: Any) -> Suspension:
    return Suspension(
        bidder_id=row.bidder_id,
        category=row.category,
        agency=row.agency,
        reason=row.reason,
        suspended_by=row.suspended_by,
        suspended_at=row.suspended_at,
        lapses_at=row.lapses_at,
        confirmed_by=row.confirmed_by,
        confirmed_at=row.confirmed_at,
    )
