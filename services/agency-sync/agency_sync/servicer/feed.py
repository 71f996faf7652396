"""The RPCs of the feeds: convert, call one operation, convert."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from typing_extensions import override

from agency_sync.convert import feed as convert
from agency_sync.operations.feed_reading import FeedReading
from agency_sync.operations.snapshot import SnapshotReading
from servicekit.context import Context
from toroku.agencysync.v1 import feed_pb2, feed_pb2_grpc


class Feed(feed_pb2_grpc.FeedServicer):
    """The gRPC service Feed."""

    def __init__(self, *, reading: FeedReading, snapshots: SnapshotReading) -> None:
        self._reading = reading
        self._snapshots = snapshots

    @override
    async def StreamChanges(
        self, request: feed_pb2.StreamChangesRequest, context: Context
    ) -> AsyncIterator[feed_pb2.StreamChangesResponse]:
        convert.check_subscriber(request.subscriber)
        parts = self._reading.stream(request.agency, request.category, convert.read_after(request))
        async with aclosing(parts):
            async for part in parts:
                yield feed_pb2.StreamChangesResponse(
                    changes=map(convert.write_change, part.changes),
                    heartbeat=None if part.heartbeat is None else convert.write_heartbeat(part.heartbeat),
                )

    @override
    async def ListChanges(self, request: feed_pb2.ListChangesRequest, context: Context) -> feed_pb2.ListChangesResponse:
        convert.check_subscriber(request.subscriber)
        changes, heartbeat = await self._reading.list_changes(
            request.agency,
            request.category,
            convert.read_after(request),
            most=convert.read_limit(request.limit),
        )
        return feed_pb2.ListChangesResponse(
            changes=map(convert.write_change, changes), heartbeat=convert.write_heartbeat(heartbeat)
        )

    @override
    async def GetSnapshot(
        self, request: feed_pb2.GetSnapshotRequest, context: Context
    ) -> AsyncIterator[feed_pb2.GetSnapshotResponse]:
        convert.check_subscriber(request.subscriber)
        parts = self._snapshots.read(request.agency, request.category)
        async with aclosing(parts):
            async for part in parts:
                yield convert.write_snapshot_part(part)

    @override
    async def AcknowledgePosition(
        self, request: feed_pb2.AcknowledgePositionRequest, context: Context
    ) -> feed_pb2.AcknowledgePositionResponse:
        await self._reading.acknowledge(
            request.agency,
            request.category,
            convert.check_subscriber(request.subscriber),
            convert.read_position(request.position),
        )
        return feed_pb2.AcknowledgePositionResponse()
