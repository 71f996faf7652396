"""The owners of a card's and its bidder's contacts: their newest versions, and where an earlier one counts."""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, fields
from uuid import UUID

from sqlalchemy import text

from contact_notification.domain.change import Purpose, Registered, RegisteredVersion
from contact_notification.domain.contact import Contact
from contact_notification.domain.pins import Pin
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_CONTACT = ", ".join(field.name for field in fields(Contact))

# Both owners in one order, so that transactions wait in turn; activation writes bidders before cards too.
_LOCK = Statement(
    text(
        """
        SELECT purpose, owner_id, has_successor FROM contact_owners
        WHERE bidder_id = :bidder_id AND category = :category
            AND (purpose = 'representative' OR certificate_sha256 = :certificate_sha256)
        ORDER BY purpose DESC
        FOR UPDATE
        """
    )
)
# An owner that has no contact yet gets its row with the first change, to be locked.
_LOCK_REPRESENTATIVE = Statement(
    text(
        """
        INSERT INTO contact_owners AS owner (purpose, category, bidder_id)
        VALUES ('representative', :category, :bidder_id)
        ON CONFLICT (bidder_id, category) WHERE purpose = 'representative' DO UPDATE SET category = owner.category
        RETURNING owner_id, has_successor
        """
    )
)
_LOCK_CARDS = Statement(
    text(
        """
        INSERT INTO contact_owners AS owner (purpose, category, bidder_id, certificate_sha256)
        SELECT 'card', :category, :bidder_id, certificate_sha256
        FROM unnest(CAST(:certificates AS bytea[])) AS card(certificate_sha256)
        ORDER BY certificate_sha256
        ON CONFLICT (certificate_sha256, category, bidder_id) WHERE purpose = 'card'
        DO UPDATE SET category = owner.category
        RETURNING certificate_sha256, owner_id
        """
    )
)
_LOCK_CARD = Statement(
    text(
        """
        INSERT INTO contact_owners AS owner (purpose, category, bidder_id, certificate_sha256)
        VALUES ('card', :category, :bidder_id, :certificate_sha256)
        ON CONFLICT (certificate_sha256, category, bidder_id) WHERE purpose = 'card'
        DO UPDATE SET category = owner.category
        RETURNING owner_id, has_successor
        """
    )
)

_READ_REGISTERED = Statement(
    text(
        f"""
        SELECT owner.purpose, owner.owner_id, owner.contact_id, owner.version, owner.counts_from, newest.brought_by,
            (
                SELECT coalesce(
                    jsonb_object_agg(agency, jsonb_build_array(earlier.version, planned_by, then_version)), '{{}}'
                )
                FROM contact_at_agency AS earlier
                WHERE earlier.owner_id = owner.owner_id AND earlier.counts_until IS NULL
            ) AS pins,
            {_CONTACT}
        FROM contact_owners AS owner
            JOIN contact_versions AS newest USING (owner_id, version)
            JOIN contacts ON contacts.contact_id = owner.contact_id
        WHERE owner.bidder_id = :bidder_id AND owner.category = :category
            AND (owner.purpose = 'representative' OR owner.certificate_sha256 = :certificate_sha256)
        """  # noqa: S608  # the names of our own columns
    )
)

_LIST_AGENCIES = Statement(
    text(
        """
        SELECT certificate_sha256, agencies FROM card_states
        WHERE bidder_id = :bidder_id AND category = :category AND cardinality(agencies) > 0
        """
    )
)


@dataclass(frozen=True, slots=True)
class LockedOwners:
    """The rows of both owners by purpose, and whether another card took over this one's contact at a renewal."""

    ids: Mapping[Purpose, UUID]
    has_successor: bool


async def lock_owners(connection: Connection, certificate_sha256: bytes, bidder_id: str, category: str) -> LockedOwners:
    """Locks the owners of a card's contact and of its bidder's representative contact for this transaction."""
    rows = await connection.fetch_rows(
        _LOCK, bidder_id=bidder_id, category=category, certificate_sha256=certificate_sha256
    )
    locked = {Purpose(row.purpose): row for row in rows}
    if locked.keys() == set(Purpose):
        return LockedOwners(
            {purpose: row.owner_id for purpose, row in locked.items()}, locked[Purpose.CARD].has_successor
        )
    representative = await connection.fetch_row(_LOCK_REPRESENTATIVE, bidder_id=bidder_id, category=category)
    card = await connection.fetch_row(
        _LOCK_CARD, certificate_sha256=certificate_sha256, bidder_id=bidder_id, category=category
    )
    ids = {Purpose.CARD: card.owner_id, Purpose.REPRESENTATIVE: representative.owner_id}
    return LockedOwners(ids, card.has_successor)


async def lock_card_owner(connection: Connection, certificate_sha256: bytes, bidder_id: str, category: str) -> UUID:
    """Locks the owner of a card's contact for this transaction, and returns its id."""
    row = await connection.fetch_row(
        _LOCK_CARD, certificate_sha256=certificate_sha256, bidder_id=bidder_id, category=category
    )
    owner_id: UUID = row.owner_id
    return owner_id


async def lock_card_owners(
    connection: Connection, certificates: Collection[bytes], bidder_id: str, category: str
) -> Mapping[bytes, UUID]:
    """Locks the owners of the contacts of a bidder's cards for this transaction, and returns their ids by card."""
    rows = await connection.fetch_rows(
        _LOCK_CARDS, certificates=list(certificates), bidder_id=bidder_id, category=category
    )
    return {row.certificate_sha256: row.owner_id for row in rows}


async def read_registered(
    connection: Connection, certificate_sha256: bytes, bidder_id: str, category: str
) -> Registered:
    """Returns the newest contacts of a card and its bidder, by purpose."""
    rows = await connection.fetch_rows(
        _READ_REGISTERED, certificate_sha256=certificate_sha256, bidder_id=bidder_id, category=category
    )
    return {
        Purpose(row.purpose): RegisteredVersion(
            owner_id=row.owner_id,
            contact_id=row.contact_id,
            contact=Contact(*(getattr(row, field.name) for field in fields(Contact))),
            version=row.version,
            counts_from=row.counts_from,
            brought_by=row.brought_by,
            pins={agency: _read_pin(*pin) for agency, pin in row.pins.items()},
        )
        for row in rows
    }


async def list_agencies(connection: Connection, bidder_id: str, category: str) -> Mapping[bytes, Set[str]]:
    """Returns at which agencies a bidder's live cards are registered in a category, by card."""
    rows = await connection.fetch_rows(_LIST_AGENCIES, bidder_id=bidder_id, category=category)
    return {row.certificate_sha256: frozenset(row.agencies) for row in rows}


def _read_pin(version: int, planned_by: str | None, then_version: int | None) -> Pin:
    return Pin(version, None if planned_by is None else UUID(planned_by), then_version)
