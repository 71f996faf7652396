"""When the worker of a queue has to ask for jobs: after a notification, and when the next one is due.

It asks at no other time, so a queue at rest costs nothing. Times are in seconds.
"""

import asyncio

# A timer of the loop may be early by a millisecond, and a job is not due before its time.
_MARGIN = 0.002


class Alarm:
    """The alarm of one queue in one process."""

    def __init__(self) -> None:
        # Whether there may be a job that nobody has asked for: what came before the process is one.
        self.must_ask = True
        self._rung = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    def ring(self) -> None:
        """Has the worker ask now."""
        self.must_ask = True
        self._rung.set()

    def ring_after(self, seconds: float) -> None:
        """Has the worker ask after so long, unless it does so before."""
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds + _MARGIN
        if self._timer is not None:
            if self._rings_at <= at:
                return
            self._timer.cancel()
        self._rings_at = at
        self._timer = loop.call_at(at, self._end_timer)

    async def wait(self) -> None:
        """Waits until it rings."""
        await self._rung.wait()
        self._rung.clear()

    def stop(self) -> None:
        """Forgets when to ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_timer(self) -> None:
        self._timer = None
        self.ring()
