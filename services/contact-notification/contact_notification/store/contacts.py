"""Contacts, and which of them are active for a bidder or a card."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Label, Uuid, and_, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from contact_notification.domain.contact import Contact, ContactQuery, CountingContact
from contact_notification.store.tables import contact_owners, contacts
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_CONTACT_COLUMNS = [contacts.c[field.name] for field in fields(Contact)]

_CONTACT = ", ".join(f"contacts.{field.name}" for field in fields(Contact))


def is_representative(bidder_id: ColumnElement[str], category: ColumnElement[str]) -> ColumnElement[bool]:
    """Returns the condition that a row of `contact_owners` is this bidder's of its representative contact."""
    return and_(
        contact_owners.c.bidder_id == bidder_id,
        contact_owners.c.category == category,
        contact_owners.c.purpose == "representative",
    )


_FIND_ACTIVE_REPRESENTATIVE = Statement(
    select(*_CONTACT_COLUMNS)
    .join(contact_owners, contact_owners.c.contact_id == contacts.c.contact_id)
    .where(is_representative(bindparam("bidder_id"), bindparam("category")))
)

# Each owner's contact, and those that are named by their ids: whose rows have no owner.
_LIST_MAILBOXES = Statement(
    text(
        """
        SELECT certificate_sha256, category, bidder_id, contact_id, mail_address
        FROM contact_owners JOIN contacts USING (contact_id)
        WHERE purpose = 'card' AND (certificate_sha256, category) IN (
            SELECT * FROM unnest(CAST(:certificates AS bytea[]), CAST(:card_categories AS text[]))
        )
        UNION ALL
        SELECT NULL, category, bidder_id, contact_id, mail_address
        FROM contact_owners JOIN contacts USING (contact_id)
        WHERE purpose = 'representative' AND (bidder_id, category) IN (
            SELECT * FROM unnest(CAST(:bidder_ids AS text[]), CAST(:bidder_categories AS text[]))
        )
        UNION ALL
        SELECT certificate_sha256, category, bidder_id, contact_id, mail_address
        FROM contact_owners JOIN contacts USING (contact_id)
            JOIN card_states USING (certificate_sha256, category, bidder_id)
        WHERE purpose = 'card' AND (bidder_id, category) IN (
            SELECT * FROM unnest(CAST(:whole_bidder_ids AS text[]), CAST(:whole_categories AS text[]))
        ) AND cardinality(agencies) > 0
        UNION ALL
        SELECT NULL, NULL, NULL, contact_id, mail_address FROM contacts WHERE contact_id = any(:contact_ids)
        """
    ).bindparams(bindparam("contact_ids", type_=ARRAY(Uuid)))
)


def _write_query(owner: str, card: str) -> Statement:
    """Returns the statement for the version of an owner that counts at an agency, where the bidder's `card` is good.

    An earlier version that the agency keeps comes first, then the newest of that instant.
    """
    return Statement(
        text(
            f"""
            SELECT {_CONTACT}, chosen.version, chosen.counts_from
            FROM contact_owners AS owner
                CROSS JOIN LATERAL (
                    SELECT coalesce(
                        (
                            SELECT version FROM contact_at_agency AS earlier
                            WHERE earlier.owner_id = owner.owner_id AND earlier.agency = :agency
                                AND earlier.counts_from <= coalesce(CAST(:as_of AS timestamptz), 'infinity')
                                AND (
                                    earlier.counts_until IS NULL
                                    OR earlier.counts_until > coalesce(CAST(:as_of AS timestamptz), 'infinity')
                                )
                        ),
                        (
                            SELECT max(version) FROM contact_versions AS known
                            WHERE known.owner_id = owner.owner_id
                                AND known.counts_from <= coalesce(CAST(:as_of AS timestamptz), 'infinity')
                        )
                    ) AS version
                ) AS counting
                JOIN contact_versions AS chosen
                    ON chosen.owner_id = owner.owner_id AND chosen.version = counting.version
                JOIN contacts ON contacts.contact_id = chosen.contact_id
            WHERE owner.bidder_id = :bidder_id AND owner.category = :category AND {owner}
                AND EXISTS (
                    SELECT FROM card_states
                    WHERE card_states.bidder_id = :bidder_id AND card_states.category = :category
                        AND CAST(:agency AS text) = any(card_states.agencies) AND {card}
                )
            """  # noqa: S608  # constants of this module
        )
    )


_FIND_REPRESENTATIVE = _write_query("owner.purpose = 'representative'", "true")
_FIND_CARD_CONTACT = _write_query(
    "owner.purpose = 'card' AND owner.certificate_sha256 = :certificate_sha256",
    "card_states.certificate_sha256 = :certificate_sha256",
)


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """The contacts of owners, and the mail addresses of these contacts and of others."""

    # The contact id, by (certificate's SHA-256, category, bidder id).
    of_cards: Mapping[tuple[bytes, str, str], UUID]
    # The contact id, by (bidder id, category).
    of_bidders: Mapping[tuple[str, str], UUID]
    # By contact id.
    addresses: Mapping[UUID, str]


def label_contact(table: FromClause, name: str) -> Sequence[Label[Any]]:
    """Returns the columns of a contact for `read_contact`, which finds them under this name."""
    return [table.c[field.name].label(f"{name}_{field.name}") for field in fields(Contact)]


def read_contact(row: Any, name: str) -> Contact:
    """Returns the contact of a row that has its columns under this name."""
    return Contact(*(getattr(row, f"{name}_{field.name}") for field in fields(Contact)))


async def find_active_representative_contact(connection: Connection, bidder_id: str, category: str) -> Contact | None:
    """Returns the active representative contact of a bidder in a category; None where there is none."""
    row = await connection.fetch_row(_FIND_ACTIVE_REPRESENTATIVE, bidder_id=bidder_id, category=category)
    return Contact(*row) if row is not None else None


async def list_mailboxes(
    connection: Connection,
    *,
    cards: Collection[tuple[bytes, str]],
    bidders: Collection[tuple[str, str]],
    whole_bidders: Collection[tuple[str, str]],
    contact_ids: Collection[UUID],
) -> Mailboxes:
    """Returns the active contacts of cards (certificate's SHA-256, category) and of bidders (bidder id, category).

    Of `whole_bidders` also those of their live cards. With their mail addresses, and with those of the contacts that
    are named by their ids.
    """
    rows = await connection.fetch_rows(
        _LIST_MAILBOXES,
        certificates=[certificate_sha256 for certificate_sha256, _ in cards],
        card_categories=[category for _, category in cards],
        bidder_ids=[bidder_id for bidder_id, _ in (*bidders, *whole_bidders)],
        bidder_categories=[category for _, category in (*bidders, *whole_bidders)],
        whole_bidder_ids=[bidder_id for bidder_id, _ in whole_bidders],
        whole_categories=[category for _, category in whole_bidders],
        contact_ids=list(contact_ids),
    )
    # In one order, since the first address of a mailbox counts.
    rows.sort(key=lambda row: (row.category or "", row.certificate_sha256 or b""))
    return Mailboxes(
        {
            (row.certificate_sha256, row.category, row.bidder_id): row.contact_id
            for row in rows
            if row.certificate_sha256 is not None
        },
        {
            (row.bidder_id, row.category): row.contact_id
            for row in rows
            if row.certificate_sha256 is None and row.bidder_id is not None
        },
        {row.contact_id: row.mail_address for row in rows},
    )


async def find_contact(connection: Connection, query: ContactQuery) -> CountingContact | None:
    """Returns the contact of a bidder, or of its card, that is registered at the agency of the query."""
    values = {
        "agency": query.agency,
        "category": query.category,
        "bidder_id": query.bidder_id,
        "as_of": query.as_of,
    }
    if query.certificate_sha256 is None:
        row = await connection.fetch_row(_FIND_REPRESENTATIVE, **values)
    else:
        row = await connection.fetch_row(_FIND_CARD_CONTACT, **values, certificate_sha256=query.certificate_sha256)
    if row is None:
        return None
    *values_of_contact, version, counts_from = row
    return CountingContact(Contact(*values_of_contact), version, counts_from)
