"""Contacts, and which of them are active for a bidder or a card."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Exists, Table, any_, delete, literal, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification.domain.card_state import Registration
from contact_notification.domain.contact import Contact
from contact_notification.store.tables import card_contacts, card_states, contacts, representative_contacts

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


async def activate_representative_contacts(
    connection: AsyncConnection, given: Sequence[tuple[UUID, Registration]]
) -> None:
    """Activates representative contacts for the bidders of their registrations, given as (contact id, registration).

    Where that of a newer registration is active, it stays. Of two registrations of the same instant, the one with the
    greater contact id counts as newer.
    """
    rows = [
        {
            "bidder_id": registration.bidder_id,
            "category": registration.category,
            "contact_id": contact_id,
            "counts_from": registration.registered_at,
        }
        for contact_id, registration in given
    ]
    await _activate(connection, representative_contacts, rows, key=("bidder_id", "category"))


async def activate_card_contacts(connection: AsyncConnection, given: Sequence[tuple[UUID, Registration]]) -> None:
    """Activates contacts for the cards of their registrations, as `activate_representative_contacts` does."""
    rows = [
        {
            "certificate_sha256": registration.certificate_sha256,
            "category": registration.category,
            "bidder_id": registration.bidder_id,
            "contact_id": contact_id,
            "counts_from": registration.registered_at,
        }
        for contact_id, registration in given
    ]
    await _activate(connection, card_contacts, rows, key=("certificate_sha256", "category"))


async def find_representative_contact_id(connection: AsyncConnection, bidder_id: str, category: str) -> UUID | None:
    """Returns the id of the active representative contact of a bidder in a category; None where there is none."""
    contact_id: UUID | None = await connection.scalar(
        select(representative_contacts.c.contact_id).where(
            representative_contacts.c.bidder_id == bidder_id, representative_contacts.c.category == category
        )
    )
    return contact_id


async def list_representative_contact_ids(
    connection: AsyncConnection, owners: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], UUID]:
    """Returns the ids of the active representative contacts of these owners, by (bidder id, category)."""
    key = tuple_(representative_contacts.c.bidder_id, representative_contacts.c.category)
    rows = await connection.execute(select(representative_contacts).where(key.in_(list(owners))))
    return {(row.bidder_id, row.category): row.contact_id for row in rows}


async def list_card_contact_ids(
    connection: AsyncConnection, owners: Collection[tuple[bytes, str]]
) -> Mapping[tuple[bytes, str], tuple[str, UUID]]:
    """Returns bidder and contact id of the active contacts of these owners, by (certificate's SHA-256, category)."""
    key = tuple_(card_contacts.c.certificate_sha256, card_contacts.c.category)
    rows = await connection.execute(select(card_contacts).where(key.in_(list(owners))))
    return {(row.certificate_sha256, row.category): (row.bidder_id, row.contact_id) for row in rows}


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
            _is_registered(agency, category, bidder_id, card_states.c.certificate_sha256 == certificate_sha256),
        )
    )
    row = (await connection.execute(query)).one_or_none()
    return Contact(*row) if row is not None else None


def _is_registered(agency: str, category: str, bidder_id: str, *more: ColumnElement[bool]) -> Exists:
    """Returns the condition that a card of the bidder is registered at the agency, with the conditions `more`."""
    return (
        select(card_states.c.certificate_sha256)
        .where(
            card_states.c.bidder_id == bidder_id,
            card_states.c.category == category,
            literal(agency) == any_(card_states.c.agencies),
            *more,
        )
        .exists()
    )


async def _activate(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]
) -> None:
    """Writes the newest row of each key, in the order of the keys, so that transactions wait in turn."""
    newest = {
        tuple(row[name] for name in key): row
        for row in sorted(rows, key=lambda row: (row["counts_from"], row["contact_id"]))
    }
    if not newest:
        return
    statement = insert(table).values([newest[values] for values in sorted(newest)])
    active = tuple_(table.c.counts_from, table.c.contact_id)
    new = tuple_(statement.excluded.counts_from, statement.excluded.contact_id)
    changes = {column.name: statement.excluded[column.name] for column in table.c if column.name not in key}
    await connection.execute(
        statement.on_conflict_do_update(index_elements=list(key), set_=changes, where=active < new)
    )
