"""Intentions: opened with a registration, claimed in batches, closed when they are carried out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Uuid, any_, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from agency_sync.domain.card_state import CardKey, RegistrationState
from agency_sync.domain.intention import (
    Intention,
    IntentionKind,
    IntentionState,
    KeptIntention,
    Predecessor,
)
from agency_sync.store.bidder_states import STATE_COLUMNS, read_kept_state
from agency_sync.store.card_states import read_proven, read_registrations
from agency_sync.store.tables import intentions
from servicekit.database_clock import LEEWAY, STATEMENT_TIME
from servicekit.database_connection import Connection
from servicekit.statements import Statement
from servicekit.versions import Version

# The longest wait of an intention that was refused alone.
LONGEST_WAIT = timedelta(hours=1)
# The longest time until the next night batch.
LONGEST_PLAN = timedelta(days=1) + LEEWAY


@dataclass(frozen=True, slots=True)
class ClaimedBatch:
    """Intentions that are claimed, whether there may be more to claim, and the instant at which it was done."""

    intentions: Sequence[Intention]
    may_have_more: bool
    claimed_at: datetime | None


_LOCK_BY_CARD = Statement(
    text(
        """
        SELECT registration_id, certificate_sha256, category, agency, epoch, state, kind, agencies
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
            registration_id, certificate_sha256, category, agency, kind, state, epoch, planned_at, made_at, done_at
        )
        SELECT registration_id, certificate_sha256, category, agency, kind, state, epoch, planned_at, :now,
            CASE WHEN state = 'done' THEN CAST(:now AS timestamptz) END
        FROM unnest(
            CAST(:registration_ids AS uuid[]), CAST(:certificates AS bytea[]), CAST(:categories AS text[]),
            CAST(:agencies AS text[]), CAST(:epochs AS bigint[]), CAST(:states AS text[]), CAST(:kinds AS text[]),
            CAST(:planned_at AS timestamptz[])
        ) AS opened (registration_id, certificate_sha256, category, agency, epoch, state, kind, planned_at)
        ORDER BY registration_id
        ON CONFLICT (registration_id) DO UPDATE
        SET kind = excluded.kind, state = excluded.state, epoch = excluded.epoch, taken_until = NULL,
            done_at = excluded.done_at, refusals = 0, refused_for = '', due_at = NULL
        """
    )
)

_CHANGE = Statement(
    text(
        """
        UPDATE intentions
        SET kind = changed.kind, state = changed.state, taken_until = NULL, due_at = NULL, refused_for = '',
            done_at = CASE WHEN changed.state = 'done' THEN CAST(:now AS timestamptz) END
        FROM unnest(CAST(:registration_ids AS uuid[]), CAST(:states AS text[]), CAST(:kinds AS text[]))
            AS changed (registration_id, state, kind)
        WHERE intentions.registration_id = changed.registration_id
        """
    )
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

# A newer state than the one that was judged may have come meanwhile, of the card or of the one whose place it took:
# then the intention stays open, and is free to be judged by that one.
_WAIT = Statement(
    text(
        """
        UPDATE intentions
        SET taken_until = NULL,
            state = CASE
                WHEN (card.version_epoch, card.version_number) = (judged.card_epoch, judged.card_number)
                    AND NOT EXISTS (
                        SELECT FROM card_states AS old
                        WHERE old.certificate_sha256 =
                                decode(card.registrations -> intentions.agency ->> 'predecessor', 'hex')
                            AND old.category = card.category
                            AND (old.version_epoch, old.version_number)
                                IS DISTINCT FROM (judged.old_epoch, judged.old_number)
                    )
                THEN 'waiting'
                ELSE intentions.state
            END
        FROM unnest(
            CAST(:registration_ids AS uuid[]), CAST(:epochs AS bigint[]), CAST(:card_epochs AS bigint[]),
            CAST(:card_numbers AS bigint[]), CAST(:old_epochs AS bigint[]), CAST(:old_numbers AS bigint[])
        ) AS judged (registration_id, epoch, card_epoch, card_number, old_epoch, old_number), card_states AS card
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
    text(
        "UPDATE intentions SET taken_until = now() + CAST(:duration AS interval) "
        "WHERE registration_id = any(:registration_ids) AND taken_until IS NOT NULL"
    ).bindparams(bindparam("registration_ids", type_=ARRAY(Uuid)))
)

_RELEASE = Statement(update(intentions).where(_ARE_CLAIMED).values(taken_until=None))

# The database's clock says what is free and due; a time that is further ahead than any claim, wait or plan comes from
# one that was wrong. A change may be known before its card, and is not due before that. Those that a registry refused
# are looked for only where the others are no whole batch.
_CLAIM = Statement(
    text(
        f"""
        WITH fresh AS (
            SELECT registration_id FROM intentions
            WHERE state = 'open' AND refused_for = '' AND (kind = 'change') = :of_changes
                AND (
                    :at_once OR planned_at <= {STATEMENT_TIME}
                    OR planned_at > {STATEMENT_TIME} + make_interval(secs => :longest_plan)
                )
                AND (
                    kind <> 'change' OR EXISTS (
                        SELECT FROM card_states AS card
                        WHERE card.certificate_sha256 = intentions.certificate_sha256
                            AND card.category = intentions.category
                    )
                )
                AND (taken_until IS NULL OR taken_until NOT BETWEEN now() AND now() + CAST(:longest_claim AS interval))
            ORDER BY planned_at LIMIT :most
            FOR UPDATE SKIP LOCKED
        ), refused AS (
            SELECT registration_id FROM intentions
            WHERE state = 'open' AND refused_for <> '' AND (kind = 'change') = :of_changes
                AND (taken_until IS NULL OR taken_until NOT BETWEEN now() AND now() + CAST(:longest_claim AS interval))
                AND (due_at IS NULL OR due_at NOT BETWEEN now() AND now() + make_interval(secs => :longest_wait))
                AND (SELECT count(*) FROM fresh) < :most
            ORDER BY planned_at LIMIT 1
            FOR UPDATE SKIP LOCKED
        ), chosen AS (
            SELECT registration_id FROM fresh
            UNION ALL
            SELECT registration_id FROM refused WHERE NOT EXISTS (SELECT FROM fresh)
        )
        UPDATE intentions
        SET taken_until = now() + CAST(:duration AS interval),
            run_began_at = coalesce(CAST(:began_at AS timestamptz), {STATEMENT_TIME})
        FROM chosen, card_states AS card
        LEFT JOIN bidder_states AS bidder ON bidder.bidder_id = card.bidder_id AND bidder.category = card.category
        WHERE intentions.registration_id = chosen.registration_id
            AND card.certificate_sha256 = intentions.certificate_sha256 AND card.category = intentions.category
        RETURNING intentions.registration_id, intentions.agency, intentions.category, intentions.epoch,
            intentions.kind, intentions.refused_for, intentions.agencies, {STATEMENT_TIME} AS claimed_at,
            card.is_live, card.is_suspended, (
                SELECT json_build_object(
                    'version', ARRAY[version_epoch, version_number], 'registrations', registrations
                )
                FROM card_states AS old
                WHERE old.certificate_sha256 =
                        decode(card.registrations -> intentions.agency ->> 'predecessor', 'hex')
                    AND old.category = card.category
            ) AS predecessor, card.version_epoch, card.version_number, card.bidder_id, card.proven_password,
            card.proven_company, card.proven_holder, card.registrations, card.certificate_sha256, {STATE_COLUMNS},
            EXISTS (SELECT FROM refused) AS has_refused
        """  # noqa: S608  # constants
    ).bindparams(longest_wait=LONGEST_WAIT.total_seconds(), longest_plan=LONGEST_PLAN.total_seconds())
)

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


async def lock_by_card(connection: Connection, keys: Collection[CardKey]) -> Sequence[KeptIntention]:
    """Locks the intentions of cards until the caller's transaction ends, and returns them."""
    rows = await connection.fetch_rows(
        _LOCK_BY_CARD,
        certificates=[certificate_sha256 for certificate_sha256, _ in keys],
        categories=[category for _, category in keys],
    )
    return [
        KeptIntention(
            row.registration_id,
            (row.certificate_sha256, row.category),
            row.agency,
            row.epoch,
            IntentionState(row.state),
            IntentionKind(row.kind),
            frozenset(row.agencies or ()),
        )
        for row in rows
    ]


async def lock_claimed(connection: Connection, claimed: Sequence[Intention]) -> None:
    """Locks intentions until the caller's transaction ends."""
    await connection.change(_LOCK_CLAIMED, registration_ids=[intention.registration_id for intention in claimed])


async def open_intentions(
    connection: Connection, opened: Sequence[KeptIntention], *, now: datetime, planned_at: Sequence[datetime]
) -> None:
    """Writes new intentions, each to be carried out at its instant of `planned_at`, all in one statement.

    Those that are kept already are opened anew, and stay due when they were.
    """
    if opened:
        await connection.change(
            _OPEN,
            now=now,
            planned_at=planned_at,
            registration_ids=[intention.registration_id for intention in opened],
            certificates=[intention.card[0] for intention in opened],
            categories=[intention.card[1] for intention in opened],
            agencies=[intention.agency for intention in opened],
            epochs=[intention.epoch for intention in opened],
            states=[str(intention.state) for intention in opened],
            kinds=[str(intention.kind) for intention in opened],
        )


async def change_states(connection: Connection, changed: Sequence[KeptIntention], *, now: datetime) -> None:
    """Writes the new states of intentions that the caller has locked; a claim on them ends."""
    if changed:
        await connection.change(
            _CHANGE,
            now=now,
            registration_ids=[intention.registration_id for intention in changed],
            states=[str(intention.state) for intention in changed],
            kinds=[str(intention.kind) for intention in changed],
        )


async def claim_open(
    connection: Connection,
    *,
    limit: int,
    duration: timedelta,
    of_changes: bool = False,
    at_once: bool = True,
    now: datetime | None = None,
    began_at: datetime | None = None,
) -> ClaimedBatch:
    """Claims the oldest open intentions that are due, at most `limit`, for `duration`; other workers skip them then.

    Of changes, or of all others; with `at_once` those planned for later are due, too. `now` is None where the
    database's clock says it, `began_at` the beginning of the run, None at its first batch.
    Where all of these are claimed, one that a registry refused alone, if it is due. A claim that ends later than any
    could is wrong, and holds nobody up.
    """
    rows = await connection.fetch_rows(
        _CLAIM,
        duration=duration,
        longest_claim=duration + LEEWAY,
        most=limit,
        of_changes=of_changes,
        at_once=at_once,
        now=now,
        began_at=began_at,
    )
    claimed = [
        Intention(
            registration_id=row.registration_id,
            agency=row.agency,
            category=row.category,
            bidder_id=row.bidder_id,
            epoch=row.epoch,
            card_version=Version(row.version_epoch, row.version_number),
            kind=IntentionKind(row.kind),
            proven=read_proven(row),
            registrations=read_registrations(row.registrations),
            certificate_sha256=row.certificate_sha256,
            bidder=read_kept_state(row.bidder_id, row.category, row),
            was_refused=row.refused_for != "",
            predecessor=_read_predecessor(row.predecessor),
            is_card_live=row.is_live,
            is_card_suspended=row.is_suspended,
            agencies=frozenset(row.agencies or ()),
        )
        for row in rows
    ]
    may_have_more = len(rows) == limit or any(row.has_refused for row in rows)
    return ClaimedBatch(claimed, may_have_more, rows[0].claimed_at if rows else None)


async def renew(connection: Connection, claimed: Sequence[Intention], *, duration: timedelta) -> None:
    """Prolongs the claim on these intentions, which the caller has locked; one that has ended already stays ended."""
    registration_ids = [intention.registration_id for intention in claimed]
    await connection.change(_RENEW, registration_ids=registration_ids, duration=duration)


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
            old_epochs=[each.predecessor and each.predecessor.version.epoch for each in stopped],
            old_numbers=[each.predecessor and each.predecessor.version.number for each in stopped],
        )


def _read_predecessor(column: Mapping[str, Any] | None) -> Predecessor | None:
    if column is None:
        return None
    return Predecessor(Version(*column["version"]), find_good_agencies(column["registrations"]))


def find_good_agencies(registrations: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Returns the agencies at which a card is good, from the value of the column of its registrations."""
    return frozenset(
        agency
        for agency, registration in read_registrations(registrations).items()
        if registration.state is RegistrationState.GOOD
    )
