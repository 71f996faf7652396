"""The hand-offs: what this process knows of each way from a portal and back (docs/hand-off.md)."""

import secrets
from dataclasses import dataclass, field

from card_agent.clock import read_clock
from card_agent.local_page.form_tokens import Forms, IssuedForm
from card_agent.local_page.pins import KeptPin
from card_agent.media.token import TokenCertificate, TokenMedium
from card_agent.signing.successor_key import SuccessorKey
from card_agent.trust import TrustedInstance
from signed_acts.purpose import Operation, Role

MOST_HAND_OFFS = 20
IDLE_SECONDS = 12 * 3600.0
_ID_BYTES = 32


@dataclass(slots=True)
class ChosenCard:
    """The card of one role, and its PIN as long as that is kept. `authority` is the instance's id of its CA."""

    medium: TokenMedium
    certificate: TokenCertificate
    place: str
    authority: str = ""
    tries_left: int | None = None
    tries_are_shared: bool = False
    pin: KeptPin | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ReadMedium:
    """A medium whose certificates were read by its PIN, until one of them is chosen."""

    medium: TokenMedium
    pin: KeptPin = field(repr=False)


@dataclass(slots=True)
class RenewalState:
    """What ties the two cards of a renewal together."""

    successor: SuccessorKey
    pins_are_equal: bool
    # Of the old card's act, once it is signed.
    request_id: str | None = None
    # The old card's PIN on its way to the new card, to which it is sent once.
    trial_pin: KeptPin | None = field(default=None, repr=False)

    @classmethod
    def begin(cls, *, pins_are_equal: bool) -> "RenewalState":
        """Returns the state of a renewal that begins, with a new successor key."""
        return cls(SuccessorKey(), pins_are_equal)


@dataclass(slots=True)
class HandOff:
    """One way from a portal and back: with which instance, for what, and with which cards."""

    id: str = field(repr=False)
    instance: TrustedInstance
    used_at: float
    was_used: bool = False
    operation: Operation | None = None
    cards: dict[Role, ChosenCard] = field(default_factory=dict)
    renewal: RenewalState | None = None
    reading: ReadMedium | None = None
    forms: Forms = field(default_factory=Forms)

    def begin(self, operation: Operation, card: ChosenCard, role: Role, renewal: RenewalState | None) -> None:
        """Begins an operation with its first card; what was known of an earlier one is forgotten."""
        self.operation, self.cards, self.renewal = operation, {role: card}, renewal

    def take_reading_pin(self, medium: TokenMedium) -> KeptPin | None:
        """Returns the PIN by which the certificates of a medium were read; whatever was typed is forgotten here."""
        reading, self.reading = self.reading, None
        return reading.pin if reading is not None and reading.medium == medium else None

    def forget_old_pins(self) -> None:
        """Forgets the PINs whose time is over."""
        if self.reading is not None and not self.reading.pin.is_in_time:
            self.reading = None
        for card in self.cards.values():
            if card.pin is not None and not card.pin.is_in_time:
                card.pin = None
        renewal = self.renewal
        if renewal is not None and renewal.trial_pin is not None and not renewal.trial_pin.is_in_time:
            renewal.trial_pin = None


@dataclass(slots=True)
class HandOffs:
    """The living hand-offs, 20 at most: of more, the one that was made or used first goes, one never used before."""

    _living: dict[str, HandOff] = field(default_factory=dict, repr=False)

    def make(self, instance: TrustedInstance) -> HandOff:
        """Returns a new hand-off with an instance."""
        self.forget_old()
        if len(self._living) >= MOST_HAND_OFFS:
            oldest = min(self._living.values(), key=lambda each: (each.was_used, each.used_at))
            del self._living[oldest.id]
        hand_off = HandOff(secrets.token_urlsafe(_ID_BYTES), instance, read_clock())
        self._living[hand_off.id] = hand_off
        return hand_off

    def find(self, id: str) -> HandOff | None:
        """Returns a living hand-off, which counts as its use; None if there is none."""
        self.forget_old()
        hand_off = self._living.get(id)
        if hand_off is not None:
            hand_off.used_at, hand_off.was_used = read_clock(), True
        return hand_off

    def find_form(self, action: str, token: str) -> tuple[HandOff, IssuedForm] | None:
        """Returns the form with this token, and its hand-off; None if there is none."""
        for hand_off in self._living.values():
            form = hand_off.forms.find(action, token)
            if form is not None:
                return hand_off, form
        return None

    def forget_old(self) -> None:
        """Forgets hand-offs that were not used for twelve hours, and PINs whose time is over."""
        now = read_clock()
        self._living = {id: each for id, each in self._living.items() if now - each.used_at < IDLE_SECONDS}
        for hand_off in self._living.values():
            hand_off.forget_old_pins()
