"""The states of contacts' owners: which version counts where, and what the night changes in that."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from contact_notification.domain.change import Purpose
from contact_notification.domain.owner_state import OwnerState, PlannedChange
from servicekit.database_connection import Connection
from servicekit.statements import Statement
from servicekit.versions import Version

# One statement, so that a version and what it consists of are of one moment.
_LIST = Statement(
    text(
        """
        SELECT owner.owner_id, owner.purpose, owner.category, owner.bidder_id, owner.certificate_sha256,
            owner.state_epoch, owner.state_number, owner.version, pinned.pins, ending.planned
        FROM contact_owners AS owner
            CROSS JOIN LATERAL (
                SELECT coalesce(jsonb_object_agg(agency, earlier.version), '{}') AS pins
                FROM contact_at_agency AS earlier
                WHERE earlier.owner_id = owner.owner_id AND earlier.counts_until IS NULL
            ) AS pinned
            CROSS JOIN LATERAL (
                SELECT coalesce(
                    json_agg(
                        json_build_array(
                            change.change_id, encode(change.certificate_sha256, 'hex'), change.agency, due.agencies,
                            change.counts_from
                        )
                        ORDER BY change.counts_from, change.change_id
                    ),
                    '[]'
                ) AS planned
                FROM (
                    SELECT planned_by, array_agg(agency) AS agencies FROM contact_at_agency AS earlier
                    WHERE earlier.owner_id = owner.owner_id AND earlier.counts_until IS NULL
                        AND planned_by IS NOT NULL
                    GROUP BY planned_by
                ) AS due
                JOIN contact_changes AS change ON change.change_id = due.planned_by
            ) AS ending
        WHERE owner.owner_id = any(CAST(:owner_ids AS uuid[])) AND owner.state_number > 0
        """
    )
)

# In the order in which all transactions lock owners, so that they wait in turn; texts in the order of Python.
_LOCK_PLANNED = Statement(
    text(
        """
        SELECT owner_id FROM contact_owners
        WHERE owner_id IN (
            SELECT owner_id FROM contact_at_agency AS earlier
                JOIN unnest(CAST(:agencies AS text[]), CAST(:change_ids AS uuid[])) AS named (agency, change_id)
                    ON earlier.planned_by = named.change_id AND earlier.agency = named.agency
            WHERE earlier.counts_until IS NULL
        )
        ORDER BY purpose DESC, certificate_sha256, CASE purpose WHEN 'card' THEN category END COLLATE "C",
            bidder_id COLLATE "C", category COLLATE "C"
        FOR UPDATE
        """
    )
)

_END_PLANNED = Statement(
    text(
        """
        WITH due AS MATERIALIZED (
            SELECT earlier.owner_id, earlier.agency, earlier.counts_from, earlier.planned_by, earlier.then_version,
                greatest(CAST(:now AS timestamptz), earlier.counts_from + interval '1 microsecond') AS ends_at
            FROM contact_at_agency AS earlier
                JOIN unnest(CAST(:agencies AS text[]), CAST(:change_ids AS uuid[])) AS named (agency, change_id)
                    ON earlier.planned_by = named.change_id AND earlier.agency = named.agency
            WHERE earlier.counts_until IS NULL AND earlier.owner_id = any(CAST(:owner_ids AS uuid[]))
        ), ended AS (
            UPDATE contact_at_agency AS earlier SET counts_until = due.ends_at
            FROM due
            WHERE earlier.owner_id = due.owner_id AND earlier.agency = due.agency
                AND earlier.counts_from = due.counts_from
            RETURNING earlier.owner_id, earlier.agency, due.ends_at, due.then_version
        ), begun AS (
            INSERT INTO contact_at_agency (owner_id, agency, counts_from, version)
            SELECT owner_id, agency, ends_at, then_version FROM ended WHERE then_version IS NOT NULL
        ), raised AS (
            UPDATE contact_owners AS owner
            SET state_epoch = epoch.epoch, state_number = owner.state_number + 1
            FROM epoch WHERE owner.owner_id IN (SELECT owner_id FROM due)
        )
        SELECT change.change_id, change.certificate_sha256, change.request_id, change.category, change.bidder_id,
            array_agg(DISTINCT due.agency) AS agencies, array_agg(DISTINCT due.owner_id) AS owner_ids
        FROM due JOIN contact_changes AS change ON change.change_id = due.planned_by
        GROUP BY change.certificate_sha256, change.request_id
        """
    )
)

_LIST_UNKNOWN = Statement(
    text(
        """
        SELECT named.change_id FROM unnest(CAST(:change_ids AS uuid[])) AS named (change_id)
        WHERE NOT EXISTS (SELECT FROM contact_changes AS change WHERE change.change_id = named.change_id)
        """
    )
)


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """A change that agencies follow from now on, and the owners whose pins ended there."""

    change_id: UUID
    certificate_sha256: bytes
    request_id: UUID
    category: str
    bidder_id: str
    agencies: Sequence[str]
    owner_ids: Sequence[UUID]


async def list_owner_states(connection: Connection, owner_ids: Collection[UUID]) -> Sequence[OwnerState]:
    """Returns the current states of these owners, of those that have one."""
    return [_read_state(row) for row in await connection.fetch_rows(_LIST, owner_ids=list(owner_ids))]


async def end_planned(
    connection: Connection, changes: Sequence[tuple[str, UUID]], *, now: datetime
) -> Sequence[CarriedOut]:
    """Ends the pins at agencies that changes (agency, change id) are to end, and raises their owners' versions.

    Each owner stays locked until the transaction ends. A pin that has ended, or that another change ends, is left as it
    is. Returns what was carried out, in the order of the change ids.
    """
    named = {"agencies": [agency for agency, _ in changes], "change_ids": [change_id for _, change_id in changes]}
    owner_ids = await connection.fetch_values(_LOCK_PLANNED, **named)
    if not owner_ids:
        return []
    rows = await connection.fetch_rows(_END_PLANNED, **named, owner_ids=owner_ids, now=now)
    carried_out = [
        CarriedOut(
            change_id=row.change_id,
            certificate_sha256=row.certificate_sha256,
            request_id=row.request_id,
            category=row.category,
            bidder_id=row.bidder_id,
            agencies=sorted(row.agencies),
            owner_ids=row.owner_ids,
        )
        for row in rows
    ]
    return sorted(carried_out, key=lambda change: change.change_id)


async def list_unknown_changes(connection: Connection, change_ids: Collection[UUID]) -> Sequence[UUID]:
    """Returns those of the ids that no change has, ascending."""
    return sorted(await connection.fetch_values(_LIST_UNKNOWN, change_ids=list(change_ids)))


def _read_state(row: Any) -> OwnerState:
    return OwnerState(
        owner_id=row.owner_id,
        purpose=Purpose(row.purpose),
        category=row.category,
        bidder_id=row.bidder_id,
        certificate_sha256=row.certificate_sha256,
        version=Version(row.state_epoch, row.state_number),
        contact_version=row.version,
        pins=dict(sorted(row.pins.items())),
        planned=[
            PlannedChange(
                UUID(change_id), bytes.fromhex(certificate), agency, sorted(agencies), datetime.fromisoformat(made_at)
            )
            for change_id, certificate, agency, agencies, made_at in row.planned
        ],
    )
