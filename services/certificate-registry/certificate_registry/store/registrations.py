"""Registrations and the outcomes of requests."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert

from certificate_registry.domain.card import Card
from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.outcome import Method, Outcome
from certificate_registry.domain.registration import Origin, Registration
from certificate_registry.store.cards import read_card
from certificate_registry.store.tables import card, history_entry, registration, request_outcome
from history.writing import WrittenEntry
from servicekit.database_clock import STATEMENT_TIME
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement, bind_columns

_QUERY = (
    select(
        registration.c.registration_id,
        registration.c.agency,
        registration.c.category,
        registration.c.bidder_id,
        registration.c.registered_at,
        registration.c.origin,
        history_entry.c.number.label("history_number"),
        history_entry.c.digest.label("history_digest"),
    )
    .select_from(request_outcome)
    .join(
        registration,
        and_(
            registration.c.certificate_sha256 == request_outcome.c.certificate_sha256,
            registration.c.category == request_outcome.c.category,
            registration.c.agency == request_outcome.c.agency,
            registration.c.registration_id == request_outcome.c.registration_id,
        ),
    )
    .join(
        history_entry,
        and_(
            history_entry.c.request_id == request_outcome.c.request_id,
            history_entry.c.certificate_sha256 == request_outcome.c.certificate_sha256,
            history_entry.c.what == HistoryAction.REGISTERED.value,
        ),
    )
    .where(request_outcome.c.registration_id == bindparam("registration_id"))
)
_READ = Statement(_QUERY.add_columns(registration.c.certificate_sha256))
_READ_WITH_CARD = Statement(
    _QUERY.join(card, card.c.certificate_sha256 == registration.c.certificate_sha256).add_columns(card)
)

_FIND_OUTCOME = Statement(
    select(
        request_outcome.c.registration_id,
        request_outcome.c.payload_sha256,
        request_outcome.c.request_sha256,
        request_outcome.c.category,
        request_outcome.c.agency,
    ).where(
        request_outcome.c.certificate_sha256 == bindparam("certificate_sha256"),
        request_outcome.c.method == Method.REGISTER.value,
        request_outcome.c.request_id == bindparam("request_id"),
    )
)

_RECORD_OUTCOME = Statement(
    insert(request_outcome)
    .values(
        **bind_columns(
            "certificate_sha256",
            "request_id",
            "payload_sha256",
            "request_sha256",
            "registration_id",
            "category",
            "agency",
        ),
        method=Method.REGISTER.value,
        recorded_at=text(STATEMENT_TIME),
    )
    .on_conflict_do_nothing()
)

_DELETE_TOMBSTONES = write_deletion(
    request_outcome,
    request_outcome.c.registration_id.is_(None),
    request_outcome.c.recorded_at < bindparam("before"),
    oldest=request_outcome.c.recorded_at,
)


async def read_registration(connection: Connection, registration_id: UUID) -> tuple[Registration, WrittenEntry]:
    """Returns a contractor's registration, whether it is still good or not, and its entry in the history."""
    row = await connection.fetch_row(_READ, registration_id=registration_id)
    return build_registration(row), WrittenEntry(row.history_number, row.history_digest)


async def read_registration_and_card(
    connection: Connection, registration_id: UUID
) -> tuple[Registration, WrittenEntry, Card]:
    """Returns the same, and the card as it is now."""
    row = await connection.fetch_row(_READ_WITH_CARD, registration_id=registration_id)
    return build_registration(row), WrittenEntry(row.history_number, row.history_digest), read_card(row)


def build_registration(row: Any) -> Registration:
    """Returns the registration in a row with these columns of the table `registration`."""
    return Registration(
        registration_id=row.registration_id,
        agency=row.agency,
        category=row.category,
        certificate_sha256=row.certificate_sha256,
        bidder_id=row.bidder_id,
        registered_at=row.registered_at,
        origin=Origin(row.origin),
    )


async def find_outcome(connection: Connection, certificate_sha256: bytes, request_id: UUID) -> Outcome | None:
    """Returns the recorded outcome of a request to register a card."""
    row = await connection.fetch_row(_FIND_OUTCOME, certificate_sha256=certificate_sha256, request_id=request_id)
    if row is None:
        return None
    return Outcome(row.registration_id, row.payload_sha256, row.request_sha256, row.category, row.agency)


async def record_outcome(
    connection: Connection, certificate_sha256: bytes, request_id: UUID, outcome: Outcome, now: datetime | None
) -> bool:
    """Records the outcome of a request at `now` (`STATEMENT_TIME`); returns False if it already has one.

    Waits for a concurrent transaction that records the same request: the first one to commit counts.
    """
    recorded = await connection.change(
        _RECORD_OUTCOME,
        certificate_sha256=certificate_sha256,
        request_id=request_id,
        payload_sha256=outcome.payload_sha256,
        request_sha256=outcome.request_sha256,
        registration_id=outcome.registration_id,
        category=outcome.category,
        agency=outcome.agency,
        now=now,
    )
    return recorded == 1


async def delete_tombstones(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` outcomes of requests that were abandoned before this instant; returns how many."""
    return await connection.change(_DELETE_TOMBSTONES, before=before, most=most)
