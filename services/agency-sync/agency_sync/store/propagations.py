"""The states of registrations at further agencies."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from agency_sync.domain.propagation import Propagation, PropagationState
from agency_sync.store.tables import propagations

# A propagation that is done stays done: a slow worker may deliver an older answer later.
_RECORD = text(
    """
    INSERT INTO propagations (registration_id, agency, state, reason, target_id, updated_at)
    SELECT registration_id, agency, state, reason, target_id, :updated_at
    FROM unnest(CAST(:registration_ids AS uuid[]), CAST(:agencies AS text[]), CAST(:states AS text[]),
                CAST(:reasons AS text[]), CAST(:target_ids AS uuid[]))
         AS answer (registration_id, agency, state, reason, target_id)
    ORDER BY registration_id, agency
    ON CONFLICT (registration_id, agency) DO UPDATE
    SET state = excluded.state, reason = excluded.reason, target_id = excluded.target_id,
        updated_at = excluded.updated_at
    WHERE propagations.state <> 'done'
    """
)


async def record_propagations(connection: AsyncConnection, states: Sequence[Propagation], *, now: datetime) -> None:
    """Records the states of registrations at further agencies, in one statement whatever their number."""
    await connection.execute(
        _RECORD,
        {
            "registration_ids": [propagation.registration_id for propagation in states],
            "agencies": [propagation.agency for propagation in states],
            "states": [str(propagation.state) for propagation in states],
            "reasons": [propagation.reason for propagation in states],
            "target_ids": [propagation.target_id for propagation in states],
            "updated_at": now,
        },
    )


async def forget_propagations(connection: AsyncConnection, registration_ids: Sequence[UUID]) -> None:
    """Forgets the states of registrations at further agencies, which are decided anew."""
    await connection.execute(delete(propagations).where(propagations.c.registration_id.in_(registration_ids)))


async def list_propagations(connection: AsyncConnection, registration_id: UUID) -> Sequence[Propagation]:
    """Returns the recorded states of a registration at further agencies, in no particular order."""
    rows = await connection.execute(
        select(
            propagations.c.agency,
            propagations.c.state,
            propagations.c.reason,
            propagations.c.target_id,
            propagations.c.updated_at,
        ).where(propagations.c.registration_id == registration_id)
    )
    return [
        Propagation(registration_id, agency, PropagationState(state), reason, target_id, updated_at)
        for agency, state, reason, target_id, updated_at in rows
    ]
