"""Registrations, the outcomes of requests, and the bidders' states."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert

from certificate_registry.domain.bidder import Bidder
from certificate_registry.domain.card import Card
from certificate_registry.domain.outcome import Outcome
from certificate_registry.domain.registration import Origin, Registration
from certificate_registry.store.cards import read_card
from certificate_registry.store.tables import card, registration, request_outcome
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement, bind_columns

# The method of the outcomes of registrations.
REGISTER = "register"

_QUERY = (
    select(
        registration.c.registration_id,
        registration.c.agency,
        registration.c.category,
        registration.c.bidder_id,
        registration.c.registered_at,
        registration.c.origin,
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
        request_outcome.c.method == REGISTER,
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
            "recorded_at",
        ),
        method=REGISTER,
    )
    .on_conflict_do_nothing()
)

_DELETE_TOMBSTONES = write_deletion(
    request_outcome,
    request_outcome.c.registration_id.is_(None),
    request_outcome.c.recorded_at < bindparam("before"),
    oldest=request_outcome.c.recorded_at,
)

_RECORD_BIDDERS = Statement(
    text(
        """
        INSERT INTO bidder (bidder_id, status, version_epoch, version_number, recorded_at)
        SELECT state.*, now()
        FROM unnest(
            CAST(:ids AS text[]), CAST(:statuses AS text[]), CAST(:epochs AS bigint[]), CAST(:numbers AS bigint[])
        ) AS state
        ON CONFLICT (bidder_id) DO UPDATE SET status = excluded.status, recorded_at = excluded.recorded_at,
            version_epoch = excluded.version_epoch, version_number = excluded.version_number
        WHERE (bidder.version_epoch, bidder.version_number) < (excluded.version_epoch, excluded.version_number)
        """
    )
)


async def read_registration(connection: Connection, registration_id: UUID) -> Registration:
    """Returns a contractor's registration, whether it is still good or not."""
    return build_registration(await connection.fetch_row(_READ, registration_id=registration_id))


async def read_registration_and_card(connection: Connection, registration_id: UUID) -> tuple[Registration, Card]:
    """Returns a contractor's registration, whether it is still good or not, and its card as it is now."""
    row = await connection.fetch_row(_READ_WITH_CARD, registration_id=registration_id)
    return build_registration(row), read_card(row)


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
    connection: Connection, certificate_sha256: bytes, request_id: UUID, outcome: Outcome, now: datetime
) -> bool:
    """Records the outcome of a request; returns False if it already has one.

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
        recorded_at=now,
    )
    return recorded == 1


async def delete_tombstones(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` outcomes of requests that were abandoned before this instant; returns how many."""
    return await connection.change(_DELETE_TOMBSTONES, before=before, most=most)


async def record_bidders(connection: Connection, bidders: Sequence[Bidder]) -> None:
    """Writes the newest state of each bidder; ignores states with a version not higher than the stored one."""
    newest: dict[str, Bidder] = {}
    for state in bidders:
        if state.bidder_id not in newest or newest[state.bidder_id].version < state.version:
            newest[state.bidder_id] = state
    # In one order, so that two concurrent deliveries can't deadlock.
    ordered = sorted(newest.values(), key=lambda state: state.bidder_id)
    await connection.change(
        _RECORD_BIDDERS,
        ids=[state.bidder_id for state in ordered],
        statuses=[state.status.value for state in ordered],
        epochs=[state.version.epoch for state in ordered],
        numbers=[state.version.number for state in ordered],
    )
