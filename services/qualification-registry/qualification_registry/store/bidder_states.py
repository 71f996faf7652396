"""The states of bidders in their categories: their versions, and what they consist of."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import text

from qualification_registry.domain.bidder_state import BidderKey, BidderState
from qualification_registry.domain.bidders import BidderStatus
from qualification_registry.domain.card_approval import ApprovedCard, Questions
from qualification_registry.domain.qualified_periods import QualifiedLine, find_periods, find_reviews
from servicekit.database_connection import Connection
from servicekit.identity import OPERATOR
from servicekit.statements import Statement
from servicekit.versions import Version

# A row that was just made has no state that anybody was told of yet.
_LOCK = Statement(
    text(
        """
        INSERT INTO bidder_states (bidder_id, category, version_epoch, version_number)
        SELECT bidder.bidder_id, :category, registry_state.epoch, 0
        FROM bidders bidder, registry_state WHERE bidder.bidder_id = :bidder_id
        ON CONFLICT (bidder_id, category) DO UPDATE SET has_ended = bidder_states.has_ended
        RETURNING has_ended
        """
    )
)

# Ordered by their key, so that two transactions can't deadlock.
_RAISE_VERSIONS = Statement(
    text(
        """
        INSERT INTO bidder_states (bidder_id, category, version_epoch, version_number)
        SELECT changed.bidder_id, changed.category, registry_state.epoch, 1
        FROM unnest(CAST(:bidder_ids AS text[]), CAST(:categories AS text[])) AS changed (bidder_id, category),
            registry_state
        ORDER BY changed.bidder_id, changed.category
        ON CONFLICT (bidder_id, category) DO UPDATE
        SET version_epoch = excluded.version_epoch, version_number = bidder_states.version_number + 1
        """
    )
)

# One statement, so that a version and what it consists of are of one moment.
_LIST = Statement(
    text(
        f"""
        SELECT state.bidder_id, state.category, state.version_epoch, state.version_number,
            CASE
                WHEN state.has_ended THEN '{BidderStatus.ENDED}'
                WHEN '{OPERATOR}' = ANY (suspension.agencies) THEN '{BidderStatus.SUSPENDED}'
                ELSE '{BidderStatus.ACTIVE}'
            END AS status,
            array_remove(suspension.agencies, '{OPERATOR}') AS suspended_agencies, approval.cards, roster.lines
        FROM bidder_states state
        CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(agency ORDER BY agency), '{{}}') AS agencies FROM bidder_suspensions suspension
            WHERE suspension.bidder_id = state.bidder_id AND suspension.category = state.category
        ) AS suspension
        CROSS JOIN LATERAL (
            SELECT coalesce(
                json_agg(json_build_array(agency, encode(certificate_sha256, 'hex'), company, holder)), '[]'
            ) AS cards
            FROM (
                SELECT agency, certificate_sha256, bool_or(company) AS company, bool_or(holder) AS holder
                FROM card_approvals approval
                WHERE approval.bidder_id = state.bidder_id AND approval.category = state.category
                    AND approval.state = 'approved'
                GROUP BY agency, certificate_sha256 ORDER BY agency, certificate_sha256
            ) AS card
        ) AS approval
        CROSS JOIN LATERAL (
            SELECT coalesce(
                json_agg(
                    json_build_array(
                        line.agencies, greatest(line.valid_from, term.term_from),
                        least(line.valid_until, term.holds_until), review.began_at, review.ended_agencies
                    )
                ),
                '[]'
            ) AS lines
            FROM roster_lines line
            JOIN roster_imports import ON import.number = line.import_number AND import.made_version IS NOT NULL
            JOIN roster_terms term ON term.number = import.term
            JOIN rosters roster ON roster.name = import.roster AND roster.category = state.category
            LEFT JOIN company_reviews review ON review.bidder_id = line.bidder_id AND review.term = import.term
            WHERE line.bidder_id = state.bidder_id AND line.superseded_by IS NULL
                AND coalesce(least(line.valid_until, term.holds_until) >= :today, true)
        ) AS roster
        WHERE (state.bidder_id, state.category) IN (
            SELECT * FROM unnest(CAST(:bidder_ids AS text[]), CAST(:categories AS text[]))
        )
        ORDER BY state.bidder_id, state.category
        """  # noqa: S608  # constants
    )
)


async def lock_state(connection: Connection, key: BidderKey) -> bool | None:
    """Returns whether a bidder has ended in a category; None where no bidder has this id.

    Nobody else decides about the bidder in this category until the transaction ends.
    """
    has_ended: bool | None = await connection.fetch_value(_LOCK, **key._asdict())
    return has_ended


async def raise_versions(connection: Connection, keys: Collection[BidderKey]) -> None:
    """Gives the states of bidders, which are about to change or just did, their next version."""
    await connection.change(_RAISE_VERSIONS, **_write_keys(keys))


async def list_states(connection: Connection, keys: Collection[BidderKey], today: date) -> Sequence[BidderState]:
    """Returns the current states of these bidders that have one, in the order of their keys.

    Without what ended before a day in Japan.
    """
    return [_read_state(row) for row in await connection.fetch_rows(_LIST, **_write_keys(keys), today=today)]


def _write_keys(keys: Collection[BidderKey]) -> dict[str, list[str]]:
    return {"bidder_ids": [key.bidder_id for key in keys], "categories": [key.category for key in keys]}


def _read_state(row: Any) -> BidderState:
    lines = [_read_line(*line) for line in row.lines]
    return BidderState(
        key=BidderKey(row.bidder_id, row.category),
        version=Version(row.version_epoch, row.version_number),
        status=BidderStatus(row.status),
        suspended_agencies=tuple(row.suspended_agencies),
        approved_cards=[
            ApprovedCard(agency, bytes.fromhex(certificate), Questions(company, holder))
            for agency, certificate, company, holder in row.cards
        ],
        qualified=find_periods(lines),
        reviews=find_reviews(lines),
    )


def _read_line(
    agencies: str, first_day: str | None, last_day: str | None, began_at: str | None, ended_agencies: list[str] | None
) -> QualifiedLine:
    return QualifiedLine(
        agencies.split(),
        None if first_day is None else date.fromisoformat(first_day),
        None if last_day is None else date.fromisoformat(last_day),
        None if began_at is None else datetime.fromisoformat(began_at),
        ended_agencies or (),
    )
