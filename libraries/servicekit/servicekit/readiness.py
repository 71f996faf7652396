"""Whether a process is ready, judged when somebody asks: a process that nobody asks does nothing for it."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer
from typing_extensions import override

from servicekit.context import Context
from servicekit.exceptions import NotReady

log = logging.getLogger(__name__)

# The service name under which the health port reports the process itself, regardless of its database.
LIVE = "live"
# Returns True or raises NotReady with the cause.
Ready = Callable[[], Awaitable[bool]]
# Times are in seconds. A judgement holds for so long, however many ask.
HOLDS_FOR = 1.0
# Between two judgements for somebody who watches.
WATCH_INTERVAL = 2.0
# Of a judgement, and for which a probe waits for it: less than probes wait for their answer.
LONGEST_JUDGEMENT, PATIENCE = 5.0, 1.5
# Between repeated 'waiting for the database' log lines.
_LOG_AGAIN_AFTER = 30.0

_SERVING: int = HealthCheckResponse.SERVING
_NOT_SERVING: int = HealthCheckResponse.NOT_SERVING
_UNKNOWN: int = HealthCheckResponse.SERVICE_UNKNOWN


class Readiness:
    """The readiness of a process, as its last judgement found it. Logs the cause where it changes."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready
        self._judged_at = -math.inf
        self._cause: str | None = "not judged yet"
        self._logged: str | None = None
        # The judgement that is under way; it goes on without those who have stopped to wait for it.
        self._judging: asyncio.Task[None] | None = None

    async def is_ready(self) -> bool:
        """Returns whether the process is ready; where a judgement takes too long, as the last one found it."""
        if self._judging is None and time.monotonic() - self._judged_at > HOLDS_FOR:
            self._judging = asyncio.create_task(self._judge())
        if self._judging is not None:
            await asyncio.wait([self._judging], timeout=PATIENCE)
        return self._cause is None

    async def stop(self) -> None:
        """Ends a judgement that is under way."""
        if self._judging is not None:
            self._judging.cancel()
            await asyncio.wait([self._judging])

    async def _judge(self) -> None:
        try:
            self._cause = await _find_unreadiness(self._ready)
        finally:
            self._judging = None
        self._judged_at = time.monotonic()
        if self._cause and self._cause != self._logged:
            log.warning("not ready: %s", self._cause)
        elif self._logged and not self._cause:
            log.info("ready")
        self._logged = self._cause


class Health(HealthServicer):  # type: ignore[misc]  # the library has no types
    """The servicer of a health port: `""` is the readiness of the process, `live` the process itself.

    LIVE is SERVING for as long as the process answers at all, so that a database that is down does not get every
    process restarted.
    """

    def __init__(self, ready: Ready) -> None:
        self._readiness = Readiness(ready)
        self._is_draining = asyncio.Event()

    @override
    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:
        """Returns the state of a service; NOT_FOUND for a name that the port does not know."""
        if request.service not in ("", LIVE):
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return HealthCheckResponse(status=await self._find_status(request.service))

    @override
    async def Watch(self, request: HealthCheckRequest, context: Context) -> None:
        """Sends the state of a service at once and at each change, until the caller leaves or the server ends."""
        last: int | None = None
        is_last_state = False
        while not is_last_state:
            is_last_state = self._is_draining.is_set()
            status = await self._find_status(request.service)
            if status != last:
                await context.write(HealthCheckResponse(status=status))
                last = status
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_draining.wait(), WATCH_INTERVAL if request.service == "" else None)
        await asyncio.Event().wait()

    async def drain(self) -> None:
        """Sets both to NOT_SERVING for good."""
        self._is_draining.set()
        await self._readiness.stop()

    async def _find_status(self, service: str) -> int:
        if service not in ("", LIVE):
            return _UNKNOWN
        is_serving = not self._is_draining.is_set() and (service == LIVE or await self._readiness.is_ready())
        # The drain may have begun during the judgement.
        if is_serving and not self._is_draining.is_set():
            return _SERVING
        return _NOT_SERVING


async def wait_until_ready(ready: Ready, stop: asyncio.Future[None]) -> bool:
    """Waits until `ready` returns True (returns True) or until a stop is requested (returns False); logs the cause."""
    logged, log_again_at = "", 0.0
    while not stop.done():
        cause = await _find_unreadiness(ready)
        if cause is None:
            return True
        now = time.monotonic()
        if cause != logged or now >= log_again_at:
            log.warning("waiting: %s", cause)
            logged, log_again_at = cause, now + _LOG_AGAIN_AFTER
        await asyncio.wait([stop], timeout=0.5)
    return False


async def _find_unreadiness(ready: Ready) -> str | None:
    try:
        return None if await asyncio.wait_for(ready(), timeout=LONGEST_JUDGEMENT) else "no cause was given"
    except NotReady as reason:
        return str(reason)
    except TimeoutError:
        return f"no answer within {LONGEST_JUDGEMENT:g} s"
    except Exception as error:  # Any failure of the check means not ready.
        return type(error).__name__
