"""PINs in the agent's memory: which card they are for, and how long (docs/hand-off.md)."""

from dataclasses import dataclass, field

from card_agent.clock import read_clock
from card_agent.media.token import Pin

PIN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class KeptPin:
    """A PIN or password that a person typed. `ends_at` is by `read_clock`.

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
        return self.ends_at - read_clock()


def keep_pin(pin: Pin, insertions: int | None, seconds: float = PIN_SECONDS) -> KeptPin:
    """Returns a PIN that was typed now."""
    return KeptPin(pin, read_clock() + seconds, insertions)
