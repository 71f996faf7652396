"""Where the two cards of a renewal are, as a PKCS#11 module sees the readers."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from card_agent.media.card_places import CardPlace, FoundPlaces, choose_places
from card_agent.media.pcsc import Reader
from card_agent.media.pkcs11 import Pkcs11Module, TokenInModule
from refusals import Code, Refusal

# Seconds between two looks. Each one starts the module anew, so that it holds no card while another one comes.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ModulePlaces:
    """The readers of a module, chosen by parts of their names as those of `ReaderPlaces`."""

    module: Pkcs11Module
    reader: str | None = None
    new_reader: str | None = None

    def find(self) -> FoundPlaces:
        """Returns the places, as they are now. Raises the refusals of the module."""
        occupied: dict[str, bool] = {}
        for slot in self.module.list_slots():
            occupied[slot.reader] = occupied.get(slot.reader, False) or slot.token is not None
        if not occupied:
            raise Refusal("CARD_READER_NOT_FOUND", Code.NOT_FOUND)
        readers = [Reader(name, is_occupied) for name, is_occupied in occupied.items()]
        return choose_places(readers, self.reader, self.new_reader, self._place)

    def _place(self, reader: Reader) -> CardPlace:
        watch = partial(watch_slot, self.module, reader.name)
        return CardPlace(TokenInModule(self.module, reader.name), watch, reader.name)


@dataclass(slots=True)
class SlotWatch:
    """Watches the cards in a reader: the name and the certificates of each, since not every one has its own number."""

    module: Pkcs11Module
    reader: str
    seen: frozenset[tuple[str | bytes, ...]] = field(default_factory=frozenset)
    looked_at: float = 0.0

    def is_occupied(self) -> bool:
        """Returns whether a card is in the reader, as far as was seen."""
        return bool(self.seen)

    def wait(self, seconds: float) -> bool:
        """Waits, and looks once a second. Raises the refusals of the module."""
        time.sleep(seconds)
        if time.monotonic() - self.looked_at < _LOOK_SECONDS:
            return False
        before = self.seen
        self.look()
        return self.seen != before

    def look(self) -> None:
        """Finds out which cards are in the reader. Raises the refusals of the module."""
        found = self.module.look_into(self.reader)
        self.seen = frozenset((each.place, *(one.certificate.der for one in each.certificates)) for each in found)
        self.looked_at = time.monotonic()


@contextlib.contextmanager
def watch_slot(module: Pkcs11Module, reader: str) -> Iterator[SlotWatch]:
    """Yields a watch of the module's reader with this whole name."""
    watch = SlotWatch(module, reader)
    watch.look()
    yield watch
