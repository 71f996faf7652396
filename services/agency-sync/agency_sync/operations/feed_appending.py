"""Appends to the agencies' feeds what newer states of cards, bidders and contacts change (docs/adr/0035)."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from agency_sync.domain.bidder_state import BidderKey
from agency_sync.domain.card_state import CardKey
from agency_sync.domain.contact_owner import ContactOwnerState
from agency_sync.domain.feed import MOST_ENTRIES, FeedRules, NewEntry, list_new_entries, take_portion
from agency_sync.store import feed_appending
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_connection import Connection

APPEND_PENDING = "append_pending"
FEED_QUEUE = "feed"
# Pending cards among which a portion is sought.
_CANDIDATES = MOST_ENTRIES


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAppending:
    """Appends to the feeds. `rules` has the agencies that offer each category."""

    database: Database
    rules: FeedRules

    async def append(self, connection: Connection, cards: Collection[CardKey], stops: AbstractSet[CardKey]) -> None:
        """Appends, in the caller's transaction, what the feeds lack of these cards; call it last.

        Where that is more than one transaction may append, `stops` come first; the rest is noted, and a worker
        appends it. The number of statements does not depend on the number of cards.
        """
        if cards:
            heads = await self._lock(connection, {category for _, category in cards})
            await self._append(connection, heads, cards, stops)

    async def _append(
        self,
        connection: Connection,
        heads: feed_appending.LockedHeads,
        cards: Collection[CardKey],
        stops: AbstractSet[CardKey],
    ) -> None:
        if not cards:
            return
        in_order = sorted(cards, key=lambda key: (key not in stops, key[1], key[0]))
        rest = await self._append_portion(connection, heads, in_order)
        if rest:
            await feed_appending.mark_pending(connection, rest, stops)
            await jobs.enqueue(connection, APPEND_PENDING, queue=FEED_QUEUE, arguments={})

    async def append_of_bidders(
        self, connection: Connection, bidders: Collection[BidderKey], stops: AbstractSet[BidderKey]
    ) -> None:
        """Appends, in the caller's transaction, what the feeds lack of the cards of these bidders; as `append`."""
        if not bidders:
            return
        # A card that comes meanwhile reads these states itself: who commits last has locked the heads last.
        heads = await self._lock(connection, {category for _, category in bidders})
        cards = await feed_appending.list_cards_of(connection, bidders)
        stopped = await feed_appending.list_cards_of(connection, stops) if stops else []
        await self._append(connection, heads, cards, frozenset(stopped))

    async def append_of_contacts(self, connection: Connection, owners: Sequence[ContactOwnerState]) -> None:
        """Appends, in the caller's transaction, what the feeds lack of the cards of these contacts; as `append`."""
        if not owners:
            return
        heads = await self._lock(connection, {owner.category for owner in owners})
        cards = {(owner.certificate_sha256, owner.category) for owner in owners if owner.certificate_sha256 is not None}
        bidders = {(owner.bidder_id, owner.category) for owner in owners if owner.certificate_sha256 is None}
        cards |= set(await feed_appending.list_cards_of(connection, bidders)) if bidders else set()
        await self._append(connection, heads, cards, frozenset())

    async def append_pending(self) -> None:
        """Appends the entries of all pending cards, stops first, portion by portion, each in its own transaction.

        Rests after each portion as long as it took: there may be millions of entries, and log-ins are not to be slower.
        """
        while True:
            began = time.monotonic()
            async with self.database.transaction() as connection:
                category = await feed_appending.find_pending_category(connection)
                if category is None:
                    return
                heads = await self._lock(connection, {category})
                pending = await feed_appending.list_pending(connection, category, most=_CANDIDATES)
                rest = await self._append_portion(connection, heads, pending)
                # Also those of which nothing is kept: nothing will ever be appended for them.
                await feed_appending.forget_pending(connection, set(pending).difference(rest))
            await asyncio.sleep(time.monotonic() - began)

    async def _lock(self, connection: Connection, categories: AbstractSet[str]) -> feed_appending.LockedHeads:
        feeds = [(agency, category) for category in categories for agency in self.rules.get(category, {})]
        return await feed_appending.lock_heads(connection, feeds, categories)

    async def _append_portion(
        self, connection: Connection, heads: feed_appending.LockedHeads, cards: Sequence[CardKey]
    ) -> Sequence[CardKey]:
        """Appends what the feeds lack of the first of these cards; returns those that one transaction can't take."""
        most_agencies = max((len(agencies) for agencies in self.rules.values()), default=0)
        # A card alone is appended whatever its size, and so are a few that can't be too many.
        if len(cards) == 1 or len(cards) * most_agencies <= MOST_ENTRIES:
            sizes: Mapping[CardKey, int] = dict.fromkeys(cards, 1)
        else:
            sizes = await feed_appending.read_sizes(connection, cards)
        portion = take_portion(sizes)
        facts = await feed_appending.read_facts(connection, portion)
        last = await feed_appending.read_last(connection, portion)
        entries: list[NewEntry] = []
        done = 0
        for key in portion:
            of_card = list_new_entries(facts[key], last.get(key, {}), rules=self.rules) if key in facts else []
            # More than its registrations, where it left agencies.
            if done and len(entries) + len(of_card) > MOST_ENTRIES:
                break
            entries += of_card
            done += 1
        if entries:
            # An agency that the profile does not have: its feed is kept for the day when it has it again.
            if unknown := {entry.feed for entry in entries} - heads.numbers.keys():
                categories = {category for _, category in (*heads.numbers, *unknown)}
                heads = await feed_appending.lock_heads(connection, unknown, categories)
            await feed_appending.append_entries(connection, heads, entries)
        left = set(list(sizes)[done:])
        return [key for key in cards if key in left]
