"""The states of bidders in their categories, the newest version of each."""

from collections.abc import Sequence

from sqlalchemy import text

from certificate_registry.domain.bidder import BidderState
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# Ordered by their key, so that two concurrent deliveries can't deadlock.
_RECORD = Statement(
    text(
        """
        INSERT INTO bidder_state (
            bidder_id, category, status, suspended_agencies, version_epoch, version_number, recorded_at
        )
        SELECT bidder_id, category, status, string_to_array(suspended_agencies, ' '), epoch, number, now()
        FROM unnest(
            CAST(:bidder_ids AS text[]), CAST(:categories AS text[]), CAST(:statuses AS text[]),
            CAST(:suspended_agencies AS text[]), CAST(:epochs AS bigint[]), CAST(:numbers AS bigint[])
        ) AS state (bidder_id, category, status, suspended_agencies, epoch, number)
        ORDER BY bidder_id, category
        ON CONFLICT (bidder_id, category) DO UPDATE
        SET status = excluded.status, suspended_agencies = excluded.suspended_agencies,
            version_epoch = excluded.version_epoch, version_number = excluded.version_number,
            recorded_at = excluded.recorded_at
        WHERE (bidder_state.version_epoch, bidder_state.version_number)
            < (excluded.version_epoch, excluded.version_number)
        """
    )
)


async def record_states(connection: Connection, states: Sequence[BidderState]) -> None:
    """Replaces the states of bidders by these, one for each bidder and category, unless theirs is as high or higher."""
    await connection.change(
        _RECORD,
        bidder_ids=[state.bidder_id for state in states],
        categories=[state.category for state in states],
        statuses=[state.status.value for state in states],
        # Codes of agencies have no spaces.
        suspended_agencies=[" ".join(state.suspended_agencies) for state in states],
        epochs=[state.version.epoch for state in states],
        numbers=[state.version.number for state in states],
    )
