"""Contacts, and which of them are active for a bidder or a card."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Exists, delete, select, tuple_
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification.domain.contact import Contact
from contact_notification.domain.registration import Registration
from contact_notification.store.tables import card_contacts, contacts, registrations, representative_contacts

_CONTACT_COLUMNS = [contacts.c[field.name] for field in fields(Contact)]


async def get_contact(connection: AsyncConnection, contact_id: UUID) -> Contact:
    """Returns the contact with this id; raises LookupError where there is none."""
    row = (await connection.execute(select(*_CONTACT_COLUMNS).where(contacts.c.contact_id == contact_id))).one_or_none()
    if row is None:
        raise LookupError(f"there is no contact {contact_id}")
    return Contact(*row)


async def list_mail_addresses(connection: AsyncConnection, contact_ids: Iterable[UUID]) -> Mapping[UUID, str]:
    """Returns the mail addresses of these contacts, by contact id."""
    rows = await connection.execute(
        select(contacts.c.contact_id, contacts.c.mail_address).where(contacts.c.contact_id.in_(list(contact_ids)))
    )
    return {contact_id: address for contact_id, address in rows}


async def insert_contacts(connection: AsyncConnection, new: Mapping[UUID, Contact]) -> None:
    """Inserts contacts under their ids."""
    await connection.execute(
        insert(contacts).values([{"contact_id": contact_id, **asdict(contact)} for contact_id, contact in new.items()])
    )


async def delete_contacts(connection: AsyncConnection, contact_ids: Sequence[UUID]) -> None:
    """Deletes contacts."""
    await connection.execute(delete(contacts).where(contacts.c.contact_id.in_(contact_ids)))


async def activate_representative_contact(
    connection: AsyncConnection, contact_id: UUID, registration: Registration
) -> None:
    """Activates a representative contact for the registration's bidder, unless that of a newer registration is active.

    Of two registrations of the same instant, the one with the greater contact id counts as newer.
    """
    await _activate(
        connection,
        insert(representative_contacts).values(
            bidder_id=registration.bidder_id,
            category=registration.category,
            contact_id=contact_id,
            counts_from=registration.registered_at,
        ),
        key=("bidder_id", "category"),
    )


async def activate_card_contact(connection: AsyncConnection, contact_id: UUID, registration: Registration) -> None:
    """Activates a contact for the registration's card, as `activate_representative_contact` does for the bidder."""
    await _activate(
        connection,
        insert(card_contacts).values(
            certificate_sha256=registration.certificate_sha256,
            category=registration.category,
            bidder_id=registration.bidder_id,
            contact_id=contact_id,
            counts_from=registration.registered_at,
        ),
        key=("certificate_sha256", "category"),
    )


async def find_representative_contact_id(connection: AsyncConnection, bidder_id: str, category: str) -> UUID | None:
    """Returns the id of the active representative contact of a bidder in a category; None where there is none."""
    contact_id: UUID | None = await connection.scalar(
        select(representative_contacts.c.contact_id).where(
            representative_contacts.c.bidder_id == bidder_id, representative_contacts.c.category == category
        )
    )
    return contact_id


async def list_contacts_of_other_cards(
    connection: AsyncConnection, bidder_id: str, certificate_sha256: bytes
) -> Sequence[UUID]:
    """Returns the ids of the active contacts of a bidder's other cards, in every category, oldest first."""
    rows = await connection.scalars(
        select(card_contacts.c.contact_id)
        .where(card_contacts.c.bidder_id == bidder_id, card_contacts.c.certificate_sha256 != certificate_sha256)
        .order_by(card_contacts.c.counts_from, card_contacts.c.contact_id)
    )
    return list(rows)


async def find_representative_contact(
    connection: AsyncConnection, agency: str, category: str, bidder_id: str
) -> Contact | None:
    """Returns the active representative contact of a bidder that is registered at this agency."""
    query = (
        select(*_CONTACT_COLUMNS)
        .join(representative_contacts, representative_contacts.c.contact_id == contacts.c.contact_id)
        .where(
            representative_contacts.c.bidder_id == bidder_id,
            representative_contacts.c.category == category,
            _is_registered(agency, category, bidder_id),
        )
    )
    row = (await connection.execute(query)).one_or_none()
    return Contact(*row) if row is not None else None


async def find_card_contact(
    connection: AsyncConnection, agency: str, category: str, bidder_id: str, certificate_sha256: bytes
) -> Contact | None:
    """Returns the active contact of a bidder's card that is registered at this agency."""
    query = (
        select(*_CONTACT_COLUMNS)
        .join(card_contacts, card_contacts.c.contact_id == contacts.c.contact_id)
        .where(
            card_contacts.c.certificate_sha256 == certificate_sha256,
            card_contacts.c.category == category,
            card_contacts.c.bidder_id == bidder_id,
            _is_registered(agency, category, bidder_id, registrations.c.certificate_sha256 == certificate_sha256),
        )
    )
    row = (await connection.execute(query)).one_or_none()
    return Contact(*row) if row is not None else None


def _is_registered(agency: str, category: str, bidder_id: str, *more: ColumnElement[bool]) -> Exists:
    """Returns the condition that the bidder is registered at the agency in the category, with the conditions `more`."""
    return (
        select(registrations.c.registration_id)
        .where(
            registrations.c.agency == agency,
            registrations.c.category == category,
            registrations.c.bidder_id == bidder_id,
            *more,
        )
        .exists()
    )


async def _activate(connection: AsyncConnection, statement: Insert, *, key: Sequence[str]) -> None:
    table: Any = statement.table
    active = tuple_(table.c.counts_from, table.c.contact_id)
    new = tuple_(statement.excluded.counts_from, statement.excluded.contact_id)
    changes = {name: statement.excluded[name] for name in ("contact_id", "counts_from", "bidder_id") if name in table.c}
    await connection.execute(
        statement.on_conflict_do_update(index_elements=list(key), set_=changes, where=active < new)
    )
