"""The pool of processes that judge strangers' certificates, so that the loop which answers everybody else does not.

Validating a path is pure Python: a thread would take its time from the loop, a process does not (ADR 10).
"""

import asyncio
import logging
import math
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from certificate_registry.adapters.judgement_messages import (
    LENGTH_BYTES,
    MOST_JUDGEMENT_BYTES,
    Acknowledgement,
    Answer,
    Authorities,
    ChangedLists,
    Judgement,
    Order,
    PresentedCertificate,
    read_answer,
    write_message,
)
from certificate_registry.pki.card_authorities import CardAuthority
from certificate_registry.pki.trust_store import TrustStore
from refusals import Code, Refusal

log = logging.getLogger(__name__)

# Seconds for a process to start, and to read changed CRLs, which may have 64 MB.
START_TIMEOUT = 60.0
# Seconds that a caller waits longer than its process may take, so that it hears what became of it.
GRACE = 1.0
# Seconds between repeated log lines that the pool is full.
LOG_AGAIN_AFTER = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolBounds:
    """How many processes judge, how many certificates wait for them or are judged at a time, and how long.

    `timeout` is in seconds: for one certificate to wait for its process, and again for the process to judge it.
    """

    processes: int
    most: int
    timeout: float


class JudgementPool:
    """The processes of one service; use `async with JudgementPool.open(…)`."""

    def __init__(self, authorities: Sequence[CardAuthority], bounds: PoolBounds) -> None:
        self._bounds = bounds
        self._processes = [_JudgementProcess(authorities) for _ in range(bounds.processes)]
        self._idle = list(self._processes)
        # Of whoever waits for an idle process, the first to come is the first to get one.
        self._turns = asyncio.Semaphore(bounds.processes)
        # Strangers who wait or are judged now, and processes that were replaced since the start.
        self.admitted = 0
        self.replaced = 0
        self._log_again_at = 0.0
        self._running: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, authorities: Sequence[CardAuthority], bounds: PoolBounds) -> AsyncIterator[Self]:
        """Starts the processes, and ends them with the block. Raises OSError where they can't be started."""
        pool = cls(authorities, bounds)
        try:
            await asyncio.gather(*(process.start() for process in pool._processes))
            yield pool
        finally:
            for task in pool._running:
                task.cancel()
            await asyncio.gather(*pool._running, return_exceptions=True)
            await asyncio.gather(*(process.end() for process in pool._processes))

    @property
    def process_ids(self) -> Sequence[int]:
        """The ids of the processes that run now."""
        return [process.id for process in self._processes if process.id is not None]

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Takes a place for one stranger until the block ends; raises CERTIFICATE_CHECKS_BUSY if there is none."""
        if self.admitted >= self._bounds.most:
            if time.monotonic() >= self._log_again_at:
                self._log_again_at = time.monotonic() + LOG_AGAIN_AFTER
                log.warning("more than %s certificates to check at a time, further ones are refused", self._bounds.most)
            raise _busy()
        self.admitted += 1
        try:
            yield
        finally:
            self.admitted -= 1

    async def judge(
        self, certificate: bytes, others: Sequence[bytes], trust_store: TrustStore, now: datetime
    ) -> Judgement:
        """Returns what a process says of a certificate (DER); the caller has admitted it.

        Raises CERTIFICATE_CHECKS_BUSY if no process was free in time, and CERTIFICATE_CHECK_FAILED if the process ended
        or took too long; it is replaced, and the place is free again.
        """
        try:
            async with asyncio.timeout(self._bounds.timeout):
                await self._turns.acquire()
        except TimeoutError as error:
            raise _busy() from error
        process = self._idle.pop()
        order = PresentedCertificate(certificate, tuple(others), now, math.ceil(self._bounds.timeout) * 2)
        answer: asyncio.Future[Judgement] = asyncio.get_running_loop().create_future()
        # A task of the pool: a caller that goes away must not leave a process with an answer that nobody reads.
        task = asyncio.create_task(self._run(process, order, trust_store, answer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            # The process may have to read changed CRLs first, which nobody waits for.
            async with asyncio.timeout(self._bounds.timeout + GRACE):
                return await answer
        except TimeoutError as error:
            raise _busy() from error

    async def _run(
        self,
        process: "_JudgementProcess",
        order: PresentedCertificate,
        trust_store: TrustStore,
        answer: asyncio.Future[Judgement],
    ) -> None:
        try:
            judgement = await process.judge(order, trust_store, self._bounds.timeout)
        except asyncio.CancelledError:
            answer.cancel()
            raise
        except Exception as error:  # Whatever it was, the process may be in the middle of an answer.
            log.error("a judgement process is replaced: %s: %s", type(error).__name__, error)
            self.replaced += 1
            if not answer.cancelled():
                answer.set_exception(Refusal("CERTIFICATE_CHECK_FAILED", Code.UNAVAILABLE))
            await process.end()
            try:
                await process.start()
            except (OSError, EOFError) as start_error:
                # The next certificate tries again.
                log.error("a judgement process can't be started: %s", start_error)
        else:
            if not answer.cancelled():
                answer.set_result(judgement)
        finally:
            self._idle.append(process)
            self._turns.release()


class _JudgementProcess:
    """One process, and which CRLs it has."""

    def __init__(self, authorities: Sequence[CardAuthority]) -> None:
        self._authorities = authorities
        self._process: asyncio.subprocess.Process | None = None
        self._lists: set[bytes] = set()

    @property
    def id(self) -> int | None:
        """Its process id; None while it does not run."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Starts the process and gives it the CAs; raises OSError and EOFError where that fails."""
        self._lists = set()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "certificate_registry.adapters.judgement_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # None of the service's settings, which may hold the database's password.
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        async with asyncio.timeout(START_TIMEOUT):
            await self._change(Authorities(self._authorities))

    async def end(self) -> None:
        """Ends the process, whatever it does, and waits until it has ended."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()

    async def judge(self, order: PresentedCertificate, trust_store: TrustStore, seconds: float) -> Judgement:
        """Returns the judgement; raises OSError and EOFError if the process ends, or takes longer than `seconds`."""
        if self.id is None:
            await self.start()
        await self._bring_lists(trust_store)
        async with asyncio.timeout(seconds):
            judgement = await self._ask(order)
        if not isinstance(judgement, Judgement):
            raise ChildProcessError("a judgement process answered another order")
        return judgement

    async def _bring_lists(self, trust_store: TrustStore) -> None:
        current = {one.sha256: one.der for lists in trust_store.lists.values() for one in lists}
        if current.keys() == self._lists:
            return
        added = [der for sha256, der in current.items() if sha256 not in self._lists]
        async with asyncio.timeout(START_TIMEOUT):
            await self._change(ChangedLists(added, tuple(self._lists - current.keys())))
        self._lists = set(current)

    async def _change(self, order: Authorities | ChangedLists) -> None:
        answer = await self._ask(order)
        if not isinstance(answer, Acknowledgement):
            raise ChildProcessError(f"a judgement process has no trust store: {answer.defect}")

    async def _ask(self, order: Order) -> Answer:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise BrokenPipeError("the process was not started")
        process.stdin.write(write_message(order))
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
        if length > MOST_JUDGEMENT_BYTES:
            raise ChildProcessError("a judgement is too long")
        return read_answer(await process.stdout.readexactly(length))


def _busy() -> Refusal:
    return Refusal("CERTIFICATE_CHECKS_BUSY", Code.RESOURCE_EXHAUSTED)
