"""Readers in memory, into which cards are put one after the other, for tests of a renewal."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from card_agent.media.card_places import CardPlace, FoundPlaces, Watch
from card_agent.media.piv import PivCard
from refusals import Code, Refusal
from tests.support.card_in_memory import PivInMemory


@dataclass(slots=True)
class ReaderInMemory:
    """A reader, and the card in it; a token medium. `uses` counts how often a card was opened."""

    card: PivInMemory | None = None
    uses: int = 0
    _events: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    @property
    def pin_before_reading(self) -> bool:
        """Returns False, as for every PIV card."""
        return False

    @contextlib.contextmanager
    def open(self) -> Iterator[PivCard]:
        """Yields the card that is in the reader now; raises CARD_NOT_INSERTED."""
        if self.card is None:
            raise Refusal("CARD_NOT_INSERTED", metadata={"reader": "in memory"})
        self.uses += 1
        with self.card.open() as card:
            yield card

    @contextlib.contextmanager
    def watch(self) -> Iterator[Watch]:
        """Yields a watch of this reader."""
        with self._changed:
            watch = _WatchInMemory(self, self._events)
        yield watch

    def put(self, card: PivInMemory | None) -> None:
        """Takes out what is in the reader, and inserts a card or none."""
        with self._changed:
            self.card = card
            self._events += 1
            self._changed.notify_all()

    def place(self) -> CardPlace:
        """Returns the reader as a place of cards."""
        return CardPlace(self, self.watch, "in memory")

    def wait_for_event(self, known: int, seconds: float) -> int:
        """Returns the number of events, at the latest after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._events != known, seconds)
            return self._events


@dataclass(slots=True)
class _WatchInMemory:
    reader: ReaderInMemory
    known: int

    def is_occupied(self) -> bool:
        return self.reader.card is not None

    def wait(self, seconds: float) -> bool:
        before, self.known = self.known, self.reader.wait_for_event(self.known, seconds)
        return self.known != before


@dataclass(slots=True)
class PlacesInMemory:
    """One reader for both cards, or two."""

    old: ReaderInMemory
    new: ReaderInMemory | None = None

    def find(self) -> FoundPlaces:
        """Returns the places; raises CARD_NOT_INSERTED for an empty reader of the old card."""
        if self.old.card is None:
            raise Refusal("CARD_NOT_INSERTED", Code.FAILED_PRECONDITION, {"reader": "in memory"})
        old = self.old.place()
        return FoundPlaces(old, self.new.place() if self.new is not None else old)
