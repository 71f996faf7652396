"""A card takes over the contact of the one before it, at a renewal."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from contact_notification.domain.card_state import Takeover
from contact_notification.domain.notice import RenewalFacts, Shown
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_LIST_OPEN = Statement(
    text(
        """
        SELECT number FROM unnest(
            CAST(:certificates AS bytea[]), CAST(:categories AS text[]), CAST(:bidder_ids AS text[])
        ) WITH ORDINALITY AS named (certificate_sha256, category, bidder_id, number)
        WHERE NOT EXISTS (
            SELECT FROM contact_owners AS owner
            WHERE owner.purpose = 'card' AND owner.certificate_sha256 = named.certificate_sha256
                AND owner.category = named.category AND owner.bidder_id = named.bidder_id AND owner.version > 0
        )
        """
    )
)

# The versions that agencies keep, now or after a night, come first, in their order, and then the newest.
_TAKE_OVER = Statement(
    text(
        """
        WITH earlier AS (
            SELECT agency, version, planned_by, then_version FROM contact_at_agency
            WHERE owner_id = :predecessor_id AND counts_until IS NULL
        ), kept AS (
            SELECT version, dense_rank() OVER (ORDER BY version) AS number
            FROM (
                SELECT version FROM earlier
                UNION SELECT then_version FROM earlier WHERE then_version IS NOT NULL
                UNION SELECT version FROM contact_owners WHERE owner_id = :predecessor_id AND version > 0
            ) AS known
        ), versions AS (
            INSERT INTO contact_versions
                (owner_id, version, contact_id, counts_from, brought_by, request_id, agency, company_name)
            SELECT CAST(:owner_id AS uuid), kept.number, known.contact_id, CAST(:renewed_at AS timestamptz),
                CAST(:certificate_sha256 AS bytea), CAST(:request_id AS uuid), CAST(:agency AS text),
                known.company_name
            FROM kept JOIN contact_versions AS known
                ON known.owner_id = :predecessor_id AND known.version = kept.version
        ), pins AS (
            INSERT INTO contact_at_agency (owner_id, agency, counts_from, version, planned_by, then_version)
            SELECT CAST(:owner_id AS uuid), agency, CAST(:renewed_at AS timestamptz), kept.number, planned_by,
                afterwards.number
            FROM earlier JOIN kept USING (version)
                LEFT JOIN kept AS afterwards ON afterwards.version = earlier.then_version
        ), marked AS (
            UPDATE contact_owners SET has_successor = true WHERE owner_id = :predecessor_id
        )
        UPDATE contact_owners AS owner
        SET version = (SELECT max(number) FROM kept), contact_id = predecessor.contact_id, counts_from = :renewed_at,
            state_epoch = epoch.epoch, state_number = owner.state_number + 1
        FROM contact_owners AS predecessor, epoch
        WHERE owner.owner_id = :owner_id AND owner.version = 0
            AND predecessor.owner_id = :predecessor_id AND predecessor.version > 0
        RETURNING owner.contact_id, (
            SELECT company_name FROM contact_versions AS newest
            WHERE newest.owner_id = :predecessor_id AND newest.version = predecessor.version
        ) AS company_name
        """
    )
)

_IS_STATE_KNOWN = Statement(
    text(
        """
        SELECT EXISTS (
            SELECT FROM card_states WHERE certificate_sha256 = :certificate_sha256 AND category = :category
        )
        """
    )
)

# The new card's own contact comes first.
_FIND_SHOWN = Statement(
    text(
        """
        SELECT owner.contact_id, newest.company_name
        FROM contact_owners AS owner JOIN contact_versions AS newest USING (owner_id, version)
        WHERE owner.purpose = 'card' AND owner.category = :category AND owner.bidder_id = :bidder_id
            AND owner.certificate_sha256 IN (:certificate_sha256, :old_certificate_sha256)
        ORDER BY owner.certificate_sha256 = :certificate_sha256 DESC LIMIT 1
        """
    )
)


async def list_open(connection: Connection, takeovers: Sequence[Takeover]) -> Sequence[Takeover]:
    """Returns those whose card has no contact yet."""
    numbers = await connection.fetch_values(
        _LIST_OPEN,
        certificates=[takeover.certificate_sha256 for takeover in takeovers],
        categories=[takeover.category for takeover in takeovers],
        bidder_ids=[takeover.bidder_id for takeover in takeovers],
    )
    return [takeovers[number - 1] for number in sorted(numbers)]


async def take_over(
    connection: Connection, takeover: Takeover, *, owner_id: UUID, predecessor_id: UUID
) -> Shown | None:
    """Makes the newest contact of the card before also that of the new card, whose owners are locked.

    Agencies at which an earlier version counts keep it, also the one of the renewal: only a change changes what counts.
    Returns what mails show of it; None where the card before has none, or the new one has one already.
    """
    row = await connection.fetch_row(
        _TAKE_OVER,
        owner_id=owner_id,
        predecessor_id=predecessor_id,
        agency=takeover.agency,
        renewed_at=takeover.renewed_at,
        certificate_sha256=takeover.certificate_sha256,
        request_id=takeover.request_id,
    )
    return Shown(row.contact_id, row.company_name) if row is not None else None


async def is_state_known(connection: Connection, certificate_sha256: bytes, category: str) -> bool:
    """Returns whether any state of a card in a category was recorded."""
    is_known: bool = await connection.fetch_value(
        _IS_STATE_KNOWN, certificate_sha256=certificate_sha256, category=category
    )
    return is_known


async def find_shown(connection: Connection, facts: RenewalFacts) -> Shown | None:
    """Returns the contact of the new card or, while it has none, of the old one; None where neither has one."""
    row = await connection.fetch_row(
        _FIND_SHOWN,
        category=facts.category,
        bidder_id=facts.bidder_id,
        certificate_sha256=facts.certificate_sha256,
        old_certificate_sha256=facts.old_certificate_sha256,
    )
    return Shown(row.contact_id, row.company_name) if row is not None else None
