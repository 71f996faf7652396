"""The states of bidders in their categories, the newest version of each."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text

from certificate_registry.domain.bidder import BidderState, list_reviews, list_steps
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# Ordered by their key, so that two concurrent deliveries can't deadlock.
_RECORD = Statement(
    text(
        """
        INSERT INTO bidder_state (
            bidder_id, category, status, suspended_agencies, qualified_since, qualified_at, review_agencies,
            review_began_at, version_epoch, version_number, recorded_at
        )
        SELECT bidder_id, category, status, string_to_array(suspended_agencies, ' '),
            CAST(string_to_array(qualified_since, ' ') AS timestamptz[]), string_to_array(qualified_at, chr(10)),
            string_to_array(review_agencies, ' '), CAST(string_to_array(review_began_at, ' ') AS timestamptz[]),
            epoch, number, now()
        FROM unnest(
            CAST(:bidder_ids AS text[]), CAST(:categories AS text[]), CAST(:statuses AS text[]),
            CAST(:suspended_agencies AS text[]), CAST(:qualified_since AS text[]), CAST(:qualified_at AS text[]),
            CAST(:review_agencies AS text[]), CAST(:review_began_at AS text[]), CAST(:epochs AS bigint[]),
            CAST(:numbers AS bigint[])
        ) AS state (
            bidder_id, category, status, suspended_agencies, qualified_since, qualified_at, review_agencies,
            review_began_at, epoch, number
        )
        ORDER BY bidder_id, category
        ON CONFLICT (bidder_id, category) DO UPDATE
        SET status = excluded.status, suspended_agencies = excluded.suspended_agencies,
            qualified_since = excluded.qualified_since, qualified_at = excluded.qualified_at,
            review_agencies = excluded.review_agencies, review_began_at = excluded.review_began_at,
            version_epoch = excluded.version_epoch, version_number = excluded.version_number,
            recorded_at = excluded.recorded_at
        WHERE (bidder_state.version_epoch, bidder_state.version_number)
            < (excluded.version_epoch, excluded.version_number)
        """
    )
)


async def record_states(connection: Connection, states: Sequence[BidderState]) -> None:
    """Replaces the states of bidders by these, one for each bidder and category, unless theirs is as high or higher."""
    steps = [list_steps(state.qualified) for state in states]
    reviews = [list_reviews(state.reviews) for state in states]
    await connection.change(
        _RECORD,
        bidder_ids=[state.bidder_id for state in states],
        categories=[state.category for state in states],
        statuses=[state.status.value for state in states],
        # Codes of agencies have neither spaces nor line feeds. A lookup searches a step for a code between two spaces.
        suspended_agencies=[" ".join(state.suspended_agencies) for state in states],
        qualified_since=[" ".join(map(datetime.isoformat, instants)) for instants, _ in steps],
        qualified_at=["\n".join(f" {' '.join(agencies)} " for agencies in by_step) for _, by_step in steps],
        review_agencies=[" ".join(by_agency) for by_agency in reviews],
        review_began_at=[" ".join(map(datetime.isoformat, by_agency.values())) for by_agency in reviews],
        epochs=[state.version.epoch for state in states],
        numbers=[state.version.number for state in states],
    )
