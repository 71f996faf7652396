"""SQL: one function per question or change. The transaction is the caller's."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, and_, delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification.domain import (
    Company,
    Contact,
    Grade,
    Mail,
    MailKind,
    Registration,
    RegistrationEvent,
    Reservation,
    Staged,
    StagedState,
    StagingRequest,
)
from contact_notification.tables import (
    abandoned_requests,
    card_contacts,
    contacts,
    mails,
    registrations,
    representative_contacts,
    staged_registrations,
)

_CONTACT_COLUMNS = [contacts.c[field.name] for field in fields(Contact)]


async def contact(connection: AsyncConnection, contact_id: UUID) -> Contact:
    """The contact with this id; LookupError where there is none."""
    row = (await connection.execute(select(*_CONTACT_COLUMNS).where(contacts.c.contact_id == contact_id))).one_or_none()
    if row is None:
        raise LookupError(f"there is no contact {contact_id}")
    return Contact(*row)


async def mail_addresses(connection: AsyncConnection, contact_ids: Iterable[UUID]) -> Mapping[UUID, str]:
    """The mail addresses of these contacts."""
    rows = await connection.execute(
        select(contacts.c.contact_id, contacts.c.mail_address).where(contacts.c.contact_id.in_(list(contact_ids)))
    )
    return {contact_id: address for contact_id, address in rows}


async def staged(
    connection: AsyncConnection, certificate_sha256: bytes, request_id: UUID, *, lock: bool = False
) -> Staged | None:
    """What is staged under a card's request id, pending or active; `lock` keeps it for this transaction."""
    query = select(staged_registrations).where(_staged_under(certificate_sha256, request_id))
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return _staged(row) if row is not None else None


async def is_abandoned(connection: AsyncConnection, certificate_sha256: bytes, request_id: UUID) -> bool:
    """Whether a tombstone stands for a card's request id."""
    query = select(abandoned_requests.c.request_id).where(
        abandoned_requests.c.certificate_sha256 == certificate_sha256, abandoned_requests.c.request_id == request_id
    )
    return (await connection.execute(query)).first() is not None


async def stage(connection: AsyncConnection, request: StagingRequest, *, reserves: bool, now: datetime) -> bool:
    """Keeps the contacts as pending. Says False, and keeps nothing, where the request id is taken or the place of the
    representative contact is; a transaction that is just taking one of them is waited for."""
    card_contact_id, representative_contact_id = uuid4(), uuid4()
    given = request.representative_contact
    values = [{"contact_id": card_contact_id, **asdict(request.card_contact.contact)}]
    if given is not None:
        values.append({"contact_id": representative_contact_id, **asdict(given.contact)})
    await connection.execute(insert(contacts).values(values))
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
            representative_contact_id=representative_contact_id if given is not None else None,
            reserves_representative=reserves,
            state=StagedState.PENDING,
            staged_at=now,
        )
        .on_conflict_do_nothing()
        .returning(staged_registrations.c.request_id)
    )
    if inserted.first() is not None:
        return True
    await _delete_contacts(connection, [card_contact_id, representative_contact_id])
    return False


async def reservation(connection: AsyncConnection, bidder_id: str, category: str) -> Reservation | None:
    """Who holds the place of the bidder's representative contact in a category."""
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


async def pending_since(connection: AsyncConnection, before: datetime, *, most: int) -> Sequence[tuple[bytes, UUID]]:
    """The oldest registrations that were staged before an instant and are still pending, by card and request id."""
    rows = await connection.execute(
        select(staged_registrations.c.certificate_sha256, staged_registrations.c.request_id)
        .where(staged_registrations.c.state == StagedState.PENDING, staged_registrations.c.staged_at < before)
        .order_by(staged_registrations.c.staged_at)
        .limit(most)
    )
    return [(certificate_sha256, request_id) for certificate_sha256, request_id in rows]


async def abandon(connection: AsyncConnection, certificate_sha256: bytes, request_id: UUID, *, now: datetime) -> None:
    """Deletes what is pending under a card's request id, contacts and all, and leaves a tombstone. What is active
    stays as it is."""
    row = (
        await connection.execute(
            delete(staged_registrations)
            .where(_staged_under(certificate_sha256, request_id), staged_registrations.c.state == StagedState.PENDING)
            .returning(staged_registrations.c.card_contact_id, staged_registrations.c.representative_contact_id)
        )
    ).one_or_none()
    if row is None:
        return
    await _delete_contacts(connection, [contact_id for contact_id in row if contact_id is not None])
    await connection.execute(
        insert(abandoned_requests)
        .values(certificate_sha256=certificate_sha256, request_id=request_id, abandoned_at=now)
        .on_conflict_do_nothing()
    )


async def forget_tombstones(connection: AsyncConnection, before: datetime) -> None:
    """Deletes tombstones that were left before an instant."""
    await connection.execute(delete(abandoned_requests).where(abandoned_requests.c.abandoned_at < before))


async def record_registration(connection: AsyncConnection, event: RegistrationEvent) -> bool:
    """Keeps a registration where its version is higher than the one held, and locks its row for this transaction.
    Says whether it was."""
    registration = event.registration
    values = {
        "agency": registration.agency,
        "category": registration.category,
        "certificate_sha256": registration.certificate_sha256,
        "bidder_id": registration.bidder_id,
        "registered_at": registration.registered_at,
        "card_serial": event.card_serial,
        "version_epoch": registration.version.epoch,
        "version_number": registration.version.number,
    }
    statement = insert(registrations).values(registration_id=registration.registration_id, **values)
    held = tuple_(registrations.c.version_epoch, registrations.c.version_number)
    new = tuple_(statement.excluded.version_epoch, statement.excluded.version_number)
    # The conflicting row is locked first and then compared, so two deliveries at the same time can't both be newer.
    kept = await connection.execute(
        statement.on_conflict_do_update(index_elements=["registration_id"], set_=values, where=held < new).returning(
            registrations.c.registration_id
        )
    )
    return kept.first() is not None


async def activate(connection: AsyncConnection, staged: Staged, registration: Registration) -> None:
    """Makes staged contacts the ones that stand, unless those of a newer registration do, and ties the staged row to
    its registration."""
    if staged.representative_contact_id is not None:
        await _make_stand(
            connection,
            insert(representative_contacts).values(
                bidder_id=registration.bidder_id,
                category=registration.category,
                contact_id=staged.representative_contact_id,
                counts_from=registration.registered_at,
            ),
            ["bidder_id", "category"],
        )
    await _make_stand(
        connection,
        insert(card_contacts).values(
            certificate_sha256=registration.certificate_sha256,
            category=registration.category,
            bidder_id=registration.bidder_id,
            contact_id=staged.card_contact_id,
            counts_from=registration.registered_at,
        ),
        ["certificate_sha256", "category"],
    )
    standing = await representative_contact_id(connection, registration.bidder_id, registration.category)
    await connection.execute(
        update(staged_registrations)
        .where(_staged_under(staged.certificate_sha256, staged.request_id))
        .values(
            state=StagedState.ACTIVE,
            registration_id=registration.registration_id,
            representative_contact_id=staged.representative_contact_id or standing,
        )
    )


async def representative_contact_id(connection: AsyncConnection, bidder_id: str, category: str) -> UUID | None:
    """The id of the representative contact that stands for a bidder in a category."""
    found: UUID | None = await connection.scalar(
        select(representative_contacts.c.contact_id).where(
            representative_contacts.c.bidder_id == bidder_id, representative_contacts.c.category == category
        )
    )
    return found


async def contacts_of_other_cards(
    connection: AsyncConnection, bidder_id: str, certificate_sha256: bytes
) -> Sequence[UUID]:
    """The standing contacts of a bidder's other cards, in whatever category, in the order in which they came."""
    rows = await connection.scalars(
        select(card_contacts.c.contact_id)
        .where(card_contacts.c.bidder_id == bidder_id, card_contacts.c.certificate_sha256 != certificate_sha256)
        .order_by(card_contacts.c.counts_from, card_contacts.c.contact_id)
    )
    return list(rows)


async def representative_contact_for(
    connection: AsyncConnection, agency: str, category: str, bidder_id: str
) -> Contact | None:
    """The representative contact of a bidder, where it is registered at this agency."""
    registered = (
        select(registrations.c.registration_id)
        .where(
            registrations.c.agency == agency,
            registrations.c.category == category,
            registrations.c.bidder_id == bidder_id,
        )
        .exists()
    )
    query = (
        select(*_CONTACT_COLUMNS)
        .join(representative_contacts, representative_contacts.c.contact_id == contacts.c.contact_id)
        .where(
            representative_contacts.c.bidder_id == bidder_id,
            representative_contacts.c.category == category,
            registered,
        )
    )
    row = (await connection.execute(query)).one_or_none()
    return Contact(*row) if row is not None else None


async def card_contact_for(
    connection: AsyncConnection, agency: str, category: str, bidder_id: str, certificate_sha256: bytes
) -> Contact | None:
    """The contact of a card of a bidder, where that card is registered at this agency."""
    registered = (
        select(registrations.c.registration_id)
        .where(
            registrations.c.agency == agency,
            registrations.c.category == category,
            registrations.c.bidder_id == bidder_id,
            registrations.c.certificate_sha256 == certificate_sha256,
        )
        .exists()
    )
    query = (
        select(*_CONTACT_COLUMNS)
        .join(card_contacts, card_contacts.c.contact_id == contacts.c.contact_id)
        .where(
            card_contacts.c.certificate_sha256 == certificate_sha256,
            card_contacts.c.category == category,
            card_contacts.c.bidder_id == bidder_id,
            registered,
        )
    )
    row = (await connection.execute(query)).one_or_none()
    return Contact(*row) if row is not None else None


async def write_mails(
    connection: AsyncConnection, registration_id: UUID, chosen: Mapping[UUID, MailKind], *, domain: str, now: datetime
) -> Sequence[UUID]:
    """Puts one mail per contact into the outbox, and gives the ids of those that were not there yet. Their
    Message-IDs (RFC 5322) end in `domain`."""
    mail_ids = {contact_id: uuid4() for contact_id in chosen}
    rows = await connection.scalars(
        insert(mails)
        .values(
            [
                {
                    "mail_id": mail_ids[contact_id],
                    "message_id": f"<{mail_ids[contact_id]}@{domain}>",
                    "kind": kind,
                    "registration_id": registration_id,
                    "contact_id": contact_id,
                    "state": "written",
                    "written_at": now,
                }
                for contact_id, kind in chosen.items()
            ]
        )
        .on_conflict_do_nothing(index_elements=["registration_id", "contact_id"])
        .returning(mails.c.mail_id)
    )
    return list(rows)


async def mail_to_send(connection: AsyncConnection, mail_id: UUID) -> Mail | None:
    """A mail of the outbox, or None where it was sent, has failed, or is not there any more."""
    recipient, card_contact = contacts.alias(), contacts.alias()
    query = (
        select(mails, registrations.c.agency, registrations.c.category, registrations.c.registered_at)
        .add_columns(registrations.c.card_serial, staged_registrations.c.company)
        .add_columns(*(recipient.c[field.name].label(f"recipient_{field.name}") for field in fields(Contact)))
        .add_columns(*(card_contact.c[field.name].label(f"card_contact_{field.name}") for field in fields(Contact)))
        .join(registrations, registrations.c.registration_id == mails.c.registration_id)
        .join(staged_registrations, staged_registrations.c.registration_id == mails.c.registration_id)
        .join(recipient, recipient.c.contact_id == mails.c.contact_id)
        .join(card_contact, card_contact.c.contact_id == staged_registrations.c.card_contact_id)
        .where(mails.c.mail_id == mail_id, mails.c.state == "written")
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    return Mail(
        mail_id=row["mail_id"],
        message_id=row["message_id"],
        kind=MailKind(row["kind"]),
        written_at=row["written_at"],
        recipient=Contact(*(row[f"recipient_{field.name}"] for field in fields(Contact))),
        card_contact=Contact(*(row[f"card_contact_{field.name}"] for field in fields(Contact))),
        company=_company(row["company"]),
        agency=row["agency"],
        category=row["category"],
        registered_at=row["registered_at"],
        card_serial=row["card_serial"],
    )


async def mail_sent(connection: AsyncConnection, mail_id: UUID, *, now: datetime) -> None:
    """Records that the mail server took a mail."""
    await connection.execute(
        update(mails).where(mails.c.mail_id == mail_id, mails.c.state == "written").values(state="sent", sent_at=now)
    )


async def mail_failed(connection: AsyncConnection, mail_id: UUID, *, smtp_code: int | None, now: datetime) -> None:
    """Records that no further try will bring a mail; `smtp_code` is None where it could not even be offered."""
    await connection.execute(
        update(mails)
        .where(mails.c.mail_id == mail_id, mails.c.state == "written")
        .values(state="failed", failed_at=now, smtp_code=smtp_code)
    )


async def _make_stand(connection: AsyncConnection, statement: Any, key: Sequence[str]) -> None:
    """The registration of the latest instant counts; of the same instant, the one with the greater contact id."""
    table = statement.table
    held = tuple_(table.c.counts_from, table.c.contact_id)
    new = tuple_(statement.excluded.counts_from, statement.excluded.contact_id)
    changed = {name: statement.excluded[name] for name in ("contact_id", "counts_from", "bidder_id") if name in table.c}
    await connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed, where=held < new))


async def _delete_contacts(connection: AsyncConnection, contact_ids: Sequence[UUID]) -> None:
    await connection.execute(delete(contacts).where(contacts.c.contact_id.in_(contact_ids)))


def _staged_under(certificate_sha256: bytes, request_id: UUID) -> Any:
    return and_(
        staged_registrations.c.certificate_sha256 == certificate_sha256,
        staged_registrations.c.request_id == request_id,
    )


def _company(kept: Mapping[str, Any]) -> Company:
    values = dict(kept)
    return Company(**{**values, "grades": tuple(Grade(**grade) for grade in values["grades"])})


def _staged(row: RowMapping) -> Staged:
    return Staged(
        certificate_sha256=row["certificate_sha256"],
        request_id=row["request_id"],
        request_sha256=row["request_sha256"],
        agency=row["agency"],
        category=row["category"],
        company=_company(row["company"]),
        card_contact_id=row["card_contact_id"],
        representative_contact_id=row["representative_contact_id"],
        state=StagedState(row["state"]),
        staged_at=row["staged_at"],
    )
