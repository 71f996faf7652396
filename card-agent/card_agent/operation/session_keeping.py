"""Keeps a card session alive while a person types, which is no use of it for the server (ENT-07)."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from refusals import Refusal

# A session ends after ten minutes without a call, and after sixty in any case.
INTERVAL_SECONDS = 180.0
MOST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class SessionKeeping:
    """How often the session is used, and for how long at most. `read_seconds` is a clock that only goes forward."""

    interval_seconds: float = INTERVAL_SECONDS
    most_seconds: float = MOST_SECONDS
    read_seconds: Callable[[], float] = time.monotonic

    @contextlib.contextmanager
    def keep(self, check: Callable[[], object]) -> Iterator[None]:
        """Calls `check` at the interval, beside the block and until its end, or until the session's end.

        A refusal is not shown: the next call of the person's own says what is wrong.
        """
        stopped = threading.Event()
        ends_at = self.read_seconds() + self.most_seconds

        def repeat() -> None:
            while not stopped.wait(self.interval_seconds) and self.read_seconds() < ends_at:
                with contextlib.suppress(Refusal):
                    check()

        # As a daemon, because a call in progress must not hold up the end of the command.
        threading.Thread(target=repeat, name="keeping the session", daemon=True).start()
        try:
            yield
        finally:
            stopped.set()


USUAL_KEEPING = SessionKeeping()
