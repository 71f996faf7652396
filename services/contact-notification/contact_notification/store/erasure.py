"""What the database has of a bidder's persons is erased; that registrations took place stays on record."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from uuid import UUID

from sqlalchemy import text

from contact_notification.domain.contact import Contact
from contact_notification.domain.staging import Company
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_CONTACT = [field.name for field in fields(Contact)]
# What a company is without its data: the bidder id alone.
_NO_COMPANY = json.dumps(
    {field.name: None for field in fields(Company) if field.name != "bidder_id"} | {"name": "", "grades": []}
)

# In this order: what shows an address goes before the address. Each passes over what was erased before.
_STATEMENTS: Mapping[str, Statement] = {
    "mails, which are never sent any more": Statement(
        text(
            """
            UPDATE mails SET state = 'failed', failed_at = coalesce(failed_at, now()), result = 'erased',
                mail_address = '', recipient_name = '', sealed_secret = NULL
            WHERE state IN ('written', 'failed') AND result IS DISTINCT FROM 'erased'
                AND notice_id IN (SELECT notice_id FROM notices WHERE bidder_id = :bidder_id)
            """
        )
    ),
    "notices that waited for contacts": Statement(
        text(
            """
            UPDATE notices SET state = 'written', recipients = '[]'
            WHERE state = 'waiting' AND bidder_id = :bidder_id
            """
        )
    ),
    "names of card holders and companies in notices": Statement(
        text(
            """
            UPDATE notices SET holder_name = CASE WHEN holder_name IS NOT NULL THEN '' END,
                company_name = CASE WHEN company_name IS NOT NULL THEN '' END
            WHERE bidder_id = :bidder_id AND concat(holder_name, company_name) <> ''
            """
        )
    ),
    "contacts as they were registered": Statement(
        text(
            f"""
            UPDATE contacts SET {", ".join(f"{name} = ''" for name in _CONTACT)}
            WHERE contact_id IN (
                SELECT unnest(ARRAY[card_contact_id, representative_contact_id])
                FROM staged_registrations WHERE bidder_id = :bidder_id
                UNION ALL
                SELECT versions.contact_id FROM contact_versions AS versions JOIN contact_owners USING (owner_id)
                WHERE bidder_id = :bidder_id
            ) AND concat({", ".join(_CONTACT)}) <> ''
            """  # noqa: S608  # the names of our own columns
        )
    ),
    "agencies with earlier contacts": Statement(
        text(
            """
            DELETE FROM contact_at_agency
            WHERE owner_id IN (SELECT owner_id FROM contact_owners WHERE bidder_id = :bidder_id)
            """
        )
    ),
    "versions of contacts": Statement(
        text(
            """
            DELETE FROM contact_versions
            WHERE owner_id IN (SELECT owner_id FROM contact_owners WHERE bidder_id = :bidder_id)
            """
        )
    ),
    "contacts in use": Statement(
        text(
            """
            UPDATE contact_owners
            SET version = 0, contact_id = NULL, former_contact_id = NULL, counts_from = NULL,
                state_epoch = epoch.epoch, state_number = state_number + 1
            FROM epoch WHERE bidder_id = :bidder_id AND version > 0
            """
        )
    ),
    "changes with company": Statement(
        text(
            f"""
            UPDATE contact_changes SET company = company || CAST('{_NO_COMPANY}' AS jsonb)
            WHERE bidder_id = :bidder_id AND company <> company || CAST('{_NO_COMPANY}' AS jsonb)
            """  # noqa: S608  # the names of our own fields
        )
    ),
    "registrations with company and person in charge": Statement(
        text(
            f"""
            UPDATE staged_registrations
            SET reserves_representative = false, person_in_charge = '',
                company = company || CAST('{_NO_COMPANY}' AS jsonb)
            WHERE bidder_id = :bidder_id
                AND (person_in_charge <> '' OR company <> company || CAST('{_NO_COMPANY}' AS jsonb))
            """  # noqa: S608  # the names of our own fields
        )
    ),
}

# Whose contacts will be erased.
_LOCK_OWNERS = Statement(
    text(
        """
        SELECT owner_id FROM contact_owners WHERE bidder_id = :bidder_id AND version > 0
        ORDER BY purpose DESC, certificate_sha256, category FOR UPDATE
        """
    )
)


async def lock_owners(connection: Connection, bidder_id: str) -> Sequence[UUID]:
    """Locks the owners of a bidder's contacts for this transaction; returns those that have one."""
    return await connection.fetch_values(_LOCK_OWNERS, bidder_id=bidder_id)


async def erase(connection: Connection, bidder_id: str) -> Mapping[str, int]:
    """Erases a bidder's persons; returns how many rows were changed, by what they are."""
    return {name: await connection.change(statement, bidder_id=bidder_id) for name, statement in _STATEMENTS.items()}
