"""SQL: one function per question or change. The transaction is the caller's."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from agency_sync.domain import Intention, IntentionState, Propagation, PropagationState, Registration, Timing, Version
from agency_sync.tables import intentions, propagations, registrations

# What is done stays done: a worker that was too slow may come with an older answer.
_RECORD = text(
    """
    INSERT INTO propagations (registration_id, agency, state, reason, target_id, updated_at)
    SELECT registration_id, agency, state, reason, target_id, :updated_at
    FROM unnest(CAST(:registration_ids AS uuid[]), CAST(:agencies AS text[]), CAST(:states AS text[]),
                CAST(:reasons AS text[]), CAST(:target_ids AS uuid[]))
         AS found (registration_id, agency, state, reason, target_id)
    ON CONFLICT (registration_id, agency) DO UPDATE
    SET state = excluded.state, reason = excluded.reason, target_id = excluded.target_id,
        updated_at = excluded.updated_at
    WHERE propagations.state <> 'done'
    """
)


async def record_registration(connection: AsyncConnection, registration: Registration) -> bool:
    """Keeps a registration where its version is higher than the one held, and locks its row for this transaction.
    Says whether it was."""
    values = {
        "agency": registration.agency,
        "category": registration.category,
        "certificate_sha256": registration.certificate_sha256,
        "bidder_id": registration.bidder_id,
        "registered_at": registration.registered_at,
        "by_propagation": registration.by_propagation,
        "version_epoch": registration.version.epoch,
        "version_number": registration.version.number,
    }
    statement = insert(registrations).values(registration_id=registration.registration_id, **values)
    held = tuple_(registrations.c.version_epoch, registrations.c.version_number)
    new = tuple_(statement.excluded.version_epoch, statement.excluded.version_number)
    # The conflicting row is locked first and then compared, so two deliveries at the same time can't both be newer.
    kept = await connection.execute(
        statement.on_conflict_do_update(index_elements=["registration_id"], set_=values, where=held < new).returning(
            registrations.c.registration_id
        )
    )
    return kept.first() is not None


async def intend(connection: AsyncConnection, registration: Registration, timing: Timing, *, now: datetime) -> None:
    """Opens the intention to propagate this version of a registration, also where an older version's was done: after a
    restore of the registry (a higher epoch) its registrations at other agencies may be gone."""
    values = {
        "timing": timing,
        "state": IntentionState.OPEN,
        "version_epoch": registration.version.epoch,
        "version_number": registration.version.number,
        "planned_at": now,
        "taken_until": None,
        "done_at": None,
    }
    await connection.execute(
        insert(intentions)
        .values(registration_id=registration.registration_id, **values)
        .on_conflict_do_update(index_elements=["registration_id"], set_=values)
    )


async def take_open(
    connection: AsyncConnection, timing: Timing, *, most: int, now: datetime, hold: timedelta
) -> Sequence[Intention]:
    """Takes the oldest open intentions for the time `hold`; other workers pass them over until then."""
    free = (
        select(intentions.c.registration_id)
        .where(
            intentions.c.state == IntentionState.OPEN,
            intentions.c.timing == timing,
            intentions.c.taken_until.is_(None) | (intentions.c.taken_until <= now),
        )
        .order_by(intentions.c.planned_at)
        .limit(most)
        .with_for_update(skip_locked=True)
        .cte("free")
    )
    rows = await connection.execute(
        update(intentions)
        .where(
            intentions.c.registration_id == free.c.registration_id,
            registrations.c.registration_id == free.c.registration_id,
        )
        .values(taken_until=now + hold)
        .returning(
            registrations.c.registration_id,
            registrations.c.agency,
            registrations.c.category,
            registrations.c.bidder_id,
            intentions.c.version_epoch,
            intentions.c.version_number,
        )
    )
    return [
        Intention(registration_id, agency, category, bidder_id, Version(epoch, number))
        for registration_id, agency, category, bidder_id, epoch, number in rows
    ]


async def give_back(connection: AsyncConnection, taken: Sequence[Intention]) -> None:
    """Lets other workers take these intentions at once."""
    await connection.execute(
        update(intentions)
        .where(intentions.c.registration_id.in_([intention.registration_id for intention in taken]))
        .values(taken_until=None)
    )


async def record_propagations(connection: AsyncConnection, found: Sequence[Propagation], *, now: datetime) -> None:
    """Records what became of registrations at further agencies, in one statement however many there are."""
    await connection.execute(
        _RECORD,
        {
            "registration_ids": [propagation.registration_id for propagation in found],
            "agencies": [propagation.agency for propagation in found],
            "states": [str(propagation.state) for propagation in found],
            "reasons": [propagation.reason for propagation in found],
            "target_ids": [propagation.target_id for propagation in found],
            "updated_at": now,
        },
    )


async def close(connection: AsyncConnection, finished: Sequence[Intention], *, now: datetime) -> None:
    """Marks intentions as done, but for those that a newer version has opened again in the meantime."""
    versions = tuple_(intentions.c.registration_id, intentions.c.version_epoch, intentions.c.version_number)
    await connection.execute(
        update(intentions)
        .where(
            intentions.c.state == IntentionState.OPEN,
            versions.in_(
                [
                    (intention.registration_id, intention.version.epoch, intention.version.number)
                    for intention in finished
                ]
            ),
        )
        .values(state=IntentionState.DONE, done_at=now, taken_until=None)
    )


async def open_intention(connection: AsyncConnection, registration_id: UUID) -> tuple[str, str, datetime] | None:
    """Agency, category and time of planning of a registration that is still to be propagated."""
    row = (
        await connection.execute(
            select(registrations.c.agency, registrations.c.category, intentions.c.planned_at)
            .join(intentions, intentions.c.registration_id == registrations.c.registration_id)
            .where(registrations.c.registration_id == registration_id, intentions.c.state == IntentionState.OPEN)
        )
    ).one_or_none()
    return (row[0], row[1], row[2]) if row is not None else None


async def propagations_of(connection: AsyncConnection, registration_id: UUID) -> Sequence[Propagation]:
    """What is known of a registration at further agencies."""
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
