"""The states of contacts' owners, the newest version of each."""

import json
from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import text

from agency_sync.domain.contact_owner import ContactOwnerState
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_REPLACE = Statement(
    text(
        """
        INSERT INTO contact_owners AS kept (
            owner_id, category, bidder_id, certificate_sha256, version_epoch, version_number, contact_version, pins
        )
        SELECT owner_id, category, bidder_id, certificate_sha256, version_epoch, version_number, contact_version,
            CAST(pins AS jsonb)
        FROM unnest(
            CAST(:owner_ids AS uuid[]), CAST(:categories AS text[]), CAST(:bidder_ids AS text[]),
            CAST(:certificates AS bytea[]), CAST(:epochs AS bigint[]), CAST(:numbers AS bigint[]),
            CAST(:contact_versions AS bigint[]), CAST(:pins AS text[])
        ) AS state (
            owner_id, category, bidder_id, certificate_sha256, version_epoch, version_number, contact_version, pins
        )
        ORDER BY owner_id
        ON CONFLICT (owner_id) DO UPDATE
        SET category = excluded.category, bidder_id = excluded.bidder_id,
            certificate_sha256 = excluded.certificate_sha256, version_epoch = excluded.version_epoch,
            version_number = excluded.version_number, contact_version = excluded.contact_version, pins = excluded.pins
        WHERE (kept.version_epoch, kept.version_number) < (excluded.version_epoch, excluded.version_number)
        RETURNING owner_id
        """
    )
)


async def replace_states(connection: Connection, states: Sequence[ContactOwnerState]) -> Collection[UUID]:
    """Replaces the states of owners by these, one for each owner, unless the same or a higher version is kept.

    Returns those whose state was written; their rows stay locked until the caller's transaction ends.
    """
    return await connection.fetch_values(
        _REPLACE,
        owner_ids=[state.owner_id for state in states],
        categories=[state.category for state in states],
        bidder_ids=[state.bidder_id for state in states],
        certificates=[state.certificate_sha256 for state in states],
        epochs=[state.version.epoch for state in states],
        numbers=[state.version.number for state in states],
        contact_versions=[state.contact_version for state in states],
        pins=[json.dumps(dict(state.pins)) for state in states],
    )
