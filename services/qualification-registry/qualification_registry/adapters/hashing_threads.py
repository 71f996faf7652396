"""Threads for work that takes a processor for as long as it lasts; urgent work goes first (ADR 26)."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

_Result = TypeVar("_Result")
# While both kinds wait, one of so many pieces that begin is not urgent, so that neither kind waits without end.
_TURNS = 10


@dataclass(frozen=True, slots=True)
class _Piece:
    work: Callable[[], Any]
    future: "Future[Any]" = field(default_factory=Future)


class HashingThreads:
    """Runs pieces of work, `number` at a time, each kind in the order in which it came."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._threads = ThreadPoolExecutor(number, thread_name_prefix="hashing")
        self._lock = Lock()
        self._urgent: deque[_Piece] = deque()
        self._others: deque[_Piece] = deque()
        self._begun = 0

    async def run(self, work: Callable[[], _Result], *, is_urgent: bool) -> _Result:
        """Returns what the work returns, or raises what it raises; work that was cancelled before its turn is left out.

        Urgent work waits for what has begun, and hardly for the rest.
        """
        piece = _Piece(work)
        with self._lock:
            (self._urgent if is_urgent else self._others).append(piece)
        # A thread that becomes free takes the piece whose turn it is then, which need not be this one.
        self._threads.submit(self._run_next)
        result: _Result = await asyncio.wrap_future(piece.future)
        return result

    def close(self) -> None:
        """Waits for the work that has begun, and cancels the rest."""
        self._threads.shutdown(cancel_futures=True)
        for piece in (*self._urgent, *self._others):
            piece.future.cancel()

    def _run_next(self) -> None:
        piece = self._take()
        if not piece.future.set_running_or_notify_cancel():
            return
        try:
            piece.future.set_result(piece.work())
        except BaseException as error:
            piece.future.set_exception(error)

    def _take(self) -> _Piece:
        with self._lock:
            if not self._others:
                return self._urgent.popleft()
            if not self._urgent:
                return self._others.popleft()
            self._begun += 1
            return (self._others if self._begun % _TURNS == 0 else self._urgent).popleft()
