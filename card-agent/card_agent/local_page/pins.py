"""PINs in the agent's memory: which card they are for, and how long (docs/hand-off.md)."""

import time
from dataclasses import dataclass, field

from card_agent.media.token import Pin

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


def keep_pin(pin: Pin, insertions: int | None, seconds: float = PIN_SECONDS) -> KeptPin:
    """Returns a PIN that was typed now."""
    return KeptPin(pin, time.monotonic() + seconds, insertions)
