"""Which card is where: the old one first, then the new one in its place or beside it (REN-01)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from card_agent.clock import read_clock
from card_agent.console import renewal_words
from card_agent.console.person import Option, Person, Row
from card_agent.console.retries import RETRIES, Retry, wants_retry
from card_agent.console.words import Words
from card_agent.media.card_places import CardPlace, CardPlaces, FoundPlaces, Watch
from card_agent.renewal.succession import GOOD_SECONDS
from card_agent.signing.card_use import SigningCard, is_file, read_card, read_card_once
from refusals import Refusal
from signed_acts.purpose import Role
from toroku.frontdoor.v1 import front_door_pb2

PINS = "pins"
EQUAL, DIFFERENT = "equal", "different"
# Seconds for which Ctrl-C may have to wait.
_WAIT_SECONDS = 0.2
# The reasons for which a card that is expected can't be read yet: nobody has to be told.
_NOT_THERE = {"CARD_NOT_INSERTED", "CARD_REMOVED"}


@dataclass(slots=True)
class CardDesk:
    """Where the person puts the cards, for how long the new one is waited for, and what was said of their PINs."""

    places: CardPlaces
    person: Person
    most_seconds: float = GOOD_SECONDS
    _pins_are_equal: bool | None = None

    def find(self, message: Words) -> FoundPlaces:
        """Returns where the cards are, once the person says that the card of the message is inserted."""
        self.person.acknowledge(message)
        while True:
            try:
                found = self.places.find()
            except Refusal as refusal:
                if not wants_retry(self.person, refusal, Retry.CARD):
                    raise
            else:
                _show_readers(self.person, found)
                return found

    def read_old(self, found: FoundPlaces, other_than: bytes | None) -> SigningCard:
        """Returns the card in use; `other_than` is a new card that may be in its place.

        Raises as `read_new`.
        """
        card = read_card(found.old.medium, self.person, Role.OLD)
        if card.certificate.sha256 != other_than:
            return card
        message = renewal_words.IS_THE_NEW_CARD
        awaited = _Awaited(found.old, Role.OLD, other_than, message, is_swapped=True)
        return self._await(awaited, partial(self.person.show_message, message))

    def read_new(self, found: FoundPlaces, old: SigningCard) -> SigningCard:
        """Returns the new card, as soon as it is inserted where it is expected.

        Raises CHALLENGE_EXPIRED where it was not in time, and the token's refusals if the person gives up.
        """
        message, unwanted = renewal_words.STILL_THE_OLD_CARD, old.certificate.sha256
        awaited = _Awaited(found.new, Role.NEW, unwanted, message, is_swapped=found.is_one)
        if found.is_one:
            return self._await(awaited, partial(self.person.show_message, renewal_words.SWAP_CARDS))
        return self._await(awaited, partial(self.person.acknowledge, renewal_words.INSERT_NEW))

    def choose_pins(self, category: front_door_pb2.Category, found: FoundPlaces) -> None:
        """Asks once whether both PINs are equal, before any of them is typed, where the instance allows one."""
        may_be_one = category.renewal_pins == front_door_pb2.RENEWAL_PINS_ONE_WHERE_EQUAL
        # A file's password is no PIN, and is asked for before its certificate is known.
        if not may_be_one or any(is_file(place.medium) for place in (found.old, found.new)):
            self._pins_are_equal = False
        elif self._pins_are_equal is None:
            options = [
                Option(DIFFERENT, renewal_words.PINS_DIFFER),
                Option(EQUAL, renewal_words.PINS_EQUAL),
            ]
            chosen = self.person.choose(PINS, renewal_words.CHOOSE_PINS, options, usual=DIFFERENT)
            self._pins_are_equal = chosen == EQUAL

    def hand_over_pin(self, old: SigningCard, new: SigningCard) -> None:
        """Has the old card's PIN forgotten, or tried once with the new one if the person said that they are equal."""
        pin = old.hand_over_pin()
        if self._pins_are_equal:
            new.try_pin(pin)

    def _await(self, awaited: "_Awaited", announce: Callable[[], None]) -> SigningCard:
        ends_at = read_clock() + self.most_seconds
        # Where the unwanted card has to go first, it is not read again before anything happens.
        may_be_there = not awaited.is_swapped
        while True:
            try:
                with awaited.place.watch() as watch:
                    # After the watch has begun: a person may be quick.
                    announce()
                    return self._watch(awaited, watch, ends_at, may_be_there=may_be_there)
            except Refusal as refusal:
                if not wants_retry(self.person, refusal, Retry.CARD):
                    raise
            may_be_there = True

    def _watch(self, awaited: "_Awaited", watch: Watch, ends_at: float, *, may_be_there: bool) -> SigningCard:
        while True:
            if may_be_there and watch.is_occupied():
                card = self._try_to_read(awaited)
                # In a file there will never be another one; the server says what is wrong with it.
                is_final = is_file(awaited.place.medium)
                if card is not None and (is_final or card.certificate.sha256 != awaited.unwanted):
                    return card
                if card is not None:
                    self.person.show_message(awaited.message)
            may_be_there = True
            self._wait(watch, ends_at)

    def _try_to_read(self, awaited: "_Awaited") -> SigningCard | None:
        """Returns the card; None where it is gone again, or is none that can be used and another one may come."""
        medium = awaited.place.medium
        try:
            return read_card_once(medium, self.person, awaited.role)
        except Refusal as refusal:
            if RETRIES.get(refusal.reason) is not Retry.CARD or is_file(medium):
                raise
            if refusal.reason not in _NOT_THERE:
                self.person.show_refusal(refusal)
            return None

    def _wait(self, watch: Watch, ends_at: float) -> None:
        with self.person.show_busy(renewal_words.WAITING_FOR_CARD):
            while not watch.wait(_WAIT_SECONDS):
                if read_clock() > ends_at:
                    raise Refusal("CHALLENGE_EXPIRED")


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A card that is waited for: where, as what, in place of which, and what is said where that one comes again."""

    place: CardPlace
    role: Role
    unwanted: bytes
    message: Words
    is_swapped: bool


def _show_readers(person: Person, found: FoundPlaces) -> None:
    rows: list[Row] = [(renewal_words.OLD_CARD, found.old.name), (renewal_words.NEW_CARD, found.new.name)]
    if not found.is_one and found.old.name:
        person.show(renewal_words.READERS, rows)
