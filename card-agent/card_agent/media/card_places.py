"""Where the two cards of a renewal are: in one reader one after the other, in two readers, or in two files."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from smartcard import scard  # type: ignore[import-untyped]  # pyscard has no type hints

from card_agent.media.insertions import COUNTER_SHIFT
from card_agent.media.pcsc import CardInReader, Reader, explain_result, list_readers, open_context
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import TokenMedium
from refusals import Code, Refusal


class Watch(Protocol):
    """What happens in a place of cards, from its beginning on."""

    def is_occupied(self) -> bool:
        """Returns whether a card is there, as far as was seen."""

    def wait(self, seconds: float) -> bool:
        """Returns whether a card was inserted or removed since the last call, as soon as one was.

        Raises CARD_READER_NOT_FOUND, SMART_CARD_SERVICE_NOT_RUNNING.
        """


@dataclass(frozen=True, slots=True)
class CardPlace:
    """A place of cards. `watch` watches it until the end of the block; `name` is that of a reader."""

    medium: TokenMedium
    watch: Callable[[], AbstractContextManager[Watch]]
    name: str = ""


@dataclass(frozen=True, slots=True)
class FoundPlaces:
    """The places of both cards; one and the same if the new card comes where the old one is."""

    old: CardPlace
    new: CardPlace

    @property
    def is_one(self) -> bool:
        """Whether the new card comes where the old one is."""
        return self.old is self.new


class CardPlaces(Protocol):
    """Where a renewal looks for its cards."""

    def find(self) -> FoundPlaces:
        """Returns the places. Raises the refusals of `TokenMedium.open`, CARDS_SEVERAL for more than two cards."""


@dataclass(frozen=True, slots=True)
class ReaderPlaces:
    """The readers. Each name is a part of a reader's name.

    Without `new_reader`, a second reader with a card has the new one, or else it comes into the reader of the old one.
    Where neither is named, of two cards the one that expires first is the old one.
    """

    reader: str | None = None
    new_reader: str | None = None
    slot: str | None = None

    def find(self) -> FoundPlaces:
        """Returns the places, as they are now."""
        return choose_places(list_readers(), self.reader, self.new_reader, self._place)

    def _place(self, reader: Reader) -> CardPlace:
        return CardPlace(CardInReader(reader.name, self.slot), lambda: watch_reader(reader.name), reader.name)


@dataclass(frozen=True, slots=True)
class FilePlaces:
    """Two certificate files."""

    old: Path
    new: Path

    def find(self) -> FoundPlaces:
        """Returns the files."""
        old, new = (CardPlace(Pkcs12File(path), _watch_file) for path in (self.old, self.new))
        return FoundPlaces(old, new)


@dataclass(slots=True)
class ReaderWatch:
    """Watches a reader, by a context of its own."""

    context: int
    reader: str
    state: int

    def is_occupied(self) -> bool:
        """Returns whether a card is in the reader, as far as was seen."""
        return bool(self.state & scard.SCARD_STATE_PRESENT)

    def wait(self, seconds: float) -> bool:
        """Waits for an insertion or a removal; that a program connects to the card is none."""
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            known = [(self.reader, self.state)]
            result, states = scard.SCardGetStatusChange(self.context, max(1, int(left * 1000)), known)
            if result == scard.SCARD_E_TIMEOUT:
                return False
            if result != scard.SCARD_S_SUCCESS:
                raise explain_result(result, self.reader)
            before, self.state = self.state, states[0][1] & ~scard.SCARD_STATE_CHANGED
            if self.state & (scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE):
                raise explain_result(scard.SCARD_E_UNKNOWN_READER, self.reader)
            if _has_changed(before, self.state):
                return True
        return False


@contextlib.contextmanager
def watch_reader(name: str) -> Iterator[ReaderWatch]:
    """Yields a watch of the reader with this whole name."""
    context = open_context()
    try:
        result, states = scard.SCardGetStatusChange(context, 0, [(name, scard.SCARD_STATE_UNAWARE)])
        if result != scard.SCARD_S_SUCCESS:
            raise explain_result(result, name)
        yield ReaderWatch(context, name, states[0][1] & ~scard.SCARD_STATE_CHANGED)
    finally:
        scard.SCardReleaseContext(context)


def choose_places(
    readers: Sequence[Reader],
    old_name: str | None,
    new_name: str | None,
    make_place: Callable[[Reader], CardPlace],
) -> FoundPlaces:
    """Returns the places of both cards among the readers, as `ReaderPlaces` chooses them by parts of their names."""
    new = _find_reader(readers, new_name) if new_name is not None else None
    left = [reader for reader in readers if new is None or reader.name != new.name]
    if old_name is not None:
        old = _find_reader(left, old_name)
        others = [reader for reader in left if reader.card_inserted and reader.name != old.name]
    else:
        old, *others = _find_cards(left, 2 if new_name is None else 1, make_place)
    if new is None and others:
        if len(others) > 1:
            raise _refuse_several([old, *others])
        new = others[0]
    place = make_place(old)
    return FoundPlaces(place, make_place(new) if new is not None else place)


def _find_cards(readers: Sequence[Reader], most: int, make_place: Callable[[Reader], CardPlace]) -> list[Reader]:
    """Returns the readers with a card, the one whose card expires first before the other."""
    found = [reader for reader in readers if reader.card_inserted]
    if not found:
        raise Refusal("CARD_NOT_INSERTED", metadata={"reader": " / ".join(reader.name for reader in readers)})
    if len(found) > most:
        raise _refuse_several(found)
    return sorted(found, key=lambda reader: _read_expiry(make_place(reader))) if len(found) > 1 else found


def _read_expiry(place: CardPlace) -> datetime:
    with place.medium.open() as card:
        return card.certificates()[0].certificate.not_valid_after_utc


def _has_changed(before: int, after: int) -> bool:
    present = scard.SCARD_STATE_PRESENT
    return (before & present, before >> COUNTER_SHIFT) != (after & present, after >> COUNTER_SHIFT)


def _find_reader(readers: Sequence[Reader], name_part: str) -> Reader:
    found = [reader for reader in readers if name_part.casefold() in reader.name.casefold()]
    if not found:
        raise Refusal("CARD_READER_UNKNOWN", Code.NOT_FOUND, {"reader": name_part})
    with_card = [reader for reader in found if reader.card_inserted]
    if len(with_card) > 1:
        raise _refuse_several(with_card)
    return with_card[0] if with_card else found[0]


def _refuse_several(readers: Sequence[Reader]) -> Refusal:
    return Refusal("CARDS_SEVERAL", metadata={"readers": " / ".join(reader.name for reader in readers)})


@dataclass(frozen=True, slots=True)
class _FileWatch:
    """A file is there, and nothing happens to it."""

    def is_occupied(self) -> bool:
        return True

    def wait(self, seconds: float) -> bool:
        time.sleep(seconds)
        return False


@contextlib.contextmanager
def _watch_file() -> Iterator[_FileWatch]:
    yield _FileWatch()
