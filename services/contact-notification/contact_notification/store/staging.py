"""Staged registrations and the tombstones of abandoned ones."""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Result,
    RowMapping,
    Uuid,
    and_,
    cast,
    column,
    delete,
    func,
    literal,
    select,
    tuple_,
    update,
    values,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification.domain.card_state import Registration
from contact_notification.domain.staging import (
    Company,
    Grade,
    Reservation,
    StagedRegistration,
    StagedState,
    StagingRequest,
)
from contact_notification.store import contacts
from contact_notification.store.tables import abandoned_requests, staged_registrations


async def find_staged(
    connection: AsyncConnection, certificate_sha256: bytes, request_id: UUID
) -> StagedRegistration | None:
    """Returns what is staged under a card's request id, pending or active."""
    query = select(staged_registrations).where(_has_key(certificate_sha256, request_id))
    row = (await connection.execute(query)).mappings().one_or_none()
    return _read_staged(row) if row is not None else None


async def list_staged(
    connection: AsyncConnection, requests: Collection[tuple[bytes, UUID]]
) -> Mapping[tuple[bytes, UUID], StagedRegistration]:
    """Returns what is staged under these requests, by (certificate's SHA-256, request id), pending or active."""
    rows = await connection.execute(select(staged_registrations).where(_is_one_of(requests)))
    return _by_request(rows)


async def list_active(connection: AsyncConnection, requests: Collection[tuple[bytes, UUID]]) -> Set[tuple[bytes, UUID]]:
    """Returns those of these requests whose contacts are active."""
    query = select(staged_registrations.c.certificate_sha256, staged_registrations.c.request_id).where(
        _is_one_of(requests), staged_registrations.c.state == StagedState.ACTIVE
    )
    return {(certificate_sha256, request_id) for certificate_sha256, request_id in await connection.execute(query)}


async def lock_staged(
    connection: AsyncConnection, requests: Collection[tuple[bytes, UUID]]
) -> Mapping[tuple[bytes, UUID], StagedRegistration]:
    """Returns what `list_staged` returns, locked for this transaction in the order of the requests."""
    query = select(staged_registrations).where(_is_one_of(requests))
    rows = await connection.execute(
        query.order_by(staged_registrations.c.certificate_sha256, staged_registrations.c.request_id).with_for_update()
    )
    return _by_request(rows)


async def is_abandoned(connection: AsyncConnection, certificate_sha256: bytes, request_id: UUID) -> bool:
    """Returns whether there is a tombstone for a card's request id."""
    query = select(abandoned_requests.c.request_id).where(
        abandoned_requests.c.certificate_sha256 == certificate_sha256, abandoned_requests.c.request_id == request_id
    )
    return (await connection.execute(query)).first() is not None


async def stage(connection: AsyncConnection, request: StagingRequest, *, reserves: bool, now: datetime) -> bool:
    """Stores contacts as pending; returns whether they were stored.

    They are not where the request id is used already, where another registration of the card is pending in the
    category, or where the bidder's representative contact is reserved already (`reserves`: this request reserves it
    too). Waits for a concurrent transaction that is about to do one of these.
    """
    card_contact_id, representative_contact_id = uuid4(), uuid4()
    new = {card_contact_id: request.card_contact.contact}
    if request.representative_contact is not None:
        new[representative_contact_id] = request.representative_contact.contact
    await contacts.insert_contacts(connection, new)
    inserted = await connection.execute(
        insert(staged_registrations)
        .values(
            certificate_sha256=request.certificate_sha256,
            request_id=request.request_id,
            request_sha256=request.request_sha256,
            agency=request.agency,
            category=request.category,
            bidder_id=request.company.bidder_id,
            company=asdict(request.company),
            card_contact_id=card_contact_id,
            representative_contact_id=representative_contact_id if representative_contact_id in new else None,
            person_in_charge=request.person_in_charge,
            reserves_representative=reserves,
            state=StagedState.PENDING,
            staged_at=now,
        )
        .on_conflict_do_nothing()
        .returning(staged_registrations.c.request_id)
    )
    if inserted.first() is not None:
        return True
    await contacts.delete_contacts(connection, list(new))
    return False


async def find_pending(connection: AsyncConnection, certificate_sha256: bytes, category: str) -> UUID | None:
    """Returns the request id of a card's pending registration in a category; None where there is none."""
    request_id: UUID | None = await connection.scalar(
        select(staged_registrations.c.request_id).where(
            staged_registrations.c.certificate_sha256 == certificate_sha256,
            staged_registrations.c.category == category,
            staged_registrations.c.state == StagedState.PENDING,
        )
    )
    return request_id


async def find_reservation(connection: AsyncConnection, bidder_id: str, category: str) -> Reservation | None:
    """Returns the reservation of a bidder's representative contact in a category; None where there is none."""
    row = (
        await connection.execute(
            select(
                staged_registrations.c.certificate_sha256,
                staged_registrations.c.request_id,
                staged_registrations.c.state,
                staged_registrations.c.staged_at,
            ).where(
                staged_registrations.c.bidder_id == bidder_id,
                staged_registrations.c.category == category,
                staged_registrations.c.reserves_representative,
            )
        )
    ).one_or_none()
    return Reservation(row[0], row[1], StagedState(row[2]), row[3]) if row is not None else None


async def list_pending(
    connection: AsyncConnection, before: datetime, *, after: tuple[datetime, bytes, UUID] | None = None, limit: int
) -> Sequence[tuple[datetime, bytes, UUID]]:
    """Returns pending registrations staged before an instant: at most `limit`, oldest first, those after `after` only.

    Each is when it was staged, the certificate's SHA-256 and the request id.
    """
    place = (
        staged_registrations.c.staged_at,
        staged_registrations.c.certificate_sha256,
        staged_registrations.c.request_id,
    )
    query = select(*place).where(
        staged_registrations.c.state == StagedState.PENDING, staged_registrations.c.staged_at < before
    )
    if after is not None:
        query = query.where(
            tuple_(*place) > tuple_(*(literal(value, part.type) for value, part in zip(after, place, strict=True)))
        )
    rows = await connection.execute(query.order_by(*place).limit(limit))
    return [(staged_at, certificate_sha256, request_id) for staged_at, certificate_sha256, request_id in rows]


async def activate(connection: AsyncConnection, commits: Sequence[tuple[StagedRegistration, Registration]]) -> None:
    """Activates staged contacts, unless a newer registration's are active, and links them to their registrations."""
    await contacts.activate_representative_contacts(
        connection,
        [
            (staged.representative_contact_id, registration)
            for staged, registration in commits
            if staged.representative_contact_id is not None
        ],
    )
    await contacts.activate_card_contacts(
        connection, [(staged.card_contact_id, registration) for staged, registration in commits]
    )
    active = await contacts.list_representative_contact_ids(
        connection,
        {
            (registration.bidder_id, registration.category)
            for staged, registration in commits
            if staged.representative_contact_id is None
        },
    )
    new = values(
        column("certificate_sha256", LargeBinary),
        column("request_id", Uuid),
        column("registration_id", Uuid),
        column("representative_contact_id", Uuid),
        name="new",
    ).data(
        [
            (
                staged.certificate_sha256,
                staged.request_id,
                registration.registration_id,
                staged.representative_contact_id or active.get((registration.bidder_id, registration.category)),
            )
            for staged, registration in commits
        ]
    )
    await connection.execute(
        update(staged_registrations)
        .where(_has_key(new.c.certificate_sha256, new.c.request_id))
        .values(
            state=StagedState.ACTIVE,
            registration_id=new.c.registration_id,
            # Where no act has one, the column holds only NULL, which PostgreSQL takes for a text.
            representative_contact_id=cast(new.c.representative_contact_id, Uuid),
        )
    )


async def end_pending(
    connection: AsyncConnection, requests: Collection[tuple[bytes, UUID]], state: StagedState
) -> Sequence[tuple[bytes, UUID]]:
    """Ends pending registrations that do not become active, and their reservations; returns those that it ended.

    One that was taken for committed may still turn out not to be signed.
    """
    rows = await connection.execute(
        update(staged_registrations)
        .where(_is_one_of(requests), staged_registrations.c.state.in_((StagedState.PENDING, StagedState.COMMITTED)))
        .values(state=state, reserves_representative=False)
        .returning(staged_registrations.c.certificate_sha256, staged_registrations.c.request_id)
    )
    return [(certificate_sha256, request_id) for certificate_sha256, request_id in rows]


async def abandon(connection: AsyncConnection, certificate_sha256: bytes, request_id: UUID, *, now: datetime) -> None:
    """Deletes a pending registration with its contacts and leaves a tombstone; an active one is not changed."""
    row = (
        await connection.execute(
            delete(staged_registrations)
            .where(_has_key(certificate_sha256, request_id), staged_registrations.c.state == StagedState.PENDING)
            .returning(staged_registrations.c.card_contact_id, staged_registrations.c.representative_contact_id)
        )
    ).one_or_none()
    if row is None:
        return
    await contacts.delete_contacts(connection, [contact_id for contact_id in row if contact_id is not None])
    await connection.execute(
        insert(abandoned_requests)
        .values(certificate_sha256=certificate_sha256, request_id=request_id, abandoned_at=now)
        .on_conflict_do_nothing()
    )


async def delete_tombstones(connection: AsyncConnection, before: datetime) -> None:
    """Deletes the tombstones left before an instant."""
    await connection.execute(delete(abandoned_requests).where(abandoned_requests.c.abandoned_at < before))


def read_company(stored: Mapping[str, Any]) -> Company:
    """Returns the company of a column `company`."""
    return Company(**{**stored, "grades": tuple(Grade(**grade) for grade in stored["grades"])})


def _has_key(
    certificate_sha256: bytes | ColumnElement[bytes], request_id: UUID | ColumnElement[UUID]
) -> ColumnElement[bool]:
    return and_(
        staged_registrations.c.certificate_sha256 == certificate_sha256,
        staged_registrations.c.request_id == request_id,
    )


def _is_one_of(requests: Collection[tuple[bytes, UUID]]) -> ColumnElement[bool]:
    """Returns the condition on the key: two arrays, as a bulk list has more keys than a statement may have values."""
    wanted = select(
        func.unnest(literal([certificate_sha256 for certificate_sha256, _ in requests], ARRAY(LargeBinary))),
        func.unnest(literal([request_id for _, request_id in requests], ARRAY(Uuid))),
    )
    return tuple_(staged_registrations.c.certificate_sha256, staged_registrations.c.request_id).in_(wanted)


def _by_request(rows: Result[Any]) -> Mapping[tuple[bytes, UUID], StagedRegistration]:
    return {(row["certificate_sha256"], row["request_id"]): _read_staged(row) for row in rows.mappings()}


def _read_staged(row: RowMapping) -> StagedRegistration:
    return StagedRegistration(
        certificate_sha256=row["certificate_sha256"],
        request_id=row["request_id"],
        request_sha256=row["request_sha256"],
        agency=row["agency"],
        category=row["category"],
        company=read_company(row["company"]),
        card_contact_id=row["card_contact_id"],
        representative_contact_id=row["representative_contact_id"],
        person_in_charge=row["person_in_charge"],
        state=StagedState(row["state"]),
        staged_at=row["staged_at"],
    )
