"""Intentions: opened with a registration, claimed in batches, closed when they are carried out."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, TextClause, Uuid, any_, bindparam, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from agency_sync.domain.card_state import CardKey, CompanyComparison, Proven
from agency_sync.domain.intention import Intention, IntentionState, KeptIntention, ListedIntention
from agency_sync.store.card_states import read_registrations
from agency_sync.store.tables import card_states, intentions
from servicekit.database_clock import LEEWAY
from servicekit.database_connection import Connection
from servicekit.statements import Statement
from servicekit.versions import Version

# The longest wait of an intention that was refused alone.
LONGEST_WAIT = timedelta(hours=1)

_LOCK_BY_CARD = Statement(
    text(
        """
        SELECT registration_id, certificate_sha256, category, agency, epoch, state
        FROM intentions
        WHERE (certificate_sha256, category) IN (
            SELECT * FROM unnest(CAST(:certificates AS bytea[]), CAST(:categories AS text[]))
        )
        ORDER BY registration_id
        FOR UPDATE
        """
    )
)

_OPEN = Statement(
    text(
        """
        INSERT INTO intentions (
            registration_id, certificate_sha256, category, agency, state, epoch, planned_at, done_at
        )
        SELECT registration_id, certificate_sha256, category, agency, state, epoch, :now,
            CASE WHEN state = 'done' THEN CAST(:now AS timestamptz) END
        FROM unnest(
            CAST(:registration_ids AS uuid[]), CAST(:certificates AS bytea[]), CAST(:categories AS text[]),
            CAST(:agencies AS text[]), CAST(:epochs AS bigint[]), CAST(:states AS text[])
        ) AS opened (registration_id, certificate_sha256, category, agency, epoch, state)
        ORDER BY registration_id
        ON CONFLICT (registration_id) DO UPDATE
        SET state = excluded.state, epoch = excluded.epoch, planned_at = excluded.planned_at,
            taken_until = NULL, done_at = excluded.done_at, refusals = 0, refused_for = '', due_at = NULL
        """
    )
)

_CHANGE = Statement(
    text(
        """
        UPDATE intentions
        SET state = changed.state, taken_until = NULL, due_at = NULL, refused_for = '',
            done_at = CASE WHEN changed.state = 'done' THEN CAST(:now AS timestamptz) END
        FROM unnest(CAST(:registration_ids AS uuid[]), CAST(:states AS text[])) AS changed (registration_id, state)
        WHERE intentions.registration_id = changed.registration_id
        """
    )
)

# The database's clock says what is due; a time that is further ahead than any wait comes from one that was wrong.
_IS_DUE = text("(due_at IS NULL OR due_at NOT BETWEEN now() AND now() + make_interval(secs => :longest))").bindparams(
    longest=LONGEST_WAIT.total_seconds()
)

_POSTPONE = Statement(
    text(
        """
        UPDATE intentions
        SET taken_until = NULL, refused_for = :reason, refusals = refusals + 1,
            due_at = now() + make_interval(secs => least(:longest, power(2.0, least(refusals, 20))))
        WHERE registration_id = :registration_id AND epoch = :epoch AND state = 'open'
        """
    ).bindparams(longest=LONGEST_WAIT.total_seconds())
)

# A newer state of the card than the one that was judged may have come meanwhile: then the intention stays open, and
# is free to be judged by that one.
_WAIT = Statement(
    text(
        """
        UPDATE intentions
        SET taken_until = NULL,
            state = CASE
                WHEN (card.version_epoch, card.version_number) = (judged.card_epoch, judged.card_number) THEN 'waiting'
                ELSE intentions.state
            END
        FROM unnest(
            CAST(:registration_ids AS uuid[]), CAST(:epochs AS bigint[]), CAST(:card_epochs AS bigint[]),
            CAST(:card_numbers AS bigint[])
        ) AS judged (registration_id, epoch, card_epoch, card_number), card_states AS card
        WHERE intentions.registration_id = judged.registration_id AND intentions.epoch = judged.epoch
            AND intentions.state = 'open'
            AND card.certificate_sha256 = intentions.certificate_sha256 AND card.category = intentions.category
        """
    )
)


_ARE_CLAIMED = intentions.c.registration_id == any_(bindparam("registration_ids", type_=ARRAY(Uuid)))

_LOCK_CLAIMED = Statement(
    select(intentions.c.registration_id).where(_ARE_CLAIMED).order_by(intentions.c.registration_id).with_for_update()
)

_RENEW = Statement(
    update(intentions).where(_ARE_CLAIMED, intentions.c.taken_until.is_not(None)).values(taken_until=bindparam("until"))
)

_RELEASE = Statement(update(intentions).where(_ARE_CLAIMED).values(taken_until=None))


def _write_claim(*which: ColumnElement[bool] | TextClause) -> Statement:
    """Returns the statement that claims the oldest open and free intentions of these."""
    instant = DateTime(timezone=True)
    free = (
        select(intentions.c.registration_id)
        .where(
            intentions.c.state == IntentionState.OPEN,
            or_(
                intentions.c.taken_until.is_(None),
                intentions.c.taken_until <= bindparam("now", type_=instant),
                intentions.c.taken_until > bindparam("latest", type_=instant),
            ),
            *which,
        )
        .order_by(intentions.c.planned_at)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
        .cte("free")
    )
    return Statement(
        update(intentions)
        .where(
            intentions.c.registration_id == free.c.registration_id,
            card_states.c.certificate_sha256 == intentions.c.certificate_sha256,
            card_states.c.category == intentions.c.category,
        )
        .values(taken_until=bindparam("until"))
        .returning(
            intentions.c.registration_id,
            intentions.c.agency,
            intentions.c.category,
            intentions.c.epoch,
            intentions.c.refused_for,
            card_states.c.version_epoch,
            card_states.c.version_number,
            card_states.c.bidder_id,
            card_states.c.proven_password,
            card_states.c.proven_company,
            card_states.c.registrations,
        )
    )


_CLAIM = _write_claim(intentions.c.refused_for == "")
_CLAIM_REFUSED = _write_claim(intentions.c.refused_for != "", _IS_DUE)

_COUNT_REFUSED = Statement(
    select(func.count()).where(intentions.c.state == IntentionState.OPEN, intentions.c.refused_for != "")
)

_CLOSE = Statement(
    text(
        "UPDATE intentions SET state = 'done', done_at = :now, taken_until = NULL, due_at = NULL, refused_for = '' "
        "FROM unnest(CAST(:registration_ids AS uuid[]), CAST(:epochs AS bigint[])) AS finished (id, epoch) "
        "WHERE registration_id = finished.id AND intentions.epoch = finished.epoch AND state = 'open'"
    )
)

_FIND = Statement(
    select(
        intentions.c.agency,
        intentions.c.category,
        intentions.c.state,
        intentions.c.planned_at,
        intentions.c.refused_for,
    ).where(intentions.c.registration_id == bindparam("registration_id"), intentions.c.agency == bindparam("agency"))
)


async def lock_by_card(connection: Connection, keys: Collection[CardKey]) -> Sequence[KeptIntention]:
    """Locks the intentions of cards until the caller's transaction ends, and returns them."""
    rows = await connection.fetch_rows(
        _LOCK_BY_CARD,
        certificates=[certificate_sha256 for certificate_sha256, _ in keys],
        categories=[category for _, category in keys],
    )
    return [
        KeptIntention(registration_id, (certificate_sha256, category), agency, epoch, IntentionState(state))
        for registration_id, certificate_sha256, category, agency, epoch, state in rows
    ]


async def lock_claimed(connection: Connection, claimed: Sequence[Intention]) -> None:
    """Locks intentions until the caller's transaction ends."""
    await connection.change(_LOCK_CLAIMED, registration_ids=[intention.registration_id for intention in claimed])


async def open_intentions(connection: Connection, opened: Sequence[KeptIntention], *, now: datetime) -> None:
    """Writes new intentions, and opens those anew that are kept already, all in one statement."""
    if opened:
        await connection.change(
            _OPEN,
            now=now,
            registration_ids=[intention.registration_id for intention in opened],
            certificates=[intention.card[0] for intention in opened],
            categories=[intention.card[1] for intention in opened],
            agencies=[intention.agency for intention in opened],
            epochs=[intention.epoch for intention in opened],
            states=[str(intention.state) for intention in opened],
        )


async def change_states(connection: Connection, changed: Sequence[KeptIntention], *, now: datetime) -> None:
    """Writes the new states of intentions that the caller has locked; a claim on them ends."""
    if changed:
        await connection.change(
            _CHANGE,
            now=now,
            registration_ids=[intention.registration_id for intention in changed],
            states=[str(intention.state) for intention in changed],
        )


async def claim_open(
    connection: Connection,
    *,
    limit: int,
    now: datetime,
    duration: timedelta,
    refused: bool = False,
) -> Sequence[Intention]:
    """Claims the oldest open intentions, at most `limit`, for `duration`; until then other workers skip them.

    Those that a registry refused are claimed for themselves (`refused`), when they are due. A claim that ends later
    than any could is wrong, and holds nobody up.
    """
    rows = await connection.fetch_rows(
        _CLAIM_REFUSED if refused else _CLAIM,
        now=now,
        until=now + duration,
        latest=now + duration + LEEWAY,
        most=limit,
    )
    return [
        Intention(
            registration_id=row.registration_id,
            agency=row.agency,
            category=row.category,
            bidder_id=row.bidder_id,
            epoch=row.epoch,
            card_version=Version(row.version_epoch, row.version_number),
            proven=Proven(row.proven_password, CompanyComparison(row.proven_company)),
            registrations=read_registrations(row.registrations),
            was_refused=row.refused_for != "",
        )
        for row in rows
    ]


async def renew(connection: Connection, claimed: Sequence[Intention], *, until: datetime) -> None:
    """Prolongs the claim on these intentions, which the caller has locked; one that has ended already stays ended."""
    await connection.change(_RENEW, registration_ids=[intention.registration_id for intention in claimed], until=until)


async def release(connection: Connection, claimed: Sequence[Intention]) -> None:
    """Ends the claim on these intentions, which the caller has locked, so that any worker may claim them at once."""
    await connection.change(_RELEASE, registration_ids=[intention.registration_id for intention in claimed])


async def postpone(connection: Connection, intention: Intention, reason: str) -> None:
    """Has an intention wait that was refused alone, for the reason that is shown, and ends the claim on it.

    It waits a second, then twice as long each time, up to an hour, by the database's clock.
    """
    await connection.change(_POSTPONE, registration_id=intention.registration_id, epoch=intention.epoch, reason=reason)


async def count_refused(connection: Connection) -> int:
    """Returns the number of open intentions that were refused alone, and wait for their next try."""
    number: int = await connection.fetch_value(_COUNT_REFUSED)
    return number


async def close(connection: Connection, finished: Sequence[Intention], *, now: datetime) -> None:
    """Marks intentions as done, except those that are no longer open, or were opened anew in the meantime."""
    if finished:
        await connection.change(
            _CLOSE,
            now=now,
            registration_ids=[intention.registration_id for intention in finished],
            epochs=[intention.epoch for intention in finished],
        )


async def wait(connection: Connection, stopped: Sequence[Intention]) -> None:
    """Has open intentions wait for a newer state of their cards; one whose card has it already is free again."""
    if stopped:
        await connection.change(
            _WAIT,
            registration_ids=[intention.registration_id for intention in stopped],
            epochs=[intention.epoch for intention in stopped],
            card_epochs=[intention.card_version.epoch for intention in stopped],
            card_numbers=[intention.card_version.number for intention in stopped],
        )


async def find_intention(connection: Connection, registration_id: UUID, agency: str) -> ListedIntention | None:
    """Returns the intention of a registration at this agency; None where there is none."""
    row = await connection.fetch_row(_FIND, registration_id=registration_id, agency=agency)
    if row is None:
        return None
    return ListedIntention(row.agency, row.category, IntentionState(row.state), row.planned_at, row.refused_for)
