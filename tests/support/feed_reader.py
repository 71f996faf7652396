"""An agency's system that reads its feed, and keeps what it has read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from refusals.status import from_rpc_error
from tests.support.example_profile import WORKS
from toroku.agencysync.v1 import feed_pb2

if TYPE_CHECKING:
    from tests.support.services.agency_sync import RunningAgencySync
    from toroku.agencysync.v1.feed_pb2_grpc import FeedAsyncStub

PAGE = 1000
# Seconds.
_PATIENCE = 60


async def list_changes(
    sync: RunningAgencySync, agency: str, after: feed_pb2.FeedPosition | None = None
) -> list[feed_pb2.Change]:
    """Returns all changes after a position, as the agency's system lists them. Raises Refusal."""
    changes: list[feed_pb2.Change] = []
    while True:
        request = feed_pb2.ListChangesRequest(
            agency=agency, category=WORKS, subscriber="tests", after=after, limit=PAGE
        )
        response = await sync.from_agency[agency].ListChanges(request)
        changes += response.changes
        if len(response.changes) < PAGE:
            return changes
        after = response.changes[-1].position


@dataclass(slots=True)
class Reader:
    """A subscriber that begins again from its last position whenever its stream ends, as the manual says."""

    agency: str
    changes: list[feed_pb2.Change] = field(default_factory=list)
    heartbeats: list[feed_pb2.Heartbeat] = field(default_factory=list)
    # Streams that ended with OK, and the reasons of those that ended by an error.
    ended: int = 0
    failed: list[str] = field(default_factory=list)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def numbers(self) -> list[int]:
        """The numbers of what was read, in the order in which it came."""
        return [change.position.number for change in self.changes]

    async def read_once(self, stub: FeedAsyncStub) -> None:
        """Reads one stream to its end."""
        request = feed_pb2.StreamChangesRequest(
            agency=self.agency,
            category=WORKS,
            subscriber="reader",
            after=self.changes[-1].position if self.changes else None,
        )
        async for response in stub.StreamChanges(request):
            self.changes += response.changes
            if response.HasField("heartbeat"):
                self.heartbeats.append(response.heartbeat)
            self._moved.set()
        self.ended += 1
        self._moved.set()

    async def read(self, stub: FeedAsyncStub) -> None:
        """Reads for ever."""
        while True:
            try:
                await self.read_once(stub)
            except grpc.aio.AioRpcError as error:
                self.failed.append(from_rpc_error(error).reason)
                self._moved.set()
                await asyncio.sleep(0.05)

    async def wait_for(self, number: int) -> None:
        """Returns when it has read the change with this number."""
        await self._wait_until(lambda: bool(self.changes) and self.changes[-1].position.number >= number)

    async def wait_for_heartbeat(self, number: int = 0) -> None:
        """Returns when it has a heartbeat whose head has this number, at least."""
        await self._wait_until(lambda: bool(self.heartbeats) and self.heartbeats[-1].head.number >= number)

    async def wait_for_end(self, ended: int) -> None:
        """Returns when as many streams have ended with OK."""
        await self._wait_until(lambda: self.ended >= ended)

    async def wait_for_failure(self) -> None:
        """Returns when a stream has ended by an error."""
        await self._wait_until(lambda: bool(self.failed))

    async def _wait_until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not condition():
                self._moved.clear()
                await self._moved.wait()


@asynccontextmanager
async def reading(stub: FeedAsyncStub, agency: str) -> AsyncIterator[Reader]:
    """Reads an agency's feed until the block ends."""
    reader = Reader(agency)
    task = asyncio.create_task(reader.read(stub))
    try:
        yield reader
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
