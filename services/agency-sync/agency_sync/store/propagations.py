"""The states of registrations at further agencies."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from agency_sync.domain.propagation import Propagation, PropagationState
from agency_sync.store.tables import propagations
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# A propagation that is done stays done: a slow worker may deliver an older answer later.
_RECORD = Statement(
    text(
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
)

_FORGET = Statement(
    delete(propagations).where(propagations.c.registration_id == any_(bindparam("registration_ids", type_=ARRAY(Uuid))))
)

_LIST = Statement(
    select(
        propagations.c.registration_id,
        propagations.c.agency,
        propagations.c.state,
        propagations.c.reason,
        propagations.c.target_id,
        propagations.c.updated_at,
    ).where(propagations.c.registration_id == any_(bindparam("registration_ids", type_=ARRAY(Uuid))))
)


async def record_propagations(connection: Connection, states: Sequence[Propagation], *, now: datetime) -> None:
    """Records the states of registrations at further agencies, in one statement whatever their number."""
    if states:
        await connection.change(
            _RECORD,
            registration_ids=[propagation.registration_id for propagation in states],
            agencies=[propagation.agency for propagation in states],
            states=[str(propagation.state) for propagation in states],
            reasons=[propagation.reason for propagation in states],
            target_ids=[propagation.target_id for propagation in states],
            updated_at=now,
        )


async def forget_propagations(connection: Connection, registration_ids: Collection[UUID]) -> None:
    """Forgets the states of registrations at further agencies, which are decided anew."""
    if registration_ids:
        await connection.change(_FORGET, registration_ids=list(registration_ids))


async def list_propagations(connection: Connection, registration_ids: Collection[UUID]) -> Sequence[Propagation]:
    """Returns the recorded states of registrations and changes at further agencies, in no particular order."""
    return [
        Propagation(registration_id, agency, PropagationState(state), reason, target_id, updated_at)
        for registration_id, agency, state, reason, target_id, updated_at in await connection.fetch_rows(
            _LIST, registration_ids=list(registration_ids)
        )
    ]
