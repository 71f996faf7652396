"""Bindings, registrations, outcomes of requests, the history: one function per question or change.

The transaction is the caller's. Whoever writes about one card holds that card's row locked (`store.find_card`), so
that of two registrations of a card one waits for the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.domain.binding import CardRecord
from certificate_registry.domain.registration import (
    Bidder,
    BidderStatus,
    Origin,
    Outcome,
    Registration,
    Version,
)
from certificate_registry.store.tables import bidder, binding, epoch, history, registration, request_outcome

REGISTER = "register"


@dataclass(frozen=True, slots=True)
class SignedAct:
    """What a card signed, for the history: purpose, algorithm by name, signature, certificate in DER."""

    purpose: bytes
    algorithm: str
    signature: bytes
    certificate: bytes


async def card_record(
    connection: AsyncConnection, certificate_sha256: bytes, *, agency: str, category: str
) -> CardRecord:
    """What is kept of a card in a category, seen from an agency."""
    query = (
        select(binding.c.bidder_id, binding.c.ended_at, registration.c.registration_id)
        .outerjoin(
            registration,
            and_(
                registration.c.agency == agency,
                registration.c.category == binding.c.category,
                registration.c.certificate_sha256 == binding.c.certificate_sha256,
                registration.c.bidder_id == binding.c.bidder_id,
            ),
        )
        .where(binding.c.certificate_sha256 == certificate_sha256, binding.c.category == category)
    )
    rows = (await connection.execute(query)).all()
    live = next((row for row in rows if row.ended_at is None), None)
    if live is None:
        return CardRecord(was_bound=bool(rows))
    return CardRecord(
        bound_to=live.bidder_id, was_bound=len(rows) > 1, registered_here=live.registration_id is not None
    )


async def begin_binding(
    connection: AsyncConnection,
    certificate_sha256: bytes,
    category: str,
    bidder_id: str,
    *,
    because: str,
    now: datetime,
) -> None:
    """Begins a binding; the caller has made sure that none is live."""
    number = (
        select(func.coalesce(func.max(binding.c.number), 0) + 1)
        .where(binding.c.certificate_sha256 == certificate_sha256, binding.c.category == category)
        .scalar_subquery()
    )
    await connection.execute(
        insert(binding).values(
            certificate_sha256=certificate_sha256,
            category=category,
            number=number,
            bidder_id=bidder_id,
            began_at=now,
            began_because=because,
        )
    )


async def register(
    connection: AsyncConnection,
    registration_id: UUID,
    *,
    agency: str,
    category: str,
    certificate_sha256: bytes,
    bidder_id: str,
    now: datetime,
) -> Registration | None:
    """Writes a contractor's registration and gives it; None where one of this card and bidder stands there already.

    One that was left behind by a binding to another bidder, which has ended, gives way; its history stays.
    """
    written = insert(registration).values(
        agency=agency,
        category=category,
        certificate_sha256=certificate_sha256,
        registration_id=registration_id,
        bidder_id=bidder_id,
        registered_at=now,
        origin=Origin.CONTRACTOR.value,
        version_epoch=select(epoch.c.epoch).scalar_subquery(),
        version_number=1,
    )
    taken = written.on_conflict_do_update(
        index_elements=["agency", "category", "certificate_sha256"],
        set_={
            column: written.excluded[column]
            for column in ("registration_id", "bidder_id", "registered_at", "origin", "version_epoch", "version_number")
        },
        where=registration.c.bidder_id != written.excluded.bidder_id,
    ).returning(registration)
    row = (await connection.execute(taken)).one_or_none()
    return None if row is None else _registration(row)


async def find_registration(connection: AsyncConnection, registration_id: UUID) -> Registration | None:
    """A contractor's registration by its id."""
    query = select(registration).where(
        registration.c.registration_id == registration_id, registration.c.origin == Origin.CONTRACTOR.value
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _registration(row)


async def registrations_at(
    connection: AsyncConnection, certificate_sha256: bytes, category: str, agencies: Sequence[str]
) -> Sequence[Registration]:
    """The registrations of a card in a category at these agencies."""
    query = select(registration).where(
        registration.c.agency.in_(agencies),
        registration.c.category == category,
        registration.c.certificate_sha256 == certificate_sha256,
    )
    return [_registration(row) for row in await connection.execute(query)]


async def find_outcome(connection: AsyncConnection, certificate_sha256: bytes, request_id: UUID) -> Outcome | None:
    """What became of a request to register a card."""
    query = select(request_outcome).where(
        request_outcome.c.certificate_sha256 == certificate_sha256,
        request_outcome.c.method == REGISTER,
        request_outcome.c.request_id == request_id,
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else Outcome(row.registration_id, row.payload_sha256, row.request_sha256)


async def request_of(
    connection: AsyncConnection, registration_id: UUID, certificate_sha256: bytes
) -> tuple[UUID, bytes]:
    """The request id that a contractor's registration was made by, and the hash of its canonical request."""
    query = select(request_outcome.c.request_id, request_outcome.c.request_sha256).where(
        request_outcome.c.certificate_sha256 == certificate_sha256,
        request_outcome.c.registration_id == registration_id,
    )
    row = (await connection.execute(query)).one()
    return row.request_id, row.request_sha256


async def record_outcome(
    connection: AsyncConnection, certificate_sha256: bytes, request_id: UUID, outcome: Outcome, now: datetime
) -> bool:
    """Records what becomes of a request; False where that is settled already.

    Waits for a transaction that is about to settle the same request: the first one that commits counts.
    """
    recorded = await connection.execute(
        insert(request_outcome)
        .values(
            certificate_sha256=certificate_sha256,
            method=REGISTER,
            request_id=request_id,
            payload_sha256=outcome.payload_sha256,
            request_sha256=outcome.request_sha256,
            registration_id=outcome.registration_id,
            recorded_at=now,
        )
        .on_conflict_do_nothing()
        .returning(request_outcome.c.request_id)
    )
    return recorded.one_or_none() is not None


async def bidder_status(connection: AsyncConnection, bidder_id: str, *, lock: bool = False) -> BidderStatus | None:
    """Whether a bidder may act, as far as it was told; with `lock` it stays so until the transaction ends."""
    query = select(bidder.c.status).where(bidder.c.bidder_id == bidder_id)
    status = (await connection.execute(query.with_for_update(read=True) if lock else query)).scalar_one_or_none()
    return None if status is None else BidderStatus(status)


async def record_bidders(connection: AsyncConnection, bidders: Sequence[Bidder], now: datetime) -> None:
    """Keeps of every bidder the state with the highest version; what comes late is dropped."""
    newest: dict[str, Bidder] = {}
    for told in bidders:
        if told.bidder_id not in newest or newest[told.bidder_id].version < told.version:
            newest[told.bidder_id] = told
    # In one order, so that two deliveries at once can't wait for each other.
    ordered = sorted(newest.values(), key=lambda told: told.bidder_id)
    await connection.execute(
        text(
            "INSERT INTO bidder (bidder_id, status, version_epoch, version_number, recorded_at) "
            "SELECT told.*, :now FROM unnest(CAST(:ids AS text[]), CAST(:statuses AS text[]), "
            "CAST(:epochs AS bigint[]), CAST(:numbers AS bigint[])) AS told "
            "ON CONFLICT (bidder_id) DO UPDATE SET status = excluded.status, recorded_at = excluded.recorded_at, "
            "version_epoch = excluded.version_epoch, version_number = excluded.version_number "
            "WHERE (bidder.version_epoch, bidder.version_number) < (excluded.version_epoch, excluded.version_number)"
        ),
        {
            "now": now,
            "ids": [told.bidder_id for told in ordered],
            "statuses": [told.status.value for told in ordered],
            "epochs": [told.version.epoch for told in ordered],
            "numbers": [told.version.number for told in ordered],
        },
    )


async def write_history(
    connection: AsyncConnection,
    *,
    who: str,
    what: str,
    certificate_sha256: bytes,
    category: str | None,
    agencies: Sequence[str],
    bidder_id: str | None,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    now: datetime,
    act: SignedAct | None = None,
) -> None:
    """Adds one entry: who did what to which card, and how it was before and after. Ids only, no personal data."""
    await connection.execute(
        insert(history).values(
            happened_at=now,
            who=who,
            what=what,
            certificate_sha256=certificate_sha256,
            category=category,
            agencies=list(agencies),
            bidder_id=bidder_id,
            before=dict(before),
            after=dict(after),
            purpose=act.purpose if act else None,
            algorithm=act.algorithm if act else None,
            signature=act.signature if act else None,
            certificate=act.certificate if act else None,
        )
    )


def _registration(row: Row[Any]) -> Registration:
    return Registration(
        registration_id=row.registration_id,
        agency=row.agency,
        category=row.category,
        certificate_sha256=row.certificate_sha256,
        bidder_id=row.bidder_id,
        registered_at=row.registered_at,
        origin=Origin(row.origin),
        version=Version(row.version_epoch, row.version_number),
    )
