"""PINs in the agent's memory: which card they are for, and how long (docs/hand-off.md)."""

import time
from dataclasses import dataclass, field

from card_agent.media.card_places import watch_reader
from card_agent.media.token import Pin
from refusals import Refusal

PIN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class KeptPin:
    """A PIN or password that a person typed. `ends_at` is by the clock of this PC that only goes forward.

    `insertions` counts what happened in the card's reader until the PIN was typed; None where nothing counts it.
    """

    pin: Pin = field(repr=False)
    ends_at: float
    insertions: int | None = None

    @property
    def is_in_time(self) -> bool:
        """Whether less than ten minutes have passed since the PIN was typed."""
        return self.seconds_left > 0

    @property
    def seconds_left(self) -> float:
        """The seconds until the PIN is forgotten."""
        return self.ends_at - time.monotonic()


def keep_pin(pin: Pin, place: str, seconds: float = PIN_SECONDS) -> KeptPin:
    """Returns a PIN that was typed now, for the card in this place."""
    return KeptPin(pin, time.monotonic() + seconds, count_insertions(place))


def count_insertions(place: str) -> int | None:
    """Returns how often a card was inserted or removed in a reader; None for a place that is no reader."""
    try:
        with watch_reader(place) as watch:
            return watch.insertions
    except Refusal:
        return None
