"""How often cards were inserted and removed in a reader, as PC/SC counts it: whether a card was out meanwhile."""

from dataclasses import dataclass

from smartcard import scard  # type: ignore[import-untyped]  # pyscard has no type hints

from card_agent.media.pcsc import open_context
from refusals import Refusal

# The count stands above these bits of a reader's state.
COUNTER_SHIFT = 16


@dataclass(slots=True)
class InsertionCounter:
    """Asks the smart card service, by a context that stays open; for one thread at a time."""

    _context: int | None = None

    def count(self, reader: str) -> int | None:
        """Returns the count of the reader with this whole name; None where there is none, or no service."""
        known = [(reader, scard.SCARD_STATE_UNAWARE)]
        # A context of a service that was stopped since is of no use; a new one may be.
        for _ in range(2):
            try:
                self._context = open_context() if self._context is None else self._context
            except Refusal:
                return None
            try:
                result, states = scard.SCardGetStatusChange(self._context, 0, known)
            except UnicodeEncodeError:
                # No reader's name, as that of a file may be.
                return None
            if result == scard.SCARD_S_SUCCESS:
                return int(states[0][1]) >> COUNTER_SHIFT
            scard.SCardReleaseContext(self._context)
            self._context = None
        return None
