"""Intentions: opened with a registration, claimed in batches, closed when they are carried out."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from agency_sync.domain.intention import Intention, IntentionState, OpenIntention, Timing
from agency_sync.domain.registration import Registration
from agency_sync.store.tables import intentions, registrations
from servicekit.versions import Version


async def open_intention(
    connection: AsyncConnection, registration: Registration, timing: Timing, *, now: datetime
) -> None:
    """Opens the intention to propagate this version of a registration, even if an older version's was done.

    After a restore of certificate-registry (a higher epoch) its registrations at other agencies may be gone.
    """
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


async def claim_open(
    connection: AsyncConnection, timing: Timing, *, limit: int, now: datetime, duration: timedelta
) -> Sequence[Intention]:
    """Claims the oldest open intentions, at most `limit`, for `duration`; until then other workers skip them."""
    free = (
        select(intentions.c.registration_id)
        .where(
            intentions.c.state == IntentionState.OPEN,
            intentions.c.timing == timing,
            intentions.c.taken_until.is_(None) | (intentions.c.taken_until <= now),
        )
        .order_by(intentions.c.planned_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("free")
    )
    rows = await connection.execute(
        update(intentions)
        .where(
            intentions.c.registration_id == free.c.registration_id,
            registrations.c.registration_id == free.c.registration_id,
        )
        .values(taken_until=now + duration)
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


async def release(connection: AsyncConnection, claimed: Sequence[Intention]) -> None:
    """Ends the claim on these intentions, so that any worker may claim them at once."""
    await connection.execute(
        update(intentions)
        .where(intentions.c.registration_id.in_([intention.registration_id for intention in claimed]))
        .values(taken_until=None)
    )


async def close(connection: AsyncConnection, finished: Sequence[Intention], *, now: datetime) -> None:
    """Marks intentions as done, except those that a newer version has opened again in the meantime."""
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


async def find_open(connection: AsyncConnection, registration_id: UUID) -> OpenIntention | None:
    """Returns the open intention of a registration; None where there is none."""
    row = (
        await connection.execute(
            select(registrations.c.agency, registrations.c.category, intentions.c.planned_at)
            .join(intentions, intentions.c.registration_id == registrations.c.registration_id)
            .where(registrations.c.registration_id == registration_id, intentions.c.state == IntentionState.OPEN)
        )
    ).one_or_none()
    return OpenIntention(*row) if row is not None else None
