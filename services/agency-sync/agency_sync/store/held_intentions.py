"""Intentions that are held up by the state of their bidder, and what a newer one does to them."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import text

from agency_sync.domain.bidder_state import BIDDER_SUSPENDED, JUDGED_BY_BIDDER, BidderKey, HeldIntention, JudgedAgain
from agency_sync.domain.card_state import RegistrationState
from agency_sync.domain.intention import BIDDER_AWAITED, Intention, IntentionKind, IntentionState
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# Also those that are neither held up nor refused yet: who carries one out has it locked when it records what became of
# it. Every import tells of all its bidders, so what is done for good is left alone.
_LOCK = Statement(
    text(
        """
        SELECT FROM intentions JOIN card_states AS card USING (certificate_sha256, category)
        WHERE (card.bidder_id, card.category) IN (
            SELECT * FROM unnest(CAST(:bidder_ids AS text[]), CAST(:categories AS text[]))
        )
        AND (
            intentions.state <> 'done' OR EXISTS (
                SELECT FROM propagations
                WHERE propagations.registration_id = intentions.registration_id AND propagations.state = 'refused'
                    AND propagations.reason = ANY (CAST(:reasons AS text[]))
            )
        )
        ORDER BY intentions.registration_id
        FOR UPDATE OF intentions
        """
    )
)

_LIST = Statement(
    text(
        f"""
        SELECT intentions.registration_id, card.bidder_id, card.category, card.certificate_sha256, intentions.agency,
            coalesce(
                card.is_live AND NOT card.is_suspended
                AND card.registrations -> intentions.agency ->> 'state' = '{RegistrationState.GOOD}'
                OR intentions.kind = '{IntentionKind.CHANGE}'
                AND card.registrations -> intentions.agency ->> 'state' = '{RegistrationState.REPLACED}',
                false
            ) AS is_card_good,
            intentions.state = '{IntentionState.WAITING}' AS is_waiting,
            intentions.refused_for = '{BIDDER_AWAITED}' AS is_bidder_awaited,
            propagations.agency AS refused_at, propagations.reason
        FROM card_states AS card
        JOIN intentions USING (certificate_sha256, category)
        LEFT JOIN propagations ON intentions.state <> '{IntentionState.WAITING}'
            AND propagations.registration_id = intentions.registration_id AND propagations.state = 'refused'
            AND propagations.reason = ANY (CAST(:reasons AS text[]))
        WHERE (card.bidder_id, card.category) IN (
                SELECT * FROM unnest(CAST(:bidder_ids AS text[]), CAST(:categories AS text[]))
            )
            AND (
                propagations.agency IS NOT NULL
                OR intentions.state = '{IntentionState.WAITING}'
                AND intentions.refused_for IN ('{BIDDER_SUSPENDED}', '{BIDDER_AWAITED}')
            )
        """  # noqa: S608  # constants
    )
)

_OPEN = Statement(
    text(
        """
        WITH forgotten AS (
            DELETE FROM propagations
            USING unnest(CAST(:forgotten_ids AS uuid[]), CAST(:agencies AS text[])) AS lifted (registration_id, agency)
            WHERE propagations.registration_id = lifted.registration_id AND propagations.agency = lifted.agency
        ), waiting AS (
            UPDATE intentions SET refused_for = '' WHERE registration_id = ANY (CAST(:waiting AS uuid[]))
        )
        UPDATE intentions
        SET state = 'open', taken_until = NULL, done_at = NULL, refusals = 0, refused_for = '', due_at = NULL
        WHERE registration_id = ANY (CAST(:opened AS uuid[]))
        """
    )
)

_WAIT = Statement(
    text(
        """
        UPDATE intentions SET state = 'waiting', refused_for = :reason, taken_until = NULL, due_at = NULL
        FROM unnest(CAST(:registration_ids AS uuid[]), CAST(:epochs AS bigint[])) AS judged (id, epoch)
        WHERE registration_id = judged.id AND intentions.epoch = judged.epoch AND state = 'open'
        """
    )
)


async def lock_held(connection: Connection, bidders: Collection[BidderKey]) -> Sequence[HeldIntention]:
    """Locks the intentions of bidders until the caller's transaction ends, and returns those that are held up."""
    keys = {
        "bidder_ids": [bidder_id for bidder_id, _ in bidders],
        "categories": [category for _, category in bidders],
    }
    reasons = sorted(JUDGED_BY_BIDDER)
    await connection.fetch_rows(_LOCK, **keys, reasons=reasons)
    rows = await connection.fetch_rows(_LIST, **keys, reasons=reasons)
    refused: dict[UUID, dict[str, str]] = defaultdict(dict)
    for row in rows:
        if row.refused_at is not None:
            refused[row.registration_id][row.refused_at] = row.reason
    held = {
        row.registration_id: HeldIntention(
            registration_id=row.registration_id,
            bidder=(row.bidder_id, row.category),
            certificate_sha256=row.certificate_sha256,
            agency=row.agency,
            is_card_good=row.is_card_good,
            is_waiting=row.is_waiting,
            is_bidder_awaited=row.is_bidder_awaited,
            refused=refused[row.registration_id],
        )
        for row in rows
    }
    return list(held.values())


async def open_again(connection: Connection, judged: JudgedAgain) -> None:
    """Opens intentions that the caller has locked, and forgets what is judged again, in one statement."""
    await connection.change(
        _OPEN,
        opened=list(judged.opened),
        waiting=list(judged.waiting_for_card),
        forgotten_ids=[registration_id for registration_id, _ in judged.forgotten],
        agencies=[agency for _, agency in judged.forgotten],
    )


async def wait_for_bidder(connection: Connection, held: Sequence[Intention], *, reason: str) -> None:
    """Has open intentions, which the caller has locked, wait for a newer state of their bidders."""
    if held:
        await connection.change(
            _WAIT,
            reason=reason,
            registration_ids=[intention.registration_id for intention in held],
            epochs=[intention.epoch for intention in held],
        )
