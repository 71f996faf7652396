"""Contacts, and which of them are active for a bidder or a card."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from uuid import UUID

from sqlalchemy import ColumnElement, Exists, LargeBinary, Table, Text, Uuid, any_, bindparam, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, insert

from contact_notification.domain.card_state import Registration
from contact_notification.domain.contact import Contact
from contact_notification.store.tables import card_contacts, card_states, contacts, representative_contacts
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_CONTACT_COLUMNS = [contacts.c[field.name] for field in fields(Contact)]

_GET = Statement(select(*_CONTACT_COLUMNS).where(contacts.c.contact_id == bindparam("contact_id")))

_LIST_MAIL_ADDRESSES = Statement(
    select(contacts.c.contact_id, contacts.c.mail_address).where(
        contacts.c.contact_id == any_(bindparam("contact_ids", type_=ARRAY(Uuid)))
    )
)

_ACTIVE_REPRESENTATIVE = (
    select(*_CONTACT_COLUMNS)
    .join(representative_contacts, representative_contacts.c.contact_id == contacts.c.contact_id)
    .where(
        representative_contacts.c.bidder_id == bindparam("bidder_id"),
        representative_contacts.c.category == bindparam("category"),
    )
)
_FIND_ACTIVE_REPRESENTATIVE = Statement(_ACTIVE_REPRESENTATIVE)

_LIST_REPRESENTATIVE_IDS = Statement(
    select(
        representative_contacts.c.bidder_id, representative_contacts.c.category, representative_contacts.c.contact_id
    ).where(
        tuple_(representative_contacts.c.bidder_id, representative_contacts.c.category).in_(
            select(
                func.unnest(bindparam("bidder_ids", type_=ARRAY(Text))),
                func.unnest(bindparam("categories", type_=ARRAY(Text))),
            )
        )
    )
)

_LIST_CARD_CONTACT_IDS = Statement(
    select(
        card_contacts.c.certificate_sha256,
        card_contacts.c.category,
        card_contacts.c.bidder_id,
        card_contacts.c.contact_id,
    ).where(
        tuple_(card_contacts.c.certificate_sha256, card_contacts.c.category).in_(
            select(
                func.unnest(bindparam("certificates", type_=ARRAY(LargeBinary))),
                func.unnest(bindparam("categories", type_=ARRAY(Text))),
            )
        )
    )
)


def _is_registered(*more: ColumnElement[bool]) -> Exists:
    """Returns the condition that a card of the bidder is registered at the agency, with the conditions `more`."""
    return (
        select(card_states.c.certificate_sha256)
        .where(
            card_states.c.bidder_id == bindparam("bidder_id"),
            card_states.c.category == bindparam("category"),
            bindparam("agency", type_=Text) == any_(card_states.c.agencies),
            *more,
        )
        .exists()
    )


_FIND_REPRESENTATIVE = Statement(_ACTIVE_REPRESENTATIVE.where(_is_registered()))

_FIND_CARD_CONTACT = Statement(
    select(*_CONTACT_COLUMNS)
    .join(card_contacts, card_contacts.c.contact_id == contacts.c.contact_id)
    .where(
        card_contacts.c.certificate_sha256 == bindparam("certificate_sha256"),
        card_contacts.c.category == bindparam("category"),
        card_contacts.c.bidder_id == bindparam("bidder_id"),
        _is_registered(card_states.c.certificate_sha256 == bindparam("certificate_sha256")),
    )
)


def _write_activation(table: Table, *key: str) -> Statement:
    """Returns the statement that writes rows, given by column as lists, unless the key has a newer one.

    Of two registrations of the same instant, the one with the greater contact id counts as newer.
    """
    lists = [func.unnest(bindparam(column.name, type_=ARRAY(column.type))) for column in table.c]
    statement = insert(table).from_select([column.name for column in table.c], select(*lists))
    active = tuple_(table.c.counts_from, table.c.contact_id)
    new = tuple_(statement.excluded.counts_from, statement.excluded.contact_id)
    changes = {column.name: statement.excluded[column.name] for column in table.c if column.name not in key}
    return Statement(statement.on_conflict_do_update(index_elements=list(key), set_=changes, where=active < new))


_ACTIVATE_REPRESENTATIVE_CONTACTS = _write_activation(representative_contacts, "bidder_id", "category")
_ACTIVATE_CARD_CONTACTS = _write_activation(card_contacts, "certificate_sha256", "category")


async def get_contact(connection: Connection, contact_id: UUID) -> Contact:
    """Returns the contact with this id; raises LookupError where there is none."""
    row = await connection.fetch_row(_GET, contact_id=contact_id)
    if row is None:
        raise LookupError(f"there is no contact {contact_id}")
    return Contact(*row)


async def list_mail_addresses(connection: Connection, contact_ids: Iterable[UUID]) -> Mapping[UUID, str]:
    """Returns the mail addresses of these contacts, by contact id."""
    return dict(await connection.fetch_rows(_LIST_MAIL_ADDRESSES, contact_ids=list(contact_ids)))


async def activate_representative_contacts(connection: Connection, given: Sequence[tuple[UUID, Registration]]) -> None:
    """Activates representative contacts for the bidders of their registrations, given as (contact id, registration).

    Where that of a newer registration is active, it stays. Of two registrations of the same instant, the one with the
    greater contact id counts as newer. They are written in the order of the bidders, so that transactions wait in turn.
    """
    newest = {
        (registration.bidder_id, registration.category): (contact_id, registration)
        for contact_id, registration in sorted(given, key=_age)
    }
    if newest:
        keys = sorted(newest)
        await connection.change(
            _ACTIVATE_REPRESENTATIVE_CONTACTS,
            bidder_id=[bidder_id for bidder_id, _ in keys],
            category=[category for _, category in keys],
            contact_id=[newest[key][0] for key in keys],
            counts_from=[newest[key][1].registered_at for key in keys],
        )


async def activate_card_contacts(connection: Connection, given: Sequence[tuple[UUID, Registration]]) -> None:
    """Activates contacts for the cards of their registrations, as `activate_representative_contacts` does."""
    newest = {
        (registration.certificate_sha256, registration.category): (contact_id, registration)
        for contact_id, registration in sorted(given, key=_age)
    }
    if newest:
        keys = sorted(newest)
        await connection.change(
            _ACTIVATE_CARD_CONTACTS,
            certificate_sha256=[certificate_sha256 for certificate_sha256, _ in keys],
            category=[category for _, category in keys],
            bidder_id=[newest[key][1].bidder_id for key in keys],
            contact_id=[newest[key][0] for key in keys],
            counts_from=[newest[key][1].registered_at for key in keys],
        )


async def find_active_representative_contact(connection: Connection, bidder_id: str, category: str) -> Contact | None:
    """Returns the active representative contact of a bidder in a category; None where there is none."""
    row = await connection.fetch_row(_FIND_ACTIVE_REPRESENTATIVE, bidder_id=bidder_id, category=category)
    return Contact(*row) if row is not None else None


async def list_representative_contact_ids(
    connection: Connection, owners: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], UUID]:
    """Returns the ids of the active representative contacts of these owners, by (bidder id, category)."""
    if not owners:
        return {}
    rows = await connection.fetch_rows(
        _LIST_REPRESENTATIVE_IDS,
        bidder_ids=[bidder_id for bidder_id, _ in owners],
        categories=[category for _, category in owners],
    )
    return {(row.bidder_id, row.category): row.contact_id for row in rows}


async def list_card_contact_ids(
    connection: Connection, owners: Collection[tuple[bytes, str]]
) -> Mapping[tuple[bytes, str], tuple[str, UUID]]:
    """Returns bidder and contact id of the active contacts of these owners, by (certificate's SHA-256, category)."""
    if not owners:
        return {}
    rows = await connection.fetch_rows(
        _LIST_CARD_CONTACT_IDS,
        certificates=[certificate_sha256 for certificate_sha256, _ in owners],
        categories=[category for _, category in owners],
    )
    return {(row.certificate_sha256, row.category): (row.bidder_id, row.contact_id) for row in rows}


async def find_representative_contact(
    connection: Connection, agency: str, category: str, bidder_id: str
) -> Contact | None:
    """Returns the active representative contact of a bidder that is registered at this agency."""
    row = await connection.fetch_row(_FIND_REPRESENTATIVE, agency=agency, category=category, bidder_id=bidder_id)
    return Contact(*row) if row is not None else None


async def find_card_contact(
    connection: Connection, agency: str, category: str, bidder_id: str, certificate_sha256: bytes
) -> Contact | None:
    """Returns the active contact of a bidder's card that is registered at this agency."""
    row = await connection.fetch_row(
        _FIND_CARD_CONTACT,
        agency=agency,
        category=category,
        bidder_id=bidder_id,
        certificate_sha256=certificate_sha256,
    )
    return Contact(*row) if row is not None else None


def _age(given: tuple[UUID, Registration]) -> tuple[object, ...]:
    contact_id, registration = given
    return registration.registered_at, contact_id
