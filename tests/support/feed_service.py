"""An agency-sync that serves the feed as a test says: it may be away, wrong, cut its streams, or be slow."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NoReturn

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # comes without types
from typing_extensions import override

from tests.support.feed_messages import NOON, heartbeat, write_snapshot
from toroku.agencysync.v1 import feed_pb2, feed_pb2_grpc
from toroku.agencysync.v1.agency_sync_pb2 import HistoryHead

PAGE = 3


async def refuse(context: Any, code: grpc.StatusCode, reason: str) -> NoReturn:
    """Ends a call as Toroku refuses it."""
    status = status_pb2.Status(code=code.value[0])
    detail = AnyMessage()
    detail.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="toroku"))
    status.details.append(detail)
    await context.abort(code, reason, (("grpc-status-details-bin", status.SerializeToString()),))
    raise AssertionError("abort raises")


class FeedService(feed_pb2_grpc.FeedServicer):
    """A feed in memory."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self.key = key
        self.epoch = 1
        self.changes: list[feed_pb2.Change] = []
        # Entries up to this number are deleted.
        self.kept_after = 0
        self.as_of: datetime = NOON
        self.history_heads: Sequence[HistoryHead] = ()
        # Fields of the manifest that are wrong.
        self.snapshot_changes: dict[str, Any] = {}
        # The reasons with which the next calls of a method end.
        self.failures: dict[str, list[str]] = {}
        self.calls: list[str] = []
        self.acknowledged: list[int] = []
        self.news = asyncio.Condition()

    async def add(self, *changes: feed_pb2.Change) -> None:
        """Commits changes."""
        async with self.news:
            self.changes += changes
            self.news.notify_all()

    async def beat(self, as_of: datetime) -> None:
        """Has a heartbeat sent with this time."""
        async with self.news:
            self.as_of = as_of
            self.news.notify_all()

    @property
    def head(self) -> int:
        return self.changes[-1].position.number if self.changes else self.kept_after

    @override
    async def StreamChanges(self, request: Any, context: Any) -> AsyncIterator[feed_pb2.StreamChangesResponse]:
        number = await self._begin("StreamChanges", request, context)
        while True:
            while changes := self._list(number):
                yield feed_pb2.StreamChangesResponse(changes=changes)
                number = changes[-1].position.number
            as_of = self.as_of
            yield feed_pb2.StreamChangesResponse(heartbeat=self._beat())
            async with self.news:
                await self.news.wait_for(lambda: self.head > number or self.as_of > as_of)  # noqa: B023

    @override
    async def ListChanges(self, request: Any, context: Any) -> feed_pb2.ListChangesResponse:
        number = await self._begin("ListChanges", request, context)
        return feed_pb2.ListChangesResponse(changes=self._list(number), heartbeat=self._beat())

    @override
    async def GetSnapshot(self, _: Any, context: Any) -> AsyncIterator[feed_pb2.GetSnapshotResponse]:
        await self._fail("GetSnapshot", context)
        newest = {change.certificate_sha256: change for change in self.changes}
        fields = {"epoch": self.epoch, "number": self.head} | self.snapshot_changes
        for part in write_snapshot(self.key, list(newest.values()), **fields):
            yield part

    @override
    async def AcknowledgePosition(self, request: Any, context: Any) -> feed_pb2.AcknowledgePositionResponse:
        await self._fail("AcknowledgePosition", context)
        self.acknowledged.append(request.position.number)
        return feed_pb2.AcknowledgePositionResponse()

    async def _begin(self, method: str, request: Any, context: Any) -> int:
        await self._fail(method, context)
        if request.after.epoch < self.epoch:
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "FEED_RESTARTED")
        if request.after.number < self.kept_after:
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "FEED_POSITION_TOO_OLD")
        if request.after.number > self.head:
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "FEED_POSITION_AHEAD")
        number: int = request.after.number
        return number

    async def _fail(self, method: str, context: Any) -> None:
        self.calls.append(method)
        if self.failures.get(method):
            await refuse(context, grpc.StatusCode.UNAVAILABLE, self.failures[method].pop(0))

    def _list(self, after: int) -> list[feed_pb2.Change]:
        return [change for change in self.changes if change.position.number > after][:PAGE]

    def _beat(self) -> feed_pb2.Heartbeat:
        return heartbeat(self.head, self.as_of, epoch=self.epoch, history_heads=self.history_heads)


@asynccontextmanager
async def serving_feed(service: FeedService, port: int = 0) -> AsyncIterator[int]:
    """Serves it on a port of this machine, without TLS; yields the port."""
    server = grpc.aio.server()
    feed_pb2_grpc.add_FeedServicer_to_server(service, server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)
