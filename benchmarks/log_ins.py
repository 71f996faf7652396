"""Log-ins without end, as the systems of an agency ask for them, to see what something else takes from them."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toroku.certificate.v1 import user_lookup_pb2

if TYPE_CHECKING:
    from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupAsyncStub

# At a time, and seconds for which they are counted before anything else begins.
AT_A_TIME, BEFORE = 8, 5.0
# Of the log-ins before.
LEAST_LOG_INS = 2 / 3


@dataclass(slots=True)
class LogIns:
    """Calls of ResolveUser without end, by an e-bidding system."""

    lookup: "UserLookupAsyncStub"
    agency: str
    category: str
    count: int = 0

    async def go_on(self) -> None:
        """Asks until the task is cancelled, `AT_A_TIME` at a time."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_A_TIME):
                tasks.create_task(self._ask())

    async def measure_rate(self, end: Awaitable[object]) -> tuple[float, float]:
        """Returns the calls a second until what is awaited has ended, and how long that was."""
        began, before = time.perf_counter(), self.count
        await end
        seconds = time.perf_counter() - began
        return (self.count - before) / seconds, seconds

    async def _ask(self) -> None:
        request = user_lookup_pb2.ResolveUserRequest(
            agency=self.agency, category=self.category, certificate_sha256=b"c" * 32, possession_verified=True
        )
        while True:
            await self.lookup.ResolveUser(request)
            self.count += 1
