"""Intentions of changes: opened by the states of contacts' owners, closed when the changes count everywhere."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from agency_sync.domain.contact_owner import ContactOwnerState, PlannedChange
from agency_sync.domain.intention import Intention
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# What is new: a change that is not kept, one of a higher epoch, and further agencies of one.
_OPEN = Statement(
    text(
        """
        INSERT INTO intentions (
            registration_id, certificate_sha256, category, agency, kind, state, epoch, planned_at, made_at, agencies
        )
        SELECT change_id, certificate_sha256, category, agency, 'change', 'open', epoch, planned_at, made_at,
            string_to_array(agencies, ' ')
        FROM unnest(
            CAST(:change_ids AS uuid[]), CAST(:certificates AS bytea[]), CAST(:categories AS text[]),
            CAST(:made_by AS text[]), CAST(:epochs AS bigint[]), CAST(:planned AS timestamptz[]),
            CAST(:made AS timestamptz[]), CAST(:agencies AS text[])
        ) AS change (change_id, certificate_sha256, category, agency, epoch, planned_at, made_at, agencies)
        ORDER BY change_id
        ON CONFLICT (registration_id) DO UPDATE
        SET state = 'open', done_at = NULL, taken_until = NULL, refusals = 0, refused_for = '', due_at = NULL,
            epoch = greatest(intentions.epoch, excluded.epoch),
            agencies = ARRAY (SELECT DISTINCT unnest(intentions.agencies || excluded.agencies) ORDER BY 1)
        WHERE intentions.kind = 'change'
            AND (intentions.epoch < excluded.epoch OR NOT excluded.agencies <@ intentions.agencies)
        """
    )
)

# A change that further agencies were added to meanwhile stays open.
_CLOSE = Statement(
    text(
        """
        UPDATE intentions SET state = 'done', done_at = :now, taken_until = NULL, due_at = NULL, refused_for = ''
        FROM unnest(CAST(:change_ids AS uuid[]), CAST(:epochs AS bigint[]), CAST(:numbers AS integer[]))
            AS finished (id, epoch, number)
        WHERE registration_id = finished.id AND intentions.epoch = finished.epoch AND state = 'open'
            AND cardinality(agencies) = finished.number
        """
    )
)


async def open_changes(
    connection: Connection,
    planned: Iterable[tuple[ContactOwnerState, PlannedChange]],
    *,
    plan: Callable[[datetime], datetime],
) -> None:
    """Opens the intentions of changes that contacts' owners name, in one statement; `plan` gives when each is due."""
    first: dict[UUID, tuple[ContactOwnerState, PlannedChange]] = {}
    agencies: dict[UUID, set[str]] = {}
    for owner, change in planned:
        first.setdefault(change.change_id, (owner, change))
        agencies.setdefault(change.change_id, set()).update(change.agencies)
    opened = [(owner, change) for owner, change in first.values() if agencies[change.change_id]]
    await connection.change(
        _OPEN,
        change_ids=[change.change_id for _, change in opened],
        certificates=[change.certificate_sha256 for _, change in opened],
        categories=[owner.category for owner, _ in opened],
        made_by=[change.agency for _, change in opened],
        epochs=[owner.version.epoch for owner, _ in opened],
        planned=[plan(change.made_at) for _, change in opened],
        made=[change.made_at for _, change in opened],
        # Codes of agencies have no spaces.
        agencies=[" ".join(sorted(agencies[change.change_id])) for _, change in opened],
    )


async def close_changes(connection: Connection, finished: Sequence[Intention], *, now: datetime) -> None:
    """Marks changes as done, except those that are no longer open, or were opened for more in the meantime."""
    if finished:
        await connection.change(
            _CLOSE,
            now=now,
            change_ids=[intention.registration_id for intention in finished],
            epochs=[intention.epoch for intention in finished],
            numbers=[len(intention.agencies) for intention in finished],
        )
