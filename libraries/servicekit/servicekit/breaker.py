"""A breaker: while the peer that all jobs of a queue call does not answer, they wait, and one of them at a time probes.

ADR 12 says why. Times are in seconds.
"""

import asyncio
import contextlib
import heapq
import itertools
import logging
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from refusals import Refusal

log = logging.getLogger(__name__)

Result = TypeVar("Result")

# What a call to another service ends with while that service can't be reached, does not answer in time, or can't answer
# anybody. It says nothing about the content of the call.
PEER_AWAY = frozenset({"PEER_UNREACHABLE", "PEER_FAILED", "DATABASE_UNAVAILABLE", "SERVER_BUSY", "CALLER_NOT_ALLOWED"})
# As PEER_AWAY, and what may have either cause: a service that fails in every call, or one message that it can't bear.
PEER_FAILS = PEER_AWAY | {"INTERNAL_FAILURE"}

# Failures in a row after which jobs wait.
MOST_FAILURES = 3
# The pause before the first probe; it doubles with each probe that fails.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0

# Takes a queue, and whether its jobs wait for their peer.
ReportPeer = Callable[[str, bool], None]


class WorkerStopsError(Exception):
    """The worker stops while a job waits for its peer; another worker runs it again."""


class PeerAwayError(Exception):
    """A probe failed. The job waits in its slot again, and its failure is not held against it: the peer's is known."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom all jobs of a queue call; `reasons` of the catalogue say that it does not answer, as time-outs do."""

    name: str
    reasons: Collection[str] = PEER_FAILS


class Breaker:
    """The breaker of one queue in one process.

    It opens after MOST_FAILURES in a row. Then a job waits in its slot before it begins, and one at a time is let
    through as a probe, those first that failed least. Any success, also of a job that began before, lets all go on. A
    probe that failed comes back behind the others, so the next probe is another one.
    A job that is the only one that failed is no sign that the others would: it keeps nobody waiting but itself.
    """

    def __init__(self, queue: str, peer: Peer, report: ReportPeer) -> None:
        self.peer = peer
        self._queue = queue
        self._report = report
        # Failures since the last success, and whose they were.
        self._failures = 0
        self._failed: set[int] = set()
        self._is_open = False
        self._pause = FIRST_PAUSE
        # The pause that runs, or the job that probes; neither where the next job probes at once.
        self._timer: asyncio.TimerHandle | None = None
        self._probe: int | None = None
        self._waiting: list[tuple[int, int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._is_stopped = False
        report(queue, False)

    async def run(self, job: Coroutine[Any, Any, Result], job_id: int, failures: int) -> Result:
        """Runs a job, which failed so many times before, when the peer is not known to be away; returns its result.

        Raises what the job raises, PeerAwayError where it ends because the peer is away, and WorkerStopsError.
        """
        # Closing it does nothing to a job that has run.
        with contextlib.closing(job):
            await self._wait_for_turn(job_id, failures)
            is_answered: bool | None = None
            try:
                result = await job
                # A result, the halves of a batch, says nothing yet: a peer that fails in every call may be its cause.
                is_answered = None if result else True
                return result
            except (Refusal, TimeoutError) as error:
                is_answered = isinstance(error, Refusal) and error.reason not in self.peer.reasons
                if self._is_open and not is_answered:
                    raise PeerAwayError(self.peer.name) from error
                raise
            finally:
                self._record(job_id, is_answered)

    def stop(self) -> None:
        """Ends the waiting of all jobs, since their worker stops."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for *_, turn in self._waiting:
            if not turn.done():
                turn.set_exception(WorkerStopsError())

    def _begin_pause(self) -> None:
        if not self._is_stopped:
            self._timer = asyncio.get_running_loop().call_later(self._pause, self._let_probe)

    def _let_probe(self) -> None:
        self._timer = None
        while self._waiting and self._probe is None:
            *_, job_id, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._probe = job_id
                turn.set_result(None)

    def _close(self) -> None:
        self._failures = 0
        self._failed.clear()
        if not self._is_open:
            return
        self._is_open, self._pause, self._probe = False, FIRST_PAUSE, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for *_, turn in waiting:
            if not turn.done():
                turn.set_result(None)
        log.info(
            "%s answers again: the %s waiting jobs of the queue %s go on", self.peer.name, len(waiting), self._queue
        )
        self._report(self._queue, False)

    async def _wait_for_turn(self, job_id: int, failures: int) -> None:
        if not self._is_open or (self._failed and job_id not in self._failed and len(self._failed) == 1):
            return
        if self._is_stopped:
            raise WorkerStopsError
        if self._timer is None and self._probe is None:
            self._probe = job_id
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (failures, next(self._numbers), job_id, turn))
        await turn

    def _record(self, job_id: int, is_answered: bool | None) -> None:
        was_probe = job_id == self._probe
        if was_probe:
            self._probe = None
        if is_answered:
            self._close()
            return
        if is_answered is False:
            self._failures += 1
            self._failed.add(job_id)
        if self._is_open:
            if was_probe:
                if is_answered is False:
                    self._pause = min(LONGEST_PAUSE, 2 * self._pause)
                self._begin_pause()
        elif self._failures >= MOST_FAILURES:
            self._is_open = True
            log.warning(
                "%s does not answer: the jobs of the queue %s wait, and one asks again after %s to %s seconds",
                self.peer.name,
                self._queue,
                FIRST_PAUSE,
                LONGEST_PAUSE,
            )
            self._report(self._queue, True)
            self._begin_pause()
