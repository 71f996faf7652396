"""Appends to the feeds: their heads, what entries are made from, and the cards whose entries are still to be made.

Who appends locks the heads of the category first, all of them and in one order, and reads everything else after that:
so whoever commits last has read what all others wrote, and numbers are given in the order of commit (docs/adr/0035).
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import text

from agency_sync.domain.bidder_state import BidderKey
from agency_sync.domain.card_state import CardKey
from agency_sync.domain.feed import CardAtAgency, CardFacts, ContactVersions, FeedKey, NewEntry, Period
from agency_sync.store import bidder_states, card_states
from agency_sync.store.feed_columns import CARD_COLUMNS, read_card
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# A head of an older epoch counts as that of this one (store/tables.py).
_LOCK = Statement(
    text(
        """
        SELECT agency, category, number, (SELECT epoch FROM epoch) AS epoch
        FROM feed_heads WHERE category = ANY (CAST(:categories AS text[]))
        ORDER BY category, agency
        FOR UPDATE
        """
    )
)

_ADD_HEADS = Statement(
    text(
        """
        INSERT INTO feed_heads (agency, category, epoch, number)
        SELECT agency, category, epoch.epoch, 0
        FROM unnest(CAST(:agencies AS text[]), CAST(:categories AS text[])) AS feed (agency, category), epoch
        ORDER BY category, agency
        ON CONFLICT (agency, category) DO NOTHING
        """
    )
)

_CARDS_OF_BIDDERS = Statement(
    text(
        """
        SELECT certificate_sha256, category FROM card_states
        WHERE (bidder_id, category) IN (SELECT * FROM unnest(CAST(:bidder_ids AS text[]), CAST(:categories AS text[])))
        """
    )
)

# In the order of the keys.
_SIZES = Statement(
    text(
        """
        SELECT certificate_sha256, category,
            greatest(1, (SELECT count(*) FROM jsonb_object_keys(card.registrations))) AS size
        FROM unnest(CAST(:certificates AS bytea[]), CAST(:categories AS text[])) WITH ORDINALITY
            AS key (certificate_sha256, category, place)
        JOIN card_states card USING (certificate_sha256, category)
        ORDER BY place
        """
    )
)

_FACTS = Statement(
    text(
        f"""
        SELECT {card_states.STATE_COLUMNS}, {bidder_states.STATE_COLUMNS},
            card_contact.contact_version AS card_contact_version, card_contact.pins AS card_contact_pins,
            representative.contact_version AS representative_version, representative.pins AS representative_pins
        FROM unnest(CAST(:certificates AS bytea[]), CAST(:categories AS text[])) AS key (certificate_sha256, category)
        JOIN card_states card USING (certificate_sha256, category)
        LEFT JOIN bidder_states bidder ON bidder.bidder_id = card.bidder_id AND bidder.category = card.category
        LEFT JOIN LATERAL (
            SELECT contact_version, pins FROM contact_owners owner
            WHERE owner.bidder_id = card.bidder_id AND owner.category = card.category
                AND owner.certificate_sha256 = card.certificate_sha256
            ORDER BY version_epoch DESC, version_number DESC LIMIT 1
        ) card_contact ON true
        LEFT JOIN LATERAL (
            SELECT contact_version, pins FROM contact_owners owner
            WHERE owner.bidder_id = card.bidder_id AND owner.category = card.category
                AND owner.certificate_sha256 IS NULL
            ORDER BY version_epoch DESC, version_number DESC LIMIT 1
        ) representative ON true
        """  # noqa: S608  # constants
    )
)

_LAST = Statement(
    text(
        f"""
        SELECT agency, category, certificate_sha256, {CARD_COLUMNS}
        FROM feed_cards
        WHERE (certificate_sha256, category) IN (
            SELECT * FROM unnest(CAST(:certificates AS bytea[]), CAST(:categories AS text[]))
        )
        """  # noqa: S608  # constants
    )
)

# The clock is read while the heads are locked, so that later entries of a feed have later instants.
_APPEND = Statement(
    text(
        """
        WITH entry AS MATERIALIZED (
            SELECT agency, category, epoch, number, certificate_sha256, clock.committed_at, bidder_id, state, reason,
                registration_id, not_before, not_after, CAST(qualified AS jsonb) AS qualified, replaced_by, predecessor,
                card_contact, representative_contact
            FROM unnest(
                CAST(:agencies AS text[]), CAST(:categories AS text[]), CAST(:epochs AS bigint[]),
                CAST(:numbers AS bigint[]), CAST(:certificates AS bytea[]), CAST(:bidder_ids AS text[]),
                CAST(:states AS text[]), CAST(:reasons AS text[]), CAST(:registration_ids AS uuid[]),
                CAST(:not_before AS timestamptz[]), CAST(:not_after AS timestamptz[]), CAST(:qualified AS text[]),
                CAST(:replaced_by AS bytea[]), CAST(:predecessors AS bytea[]), CAST(:card_contacts AS bigint[]),
                CAST(:representative_contacts AS bigint[])
            ) AS entry (
                agency, category, epoch, number, certificate_sha256, bidder_id, state, reason, registration_id,
                not_before, not_after, qualified, replaced_by, predecessor, card_contact, representative_contact
            ), (SELECT clock_timestamp() AS committed_at OFFSET 0) clock
        ), appended AS (
            INSERT INTO feed_entries (
                agency, category, epoch, number, certificate_sha256, committed_at, bidder_id, state, reason,
                registration_id, certificate_not_before, certificate_not_after, qualified, replaced_by, predecessor,
                card_contact_version, representative_contact_version
            )
            SELECT agency, category, epoch, number, certificate_sha256, committed_at, bidder_id, state, reason,
                registration_id, not_before, not_after, qualified, replaced_by, predecessor, card_contact,
                representative_contact
            FROM entry
        ), kept AS (
            INSERT INTO feed_cards (
                agency, category, epoch, number, certificate_sha256, committed_at, bidder_id, state, reason,
                registration_id, certificate_not_before, certificate_not_after, qualified, replaced_by, predecessor,
                card_contact_version, representative_contact_version
            )
            SELECT agency, category, epoch, number, certificate_sha256, committed_at, bidder_id, state, reason,
                registration_id, not_before, not_after, qualified, replaced_by, predecessor, card_contact,
                representative_contact
            FROM entry
            ON CONFLICT (agency, category, certificate_sha256) DO UPDATE
            SET epoch = excluded.epoch, number = excluded.number, committed_at = excluded.committed_at,
                bidder_id = excluded.bidder_id, state = excluded.state, reason = excluded.reason,
                registration_id = excluded.registration_id, certificate_not_before = excluded.certificate_not_before,
                certificate_not_after = excluded.certificate_not_after, qualified = excluded.qualified,
                replaced_by = excluded.replaced_by, predecessor = excluded.predecessor,
                card_contact_version = excluded.card_contact_version,
                representative_contact_version = excluded.representative_contact_version
        )
        UPDATE feed_heads AS head SET epoch = last.epoch, number = last.number
        FROM (SELECT agency, category, max(epoch) AS epoch, max(number) AS number FROM entry GROUP BY 1, 2) last
        WHERE head.agency = last.agency AND head.category = last.category
        """
    )
)

_MARK = Statement(
    text(
        """
        INSERT INTO feed_pending AS kept (category, certificate_sha256, is_stop, marked_at)
        SELECT category, certificate_sha256, is_stop, now()
        FROM unnest(CAST(:certificates AS bytea[]), CAST(:categories AS text[]), CAST(:stops AS boolean[]))
            AS key (certificate_sha256, category, is_stop)
        ON CONFLICT (category, certificate_sha256) DO UPDATE SET is_stop = kept.is_stop OR excluded.is_stop
        """
    )
)

_FORGET = Statement(
    text(
        """
        DELETE FROM feed_pending WHERE (category, certificate_sha256) IN (
            SELECT category, certificate_sha256
            FROM unnest(CAST(:certificates AS bytea[]), CAST(:categories AS text[]))
                AS key (certificate_sha256, category)
        )
        """
    )
)

# One row: a category with a stop, or else any that has cards.
_NEXT_CATEGORY = Statement(text("SELECT category FROM feed_pending ORDER BY is_stop DESC, category LIMIT 1"))

_PENDING = Statement(
    text(
        """
        SELECT certificate_sha256, category FROM feed_pending
        WHERE category = :category ORDER BY is_stop DESC, marked_at LIMIT :most
        """
    )
)


@dataclass(frozen=True, slots=True)
class LockedHeads:
    """The heads of some categories, which the caller's transaction has locked: the epoch, and the last numbers."""

    epoch: int
    numbers: Mapping[FeedKey, int]


async def lock_heads(connection: Connection, feeds: Collection[FeedKey], categories: Collection[str]) -> LockedHeads:
    """Locks the heads of all feeds of the categories until the caller's transaction ends; adds those that lack."""
    heads = await _lock(connection, categories)
    if missing := set(feeds) - heads.numbers.keys():
        await connection.change(
            _ADD_HEADS, agencies=[agency for agency, _ in missing], categories=[category for _, category in missing]
        )
        heads = await _lock(connection, categories)
    return heads


async def _lock(connection: Connection, categories: Collection[str]) -> LockedHeads:
    rows = await connection.fetch_rows(_LOCK, categories=sorted(categories))
    return LockedHeads(rows[0].epoch if rows else 0, {(row.agency, row.category): row.number for row in rows})


async def list_cards_of(connection: Connection, bidders: Collection[BidderKey]) -> Sequence[CardKey]:
    """Returns all cards of bidders in their categories."""
    rows = await connection.fetch_rows(
        _CARDS_OF_BIDDERS,
        bidder_ids=[bidder_id for bidder_id, _ in bidders],
        categories=[category for _, category in bidders],
    )
    return [(row.certificate_sha256, row.category) for row in rows]


async def read_sizes(connection: Connection, keys: Collection[CardKey]) -> Mapping[CardKey, int]:
    """Returns how many agencies each card is registered at, and one at least, in the order of the keys.

    A card of which no state is kept has none.
    """
    rows = await connection.fetch_rows(_SIZES, **_split(keys))
    return {(row.certificate_sha256, row.category): row.size for row in rows}


async def read_facts(connection: Connection, keys: Collection[CardKey]) -> Mapping[CardKey, CardFacts]:
    """Returns what entries of these cards are made from."""
    rows = await connection.fetch_rows(_FACTS, **_split(keys))
    return {(row.certificate_sha256, row.category): _read_facts(row) for row in rows}


async def read_last(connection: Connection, keys: Collection[CardKey]) -> Mapping[CardKey, Mapping[str, CardAtAgency]]:
    """Returns the newest entries of these cards, by agency."""
    last: dict[CardKey, dict[str, CardAtAgency]] = defaultdict(dict)
    for row in await connection.fetch_rows(_LAST, **_split(keys)):
        last[row.certificate_sha256, row.category][row.agency] = read_card(row)
    return last


async def append_entries(connection: Connection, heads: LockedHeads, entries: Sequence[NewEntry]) -> None:
    """Appends entries to their feeds, in their order; requires `lock_heads`."""
    numbers = dict(heads.numbers)
    given: list[int] = []
    for entry in entries:
        numbers[entry.feed] += 1
        given.append(numbers[entry.feed])
    cards = [entry.card for entry in entries]
    await connection.change(
        _APPEND,
        agencies=[entry.feed[0] for entry in entries],
        categories=[entry.feed[1] for entry in entries],
        epochs=[heads.epoch] * len(entries),
        numbers=given,
        certificates=[entry.certificate_sha256 for entry in entries],
        bidder_ids=[card.bidder_id for card in cards],
        states=[str(card.state) for card in cards],
        reasons=[str(card.verdict) for card in cards],
        registration_ids=[card.registration_id for card in cards],
        not_before=[card.not_before for card in cards],
        not_after=[card.not_after for card in cards],
        qualified=[_write_periods(tuple(card.qualified)) for card in cards],
        replaced_by=[card.replaced_by for card in cards],
        predecessors=[card.predecessor for card in cards],
        card_contacts=[card.card_contact_version for card in cards],
        representative_contacts=[card.representative_contact_version for card in cards],
    )


async def mark_pending(connection: Connection, keys: Sequence[CardKey], stops: Collection[CardKey]) -> None:
    """Notes cards whose entries are still to be made; requires `lock_heads`."""
    await connection.change(_MARK, **_split(keys), stops=[key in stops for key in keys])


async def forget_pending(connection: Connection, keys: Collection[CardKey]) -> None:
    """Forgets cards whose entries are made; requires `lock_heads`."""
    await connection.change(_FORGET, **_split(keys))


async def find_pending_category(connection: Connection) -> str | None:
    """Returns a category that has pending cards, one with stops before all others; None where none is pending."""
    category: str | None = await connection.fetch_value(_NEXT_CATEGORY)
    return category


async def list_pending(connection: Connection, category: str, *, most: int) -> Sequence[CardKey]:
    """Returns the next pending cards of a category, stops first."""
    rows = await connection.fetch_rows(_PENDING, category=category, most=most)
    return [(row.certificate_sha256, row.category) for row in rows]


def _split(keys: Collection[CardKey]) -> dict[str, Any]:
    return {
        "certificates": [certificate_sha256 for certificate_sha256, _ in keys],
        "categories": [category for _, category in keys],
    }


def _read_facts(row: Any) -> CardFacts:
    return CardFacts(
        card_states.read_state(row),
        bidder_states.read_kept_state(row.bidder_id, row.category, row),
        ContactVersions(row.card_contact_version or 0, row.card_contact_pins or {}),
        ContactVersions(row.representative_version or 0, row.representative_pins or {}),
    )


# Many cards have the periods of one roster.
@lru_cache(maxsize=1000)
def _write_periods(periods: tuple[Period, ...]) -> str:
    return json.dumps([[instant and instant.isoformat() for instant in period] for period in periods])
