"""The states of bidders in their categories, the newest version of each."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from agency_sync.domain.bidder_state import (
    ApprovedCard,
    BidderKey,
    BidderState,
    CompanyReview,
    QualifiedPeriod,
)
from servicekit.database_connection import Connection
from servicekit.statements import Statement
from servicekit.versions import Version

_REPLACE = Statement(
    text(
        """
        INSERT INTO bidder_states AS kept (
            bidder_id, category, version_epoch, version_number, is_suspended, suspended_agencies, approved_cards,
            is_ended, qualified, reviews
        )
        SELECT bidder_id, category, version_epoch, version_number, is_suspended,
            string_to_array(suspended_agencies, ' '), CAST(approved_cards AS jsonb), is_ended,
            CAST(qualified AS jsonb), CAST(reviews AS jsonb)
        FROM unnest(
            CAST(:bidder_ids AS text[]), CAST(:categories AS text[]), CAST(:epochs AS bigint[]),
            CAST(:numbers AS bigint[]), CAST(:suspended AS boolean[]), CAST(:suspended_agencies AS text[]),
            CAST(:approved_cards AS text[]), CAST(:ended AS boolean[]), CAST(:qualified AS text[]),
            CAST(:reviews AS text[])
        ) AS state (
            bidder_id, category, version_epoch, version_number, is_suspended, suspended_agencies, approved_cards,
            is_ended, qualified, reviews
        )
        ORDER BY bidder_id, category
        ON CONFLICT (bidder_id, category) DO UPDATE
        SET version_epoch = excluded.version_epoch, version_number = excluded.version_number,
            is_suspended = excluded.is_suspended, suspended_agencies = excluded.suspended_agencies,
            approved_cards = excluded.approved_cards, is_ended = excluded.is_ended, qualified = excluded.qualified,
            reviews = excluded.reviews
        WHERE (kept.version_epoch, kept.version_number) < (excluded.version_epoch, excluded.version_number)
        RETURNING bidder_id, category
        """
    )
)

_READ_VERSIONS = Statement(
    text(
        """
        SELECT bidder_id, category, version_epoch, version_number FROM bidder_states
        WHERE (bidder_id, category) IN (SELECT * FROM unnest(CAST(:bidder_ids AS text[]), CAST(:categories AS text[])))
        """
    )
)

# What `read_kept_state` reads; where no state is kept, all are NULL.
STATE_COLUMNS = """
    bidder.version_epoch AS bidder_epoch, bidder.version_number AS bidder_number,
    bidder.is_suspended AS is_bidder_suspended, bidder.suspended_agencies, bidder.approved_cards,
    bidder.is_ended AS is_bidder_ended, bidder.qualified, bidder.reviews
"""


async def replace_states(connection: Connection, states: Sequence[BidderState]) -> Collection[BidderKey]:
    """Replaces the states of bidders by these, one for each bidder and category, unless theirs is as high or higher.

    Returns those whose state was written; their rows stay locked until the caller's transaction ends.
    """
    rows = await connection.fetch_rows(
        _REPLACE,
        bidder_ids=[state.bidder_id for state in states],
        categories=[state.category for state in states],
        epochs=[state.version.epoch for state in states],
        numbers=[state.version.number for state in states],
        suspended=[state.is_suspended for state in states],
        # Codes of agencies have no spaces.
        suspended_agencies=[" ".join(sorted(state.suspended_agencies)) for state in states],
        approved_cards=[json.dumps(list(map(_write_approved_card, state.approved_cards))) for state in states],
        ended=[state.is_ended for state in states],
        qualified=[json.dumps(list(map(_write_period, state.qualified))) for state in states],
        reviews=[json.dumps(list(map(_write_review, state.reviews))) for state in states],
    )
    return {(row.bidder_id, row.category) for row in rows}


async def read_versions(connection: Connection, keys: Collection[BidderKey]) -> Mapping[BidderKey, Version]:
    """Returns the versions of the kept states; a bidder without one is left out."""
    rows = await connection.fetch_rows(
        _READ_VERSIONS,
        bidder_ids=[bidder_id for bidder_id, _ in keys],
        categories=[category for _, category in keys],
    )
    return {(row.bidder_id, row.category): Version(row.version_epoch, row.version_number) for row in rows}


def read_kept_state(bidder_id: str, category: str, row: Any) -> BidderState | None:
    """Returns the state of a bidder in a row with `STATE_COLUMNS`; None where none is kept."""
    if row.bidder_epoch is None:
        return None
    return BidderState(
        bidder_id=bidder_id,
        category=category,
        version=Version(row.bidder_epoch, row.bidder_number),
        is_suspended=row.is_bidder_suspended,
        suspended_agencies=frozenset(row.suspended_agencies),
        approved_cards=list(map(_read_approved_card, row.approved_cards)),
        is_ended=row.is_bidder_ended,
        qualified=list(map(_read_period, row.qualified)),
        reviews=list(map(_read_review, row.reviews)),
    )


def _write_approved_card(card: ApprovedCard) -> dict[str, Any]:
    return {
        "agency": card.agency,
        "certificate_sha256": card.certificate_sha256.hex(),
        "company": card.company,
        "holder": card.holder,
    }


def _read_approved_card(card: Mapping[str, Any]) -> ApprovedCard:
    return ApprovedCard(card["agency"], bytes.fromhex(card["certificate_sha256"]), card["company"], card["holder"])


def _write_period(period: QualifiedPeriod) -> dict[str, Any]:
    return {
        "begins": period.begins and period.begins.isoformat(),
        "ends": period.ends and period.ends.isoformat(),
        "agencies": sorted(period.agencies),
    }


def _read_period(period: Mapping[str, Any]) -> QualifiedPeriod:
    begins, ends = (instant and datetime.fromisoformat(instant) for instant in (period["begins"], period["ends"]))
    return QualifiedPeriod(begins, ends, frozenset(period["agencies"]))


def _write_review(review: CompanyReview) -> dict[str, Any]:
    return {"began_at": review.began_at.isoformat(), "agencies": sorted(review.agencies)}


def _read_review(review: Mapping[str, Any]) -> CompanyReview:
    return CompanyReview(datetime.fromisoformat(review["began_at"]), frozenset(review["agencies"]))
