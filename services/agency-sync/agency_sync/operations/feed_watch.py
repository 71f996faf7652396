"""One look at the heads of all feeds for all streams of a process: who has everything waits here for more.

It is a look every fifth of a second while there are streams, and none without: LISTEN needs a session of its own, which
a transaction pooler does not give to a server, and would wake a process for each portion of a night.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from agency_sync.domain.feed import FeedKey, FeedPosition, SealedHead
from agency_sync.store import feed_reading, history_heads
from servicekit.database import Database

# Seconds between two looks.
LOOK_INTERVAL = 0.2


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of all feeds at an instant of the database, with those of the registries' histories."""

    epoch: int
    numbers: Mapping[FeedKey, int]
    as_of: datetime
    history: Sequence[SealedHead]

    def find_position(self, feed: FeedKey) -> FeedPosition:
        """Returns the head of a feed; one without entries has the number 0."""
        return FeedPosition(self.epoch, self.numbers.get(feed, 0))


_Waiter: TypeAlias = "asyncio.Future[Heads]"


@dataclass(slots=True)
class FeedWatch:
    """Looks at the heads, and wakes those whose feed has more."""

    database: Database
    interval: float = LOOK_INTERVAL
    _streams: int = 0
    _looking: "asyncio.Task[None] | None" = None
    # The newest look of this run.
    _newest: Heads | None = None
    _waiters: dict[FeedKey, set[_Waiter]] = field(default_factory=lambda: defaultdict(set))

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Has looks taken until the block ends."""
        self._streams += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_until_alone())
        try:
            yield
        finally:
            self._streams -= 1

    async def wait(self, feed: FeedKey, position: FeedPosition, *, seconds: float) -> Heads:
        """Returns the heads once a feed has more than a reader at this position, or after these seconds.

        Requires `watching`. Raises what the database raised.
        """
        # A look may be older than what the reader has read by itself.
        if self._newest is not None and self._newest.find_position(feed) > position:
            return self._newest
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        self._waiters[feed].add(waiter)
        try:
            with suppress(TimeoutError):
                return await asyncio.wait_for(waiter, seconds)
        finally:
            self._waiters[feed].discard(waiter)
            if not self._waiters[feed]:
                del self._waiters[feed]
        newest = self._newest
        return newest if newest is not None and newest.find_position(feed) >= position else await self.look()

    async def look(self) -> Heads:
        """Returns the heads as they are now."""
        async with self.database.read() as connection:
            epoch, numbers, as_of = await feed_reading.read_heads(connection)
            history = await history_heads.list_heads(connection)
        return Heads(epoch, numbers, as_of, history)

    async def _look_until_alone(self) -> None:
        try:
            while self._streams:
                try:
                    before, self._newest = self._newest, await self.look()
                except Exception as error:  # whatever it is, each stream ends with it, and its client comes again
                    self._newest = None
                    self._wake(list(self._waiters), error)
                else:
                    self._wake([feed for feed in self._waiters if _is_new(before, self._newest, feed)], self._newest)
                await asyncio.sleep(self.interval)
        finally:
            self._looking = self._newest = None

    def _wake(self, feeds: Sequence[FeedKey], outcome: Heads | Exception) -> None:
        for waiter in [waiter for feed in feeds for waiter in self._waiters[feed] if not waiter.done()]:
            if isinstance(outcome, Heads):
                waiter.set_result(outcome)
            else:
                waiter.set_exception(outcome)


def _is_new(before: Heads | None, heads: Heads, feed: FeedKey) -> bool:
    return before is None or heads.find_position(feed) != before.find_position(feed)
