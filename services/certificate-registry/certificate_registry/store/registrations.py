"""Registrations, the outcomes of requests, and the bidders' states."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.domain.bidder import Bidder, BidderStatus
from certificate_registry.domain.registration import Origin, Outcome, Registration, RequestReference
from certificate_registry.store.tables import bidder, epoch, registration, request_outcome
from servicekit.versions import Version

_REGISTER = "register"


async def insert_registration(
    connection: AsyncConnection,
    registration_id: UUID,
    *,
    agency: str,
    category: str,
    certificate_sha256: bytes,
    bidder_id: str,
    now: datetime,
) -> Registration | None:
    """Writes and returns a contractor's registration; None if this card and bidder already have one there.

    Replaces a registration left by an ended binding to another bidder; its history remains.
    """
    new = insert(registration).values(
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
    written = new.on_conflict_do_update(
        index_elements=["agency", "category", "certificate_sha256"],
        set_={
            column: new.excluded[column]
            for column in ("registration_id", "bidder_id", "registered_at", "origin", "version_epoch", "version_number")
        },
        where=registration.c.bidder_id != new.excluded.bidder_id,
    ).returning(registration)
    row = (await connection.execute(written)).one_or_none()
    return None if row is None else _read_registration(row)


async def find_registration(connection: AsyncConnection, registration_id: UUID) -> Registration | None:
    """Returns a contractor's registration by its id."""
    query = select(registration).where(
        registration.c.registration_id == registration_id, registration.c.origin == Origin.CONTRACTOR.value
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _read_registration(row)


async def find_registrations_at(
    connection: AsyncConnection, certificate_sha256: bytes, category: str, agencies: Sequence[str]
) -> Sequence[Registration]:
    """Returns the registrations of a card in a category at these agencies."""
    query = select(registration).where(
        registration.c.agency.in_(agencies),
        registration.c.category == category,
        registration.c.certificate_sha256 == certificate_sha256,
    )
    return [_read_registration(row) for row in await connection.execute(query)]


async def find_outcome(connection: AsyncConnection, certificate_sha256: bytes, request_id: UUID) -> Outcome | None:
    """Returns the recorded outcome of a request to register a card."""
    query = select(request_outcome).where(
        request_outcome.c.certificate_sha256 == certificate_sha256,
        request_outcome.c.method == _REGISTER,
        request_outcome.c.request_id == request_id,
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else Outcome(row.registration_id, row.payload_sha256, row.request_sha256)


async def read_request(
    connection: AsyncConnection, registration_id: UUID, certificate_sha256: bytes
) -> RequestReference:
    """Returns the request that made a contractor's registration."""
    query = select(request_outcome.c.request_id, request_outcome.c.request_sha256).where(
        request_outcome.c.certificate_sha256 == certificate_sha256,
        request_outcome.c.registration_id == registration_id,
    )
    row = (await connection.execute(query)).one()
    return RequestReference(row.request_id, row.request_sha256)


async def record_outcome(
    connection: AsyncConnection, certificate_sha256: bytes, request_id: UUID, outcome: Outcome, now: datetime
) -> bool:
    """Records the outcome of a request; returns False if it already has one.

    Waits for a concurrent transaction that records the same request: the first one to commit counts.
    """
    recorded = await connection.execute(
        insert(request_outcome)
        .values(
            certificate_sha256=certificate_sha256,
            method=_REGISTER,
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


async def find_bidder_status(connection: AsyncConnection, bidder_id: str, *, lock: bool = False) -> BidderStatus | None:
    """Returns the last reported status of a bidder; `lock` keeps it from changing until the transaction ends."""
    query = select(bidder.c.status).where(bidder.c.bidder_id == bidder_id)
    status = (await connection.execute(query.with_for_update(read=True) if lock else query)).scalar_one_or_none()
    return None if status is None else BidderStatus(status)


async def record_bidders(connection: AsyncConnection, bidders: Sequence[Bidder], now: datetime) -> None:
    """Writes the newest state of each bidder; ignores states with a version not higher than the stored one."""
    newest: dict[str, Bidder] = {}
    for state in bidders:
        if state.bidder_id not in newest or newest[state.bidder_id].version < state.version:
            newest[state.bidder_id] = state
    # In one order, so that two concurrent deliveries can't deadlock.
    ordered = sorted(newest.values(), key=lambda state: state.bidder_id)
    await connection.execute(
        text(
            "INSERT INTO bidder (bidder_id, status, version_epoch, version_number, recorded_at) "
            "SELECT state.*, :now FROM unnest(CAST(:ids AS text[]), CAST(:statuses AS text[]), "
            "CAST(:epochs AS bigint[]), CAST(:numbers AS bigint[])) AS state "
            "ON CONFLICT (bidder_id) DO UPDATE SET status = excluded.status, recorded_at = excluded.recorded_at, "
            "version_epoch = excluded.version_epoch, version_number = excluded.version_number "
            "WHERE (bidder.version_epoch, bidder.version_number) < (excluded.version_epoch, excluded.version_number)"
        ),
        {
            "now": now,
            "ids": [state.bidder_id for state in ordered],
            "statuses": [state.status.value for state in ordered],
            "epochs": [state.version.epoch for state in ordered],
            "numbers": [state.version.number for state in ordered],
        },
    )


def _read_registration(row: Row[Any]) -> Registration:
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
