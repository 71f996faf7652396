"""Gives the agencies' systems their feeds: changes in the order of commit, without gaps, from any position."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from agency_sync.domain.feed import Change, FeedHead, FeedKey, FeedPosition, Heartbeat
from agency_sync.domain.feed_position import check_position, find_start, is_gapless, refuse_too_old
from agency_sync.operations.feed_watch import FeedWatch
from agency_sync.store import feed_reading, history_heads
from instance_profile.model import Profile
from instance_profile.offers import refuse_field, require_agency, require_category
from refusals import Code, Refusal
from servicekit.database import Database

# Changes of one message of a stream.
MOST_CHANGES = 500
# Streams at a time in one process: of one agency's systems, and of all.
MOST_STREAMS_OF_AGENCY = 50
MOST_STREAMS = 2_000
# Seconds between two heartbeats of a stream that has nothing else to say.
HEARTBEAT_INTERVAL = 15.0
# Seconds after which a stream is ended: a connection that gets too old lets its calls go on for 60 seconds
# (servicekit.server), so one that is shorter is never cut, whenever it began. They do not all come again at once.
SHORTEST_STREAM, LONGEST_STREAM = 40.0, 50.0


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a stream: changes, or a heartbeat."""

    changes: Sequence[Change] = ()
    heartbeat: Heartbeat | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReading:
    """Gives agencies their feeds."""

    profile: Profile
    database: Database
    watch: FeedWatch
    heartbeat_interval: float = HEARTBEAT_INTERVAL
    longest_stream: float = LONGEST_STREAM
    # Open streams by agency.
    _streams: Counter[str] = field(default_factory=Counter)

    async def stream(self, agency: str, category: str, after: FeedPosition | None) -> AsyncGenerator[Part]:
        """Yields the changes after a position as they are committed, and heartbeats; a heartbeat is the last part.

        Holds no connection while the reader takes its time, and one message of changes at most. Raises AGENCY_UNKNOWN,
        CATEGORY_UNKNOWN, FEED_STREAMS_TOO_MANY, FEED_POSITION_INVALID, FEED_POSITION_AHEAD, FEED_POSITION_TOO_OLD,
        FEED_RESTARTED.
        """
        feed = self._require_feed(agency, category)
        loop = asyncio.get_running_loop()
        shortest = min(SHORTEST_STREAM, self.longest_stream)
        ends_at = loop.time() + random.uniform(shortest, self.longest_stream)  # noqa: S311  # spreads the load
        with self._counted(agency):
            async with self.watch.watching():
                heads = await self.watch.look()
                head, number = await self._begin(feed, after)
                while True:
                    while number < head.number and loop.time() < ends_at:
                        changes = await self._read(feed, head, number, MOST_CHANGES)
                        yield Part(changes)
                        number = changes[-1].number
                    yield Part(heartbeat=Heartbeat(FeedPosition(head.epoch, head.number), head.as_of, heads.history))
                    remaining = ends_at - loop.time()
                    if remaining <= 0:
                        return
                    seconds = min(self.heartbeat_interval, remaining)
                    position = FeedPosition(head.epoch, number)
                    heads = await self.watch.wait(feed, position, seconds=seconds)
                    now = heads.find_position(feed)
                    head = FeedHead(now.epoch, now.number, head.kept_after, heads.as_of)
                    check_position(position, head)

    async def list_changes(
        self, agency: str, category: str, after: FeedPosition | None, *, most: int
    ) -> tuple[Sequence[Change], Heartbeat]:
        """Returns the changes after a position, at most `most`, and the head; raises as `stream`, but for streams."""
        feed = self._require_feed(agency, category)
        head, number = await self._begin(feed, after)
        changes = await self._read(feed, head, number, most) if number < head.number else []
        async with self.database.read() as connection:
            history = await history_heads.list_heads(connection)
        return changes, Heartbeat(FeedPosition(head.epoch, head.number), head.as_of, history)

    async def acknowledge(self, agency: str, category: str, subscriber: str, position: FeedPosition) -> None:
        """Notes how far a subscriber has come.

        Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, FEED_POSITION_INVALID, FEED_POSITION_AHEAD.
        """
        feed = self._require_feed(agency, category)
        async with self.database.transaction() as connection:
            check_position(position, await feed_reading.read_head(connection, feed), admits_older=True)
            await feed_reading.acknowledge(connection, feed, subscriber, epoch=position.epoch, number=position.number)

    async def _begin(self, feed: FeedKey, after: FeedPosition | None) -> tuple[FeedHead, int]:
        async with self.database.read() as connection:
            head = await feed_reading.read_head(connection, feed)
        return head, find_start(after, head)

    async def _read(self, feed: FeedKey, head: FeedHead, after: int, most: int) -> Sequence[Change]:
        async with self.database.read() as connection:
            changes = await feed_reading.list_changes(
                connection, feed, epoch=head.epoch, after=after, until=head.number, most=most
            )
        if not is_gapless(changes, after):
            raise refuse_too_old()
        return changes

    def _require_feed(self, agency: str, category: str) -> FeedKey:
        return require_feed(self.profile, agency, category)

    @contextmanager
    def _counted(self, agency: str) -> Iterator[None]:
        if self._streams[agency] >= MOST_STREAMS_OF_AGENCY or self._streams.total() >= MOST_STREAMS:
            metadata = {"most": str(MOST_STREAMS_OF_AGENCY)}
            raise Refusal("FEED_STREAMS_TOO_MANY", Code.RESOURCE_EXHAUSTED, metadata)
        self._streams[agency] += 1
        try:
            yield
        finally:
            self._streams[agency] -= 1


def require_feed(profile: Profile, agency: str, category: str) -> FeedKey:
    """Returns the feed of an agency that offers the category; raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN."""
    offered = require_agency(profile, agency).categories
    require_category(profile, category)
    if category not in offered:
        raise refuse_field("category", "CATEGORY_UNKNOWN", Code.NOT_FOUND, {"category": category})
    return agency, category
