"""What a subscriber needs of the database in which it stores the feed.

The rule that makes a copy complete: the position is stored in the transaction that stores the data. Whoever dies at any
moment then goes on from exactly what it has, and what is read twice has the effect of being read once.

To keep the feed in a database of your own, write a class with these methods over three tables: cards (key: the hash of
the certificate; the entry, as bytes or in columns), progress (one row for each feed), heads (key: service and hour).
`toroku_feed.sqlite_store` is an example.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from toroku.agencysync.v1.agency_sync_pb2 import HistoryHead
from toroku.agencysync.v1.feed_pb2 import Change, FeedPosition


@dataclass(frozen=True, slots=True)
class Feed:
    """Which feed it is: the instance's id, and the codes of agency and category."""

    instance: str
    agency: str
    category: str


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the feed, compared by epoch first."""

    epoch: int
    number: int

    @classmethod
    def of(cls, message: FeedPosition) -> "Position":
        """Returns the position in a message."""
        return cls(message.epoch, message.number)

    def write(self) -> FeedPosition:
        """Returns it as a message."""
        return FeedPosition(epoch=self.epoch, number=self.number)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a copy has come."""

    position: Position
    # The instance's time at which the copy had everything.
    as_of: datetime
    # For how long the instance allows a copy to be used without news: that of the last snapshot.
    validity: timedelta

    @property
    def valid_until(self) -> datetime:
        """The first instant at which the copy lets nobody in any more."""
        return self.as_of + self.validity


class PositionMoved(Exception):
    """The store is not where the subscriber thought: another process stored something, or the database was put back.

    Nothing was stored; the subscriber reads the progress again.
    """


class FeedStore(Protocol):
    """The copy of one feed. Each method that writes is one transaction: all of it is stored, or nothing."""

    async def read_progress(self) -> Progress | None:
        """Returns how far the copy has come; None where there is none yet."""
        ...

    async def apply(self, changes: Sequence[Change], *, after: Position, progress: Progress) -> None:
        """Replaces the entries of the cards in `changes`, in their order, and the progress, in one transaction.

        `changes` may be empty, and may have a card twice: the last one counts. Raises PositionMoved where the stored
        position is not `after`; lock the row of the progress to find out.
        """
        ...

    async def replace(self, batches: Iterable[Sequence[Change]], progress: Progress) -> None:
        """Replaces all entries and the progress by those of a snapshot, in one transaction.

        Readers see the old copy until it ends. Where reading `batches` raises, all stays as it was. Raises
        PositionMoved where the stored position is higher than the new one.
        """
        ...

    async def find(self, certificate_sha256: bytes) -> tuple[Change | None, Progress | None]:
        """Returns the entry of a card, None where there is none, and the progress, both from one moment."""
        ...

    async def note_heads(self, heads: Sequence[HistoryHead]) -> Sequence[HistoryHead]:
        """Keeps the heads of histories, at least the newest one of each service and hour.

        Returns the kept ones at whose position now another head is told: somebody rewrote that history.
        """
        ...
