"""Staged registrations and the tombstones of abandoned ones."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import LargeBinary, Uuid, bindparam, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from contact_notification.domain.staging import (
    Company,
    Grade,
    KnownRequest,
    Reservation,
    StagedContacts,
    StagedRegistration,
    StagedState,
    StagingRequest,
)
from contact_notification.store import contacts
from contact_notification.store.tables import abandoned_requests, contact_owners, staged_registrations
from contact_notification.store.tables import contacts as _contacts
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement

# Before every pending registration, in the order in which they are listed.
FIRST = (datetime(1970, 1, 1, tzinfo=UTC), b"", UUID(int=0))

_staged = staged_registrations.c
COLUMNS = [_staged[field.name] for field in fields(StagedRegistration)]
_HAS_KEY = (_staged.certificate_sha256 == bindparam("certificate_sha256")) & (
    _staged.request_id == bindparam("request_id")
)
# Two arrays, as a bulk list has more keys than a statement may have values.
_IS_ONE_OF = tuple_(_staged.certificate_sha256, _staged.request_id).in_(
    select(
        func.unnest(bindparam("certificates", type_=ARRAY(LargeBinary))),
        func.unnest(bindparam("request_ids", type_=ARRAY(Uuid))),
    )
)
_IS_PENDING = _staged.state == StagedState.PENDING

_FIND = Statement(select(*COLUMNS).where(_HAS_KEY))
_LIST = Statement(select(*COLUMNS).where(_IS_ONE_OF))
_LOCK = Statement(
    select(*COLUMNS).where(_IS_ONE_OF).order_by(_staged.certificate_sha256, _staged.request_id).with_for_update()
)

# Of a request that nothing is known of there is a row too.
_FIND_KNOWN = Statement(
    select(
        select(abandoned_requests.c.request_id)
        .where(
            abandoned_requests.c.certificate_sha256 == bindparam("certificate_sha256"),
            abandoned_requests.c.request_id == bindparam("request_id"),
        )
        .exists()
        .label("is_abandoned"),
        *COLUMNS,
        _contacts.c.contact_id.label("active_contact_id"),
        *contacts.label_contact(_contacts, "active"),
    ).select_from(
        select(literal(1).label("one"))
        .subquery()
        .outerjoin(staged_registrations, _HAS_KEY)
        .outerjoin(contact_owners, contacts.is_representative(bindparam("bidder_id"), bindparam("category")))
        .outerjoin(_contacts, _contacts.c.contact_id == contact_owners.c.contact_id)
    )
)

_card_contact, _representative = _contacts.alias("card_contact"), _contacts.alias("representative")
_FIND_CONTACTS = Statement(
    select(
        _staged.company,
        _staged.person_in_charge,
        *contacts.label_contact(_card_contact, "card_contact"),
        _representative.c.contact_id.label("representative_contact_id"),
        *contacts.label_contact(_representative, "representative"),
    )
    .select_from(staged_registrations)
    .join(_card_contact, _card_contact.c.contact_id == _staged.card_contact_id)
    .outerjoin(contact_owners, contacts.is_representative(_staged.bidder_id, _staged.category))
    .outerjoin(
        _representative,
        _representative.c.contact_id == func.coalesce(_staged.representative_contact_id, contact_owners.c.contact_id),
    )
    .where(_HAS_KEY)
)

# The contacts that it refers to are checked when the statement ends, so that none is written where it is not staged.
_STAGE = Statement(
    text(
        """
        WITH staged AS (
            INSERT INTO staged_registrations (
                certificate_sha256, request_id, request_sha256, agency, category, bidder_id, company, card_contact_id,
                representative_contact_id, person_in_charge, reserves_representative, state, staged_at
            )
            VALUES (
                :certificate_sha256, :request_id, :request_sha256, :agency, :category, :bidder_id, :company,
                :card_contact_id, :representative_contact_id, :person_in_charge, :reserves, 'pending', :now
            )
            ON CONFLICT DO NOTHING
            RETURNING request_id
        )
        INSERT INTO contacts (
            contact_id, department, postal_code, address, person_name, telephone, fax, mail_address
        )
        SELECT contact_id, department, postal_code, address, person_name, telephone, fax, mail_address
        FROM staged, jsonb_to_recordset(:contacts) AS contact (
            contact_id uuid, department text, postal_code text, address text, person_name text, telephone text,
            fax text, mail_address text
        )
        """
    ).bindparams(bindparam("company", type_=JSONB), bindparam("contacts", type_=JSONB))
)

_FIND_PENDING = Statement(
    select(_staged.request_id).where(
        _staged.certificate_sha256 == bindparam("certificate_sha256"),
        _staged.category == bindparam("category"),
        _IS_PENDING,
    )
)

_FIND_RESERVATION = Statement(
    select(_staged.certificate_sha256, _staged.request_id, _staged.state, _staged.staged_at).where(
        _staged.bidder_id == bindparam("bidder_id"),
        _staged.category == bindparam("category"),
        _staged.reserves_representative,
    )
)

_place = (_staged.staged_at, _staged.certificate_sha256, _staged.request_id)
_LIST_PENDING = Statement(
    select(*_place)
    .where(
        _IS_PENDING,
        _staged.staged_at < bindparam("before"),
        tuple_(*_place)
        > tuple_(
            bindparam("after_staged_at", type_=_staged.staged_at.type),
            bindparam("after_certificate_sha256", type_=LargeBinary),
            bindparam("after_request_id", type_=Uuid),
        ),
    )
    .order_by(*_place)
    .limit(bindparam("most"))
)

_END_PENDING = Statement(
    text(
        """
        UPDATE staged_registrations AS staged SET state = :state, reserves_representative = false
        FROM unnest(CAST(:certificates AS bytea[]), CAST(:request_ids AS uuid[]))
            AS ended (certificate_sha256, request_id)
        WHERE staged.certificate_sha256 = ended.certificate_sha256 AND staged.request_id = ended.request_id
            AND staged.state IN ('pending', 'committed')
        RETURNING staged.certificate_sha256, staged.request_id
        """
    )
)

_ABANDON = Statement(
    text(
        """
        WITH abandoned AS (
            DELETE FROM staged_registrations
            WHERE certificate_sha256 = :certificate_sha256 AND request_id = :request_id AND state = 'pending'
            RETURNING certificate_sha256, request_id, card_contact_id, representative_contact_id
        ), without_contacts AS (
            DELETE FROM contacts USING abandoned
            WHERE contact_id IN (abandoned.card_contact_id, abandoned.representative_contact_id)
        )
        INSERT INTO abandoned_requests (certificate_sha256, request_id, abandoned_at)
        SELECT certificate_sha256, request_id, :now FROM abandoned
        ON CONFLICT DO NOTHING
        """
    )
)

_DELETE_TOMBSTONES = write_deletion(
    abandoned_requests,
    abandoned_requests.c.abandoned_at < bindparam("before"),
    oldest=abandoned_requests.c.abandoned_at,
)


async def find_staged(connection: Connection, certificate_sha256: bytes, request_id: UUID) -> StagedRegistration | None:
    """Returns what is staged under a card's request id, pending or active."""
    row = await connection.fetch_row(_FIND, certificate_sha256=certificate_sha256, request_id=request_id)
    return read_staged(row) if row is not None else None


async def list_staged(
    connection: Connection, requests: Collection[tuple[bytes, UUID]]
) -> Mapping[tuple[bytes, UUID], StagedRegistration]:
    """Returns what is staged under these requests, by (certificate's SHA-256, request id), pending or active."""
    return _by_request(await connection.fetch_rows(_LIST, **_divide(requests)))


async def lock_staged(
    connection: Connection, requests: Collection[tuple[bytes, UUID]]
) -> Mapping[tuple[bytes, UUID], StagedRegistration]:
    """Returns what `list_staged` returns, locked for this transaction in the order of the requests."""
    return _by_request(await connection.fetch_rows(_LOCK, **_divide(requests)))


async def find_known(connection: Connection, request: StagingRequest) -> KnownRequest:
    """Returns what is known of a request: its tombstone, what it has staged, and the bidder's active contact."""
    row = await connection.fetch_row(
        _FIND_KNOWN,
        certificate_sha256=request.certificate_sha256,
        request_id=request.request_id,
        bidder_id=request.company.bidder_id,
        category=request.category,
    )
    return KnownRequest(
        row.is_abandoned,
        read_staged(row) if row.request_id is not None else None,
        contacts.read_contact(row, "active") if row.active_contact_id is not None else None,
    )


async def find_staged_contacts(
    connection: Connection, certificate_sha256: bytes, request_id: UUID
) -> StagedContacts | None:
    """Returns the contacts that are staged under a card's request id, pending or active."""
    row = await connection.fetch_row(_FIND_CONTACTS, certificate_sha256=certificate_sha256, request_id=request_id)
    if row is None:
        return None
    return StagedContacts(
        read_company(row.company),
        contacts.read_contact(row, "card_contact"),
        contacts.read_contact(row, "representative") if row.representative_contact_id is not None else None,
        row.person_in_charge,
    )


async def stage(connection: Connection, request: StagingRequest, *, reserves: bool, now: datetime) -> bool:
    """Stores contacts as pending; returns whether they were stored.

    They are not where the request id is used already, where another registration of the card is pending in the
    category, or where the bidder's representative contact is reserved already (`reserves`: this request reserves it
    too). Waits for a concurrent transaction that is about to do one of these.
    """
    new = {uuid4(): request.card_contact.contact}
    if request.representative_contact is not None:
        new[uuid4()] = request.representative_contact.contact
    card_contact_id, representative_contact_id, *_ = (*new, None)
    written = await connection.change(
        _STAGE,
        certificate_sha256=request.certificate_sha256,
        request_id=request.request_id,
        request_sha256=request.request_sha256,
        agency=request.agency,
        category=request.category,
        bidder_id=request.company.bidder_id,
        company=asdict(request.company),
        card_contact_id=card_contact_id,
        representative_contact_id=representative_contact_id,
        person_in_charge=request.person_in_charge,
        reserves=reserves,
        now=now,
        contacts=[{"contact_id": str(contact_id), **asdict(contact)} for contact_id, contact in new.items()],
    )
    return written > 0


async def find_pending(connection: Connection, certificate_sha256: bytes, category: str) -> UUID | None:
    """Returns the request id of a card's pending registration in a category; None where there is none."""
    request_id: UUID | None = await connection.fetch_value(
        _FIND_PENDING, certificate_sha256=certificate_sha256, category=category
    )
    return request_id


async def find_reservation(connection: Connection, bidder_id: str, category: str) -> Reservation | None:
    """Returns the reservation of a bidder's representative contact in a category; None where there is none."""
    row = await connection.fetch_row(_FIND_RESERVATION, bidder_id=bidder_id, category=category)
    return Reservation(row[0], row[1], StagedState(row[2]), row[3]) if row is not None else None


async def list_pending(
    connection: Connection, before: datetime, *, after: tuple[datetime, bytes, UUID] = FIRST, limit: int
) -> Sequence[tuple[datetime, bytes, UUID]]:
    """Returns pending registrations staged before an instant: at most `limit`, oldest first, those after `after` only.

    Each is when it was staged, the certificate's SHA-256 and the request id.
    """
    after_staged_at, after_certificate_sha256, after_request_id = after
    rows = await connection.fetch_rows(
        _LIST_PENDING,
        before=before,
        after_staged_at=after_staged_at,
        after_certificate_sha256=after_certificate_sha256,
        after_request_id=after_request_id,
        most=limit,
    )
    return [(staged_at, certificate_sha256, request_id) for staged_at, certificate_sha256, request_id in rows]


async def end_pending(
    connection: Connection, requests: Collection[tuple[bytes, UUID]], state: StagedState
) -> Sequence[tuple[bytes, UUID]]:
    """Ends pending registrations that do not become active, and their reservations; returns those that it ended.

    One that was taken for committed may still turn out not to be signed.
    """
    rows = await connection.fetch_rows(_END_PENDING, **_divide(requests), state=state)
    return [(certificate_sha256, request_id) for certificate_sha256, request_id in rows]


async def abandon(connection: Connection, certificate_sha256: bytes, request_id: UUID, *, now: datetime) -> None:
    """Deletes a pending registration with its contacts and leaves a tombstone; an active one is not changed."""
    await connection.change(_ABANDON, certificate_sha256=certificate_sha256, request_id=request_id, now=now)


async def delete_tombstones(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` tombstones left before an instant; returns how many."""
    return await connection.change(_DELETE_TOMBSTONES, before=before, most=most)


def read_company(stored: Mapping[str, Any]) -> Company:
    """Returns the company of a column `company`."""
    return Company(**{**stored, "grades": tuple(Grade(**grade) for grade in stored["grades"])})


def _divide(requests: Collection[tuple[bytes, UUID]]) -> Mapping[str, Sequence[Any]]:
    """Returns the values of `_IS_ONE_OF`."""
    return {
        "certificates": [certificate_sha256 for certificate_sha256, _ in requests],
        "request_ids": [request_id for _, request_id in requests],
    }


def _by_request(rows: Sequence[Any]) -> Mapping[tuple[bytes, UUID], StagedRegistration]:
    return {(row.certificate_sha256, row.request_id): read_staged(row) for row in rows}


def read_staged(row: Any) -> StagedRegistration:
    """Returns the registration of a row with COLUMNS."""
    return StagedRegistration(
        certificate_sha256=row.certificate_sha256,
        request_id=row.request_id,
        request_sha256=row.request_sha256,
        agency=row.agency,
        category=row.category,
        company=read_company(row.company),
        card_contact_id=row.card_contact_id,
        representative_contact_id=row.representative_contact_id,
        person_in_charge=row.person_in_charge,
        state=StagedState(row.state),
        staged_at=row.staged_at,
    )
