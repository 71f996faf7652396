"""Follows the feed of an agency into a store.

One message of the stream is stored in one transaction, and the next one is read afterwards: however far behind the copy
is, memory holds one message. Where the stream can't be had, changes are asked for in pages, and the stream is tried
again after a pause.
"""

import asyncio
import logging
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import grpc

from toroku.agencysync.v1 import feed_pb2
from toroku.agencysync.v1.agency_sync_pb2 import HistoryHead
from toroku_feed.connection import read_reason
from toroku_feed.snapshot import ContentFile, Manifest, SnapshotRefused, Trust, verify_manifest
from toroku_feed.store import FeedStore, Position, Progress

if TYPE_CHECKING:
    from toroku.agencysync.v1.feed_pb2_grpc import FeedAsyncStub

log = logging.getLogger(__name__)

_Message = TypeVar("_Message")
# What a stream gives at its end; the types of gRPC do not have it.
_END: object = grpc.aio.EOF  # type: ignore[attr-defined]

# The way on is a snapshot.
BEGIN_AGAIN = {"FEED_POSITION_TOO_OLD", "FEED_RESTARTED"}
_PAGE = 500
# Seconds: three heartbeats. A stream that is silent for longer is dead, and so is a page or piece that does not come.
_SILENCE = 45.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
# Seconds between two acknowledgements while nothing but changes arrives.
_ACKNOWLEDGEMENT = 15.0


class FeedDisordered(Exception):
    """A change whose position is not the next one: nothing of its message was stored."""


def complain_in_log(kept: HistoryHead, told: HistoryHead) -> None:
    """Writes to the log that a history was rewritten: the default of a subscriber."""
    log.error(
        "the history of %s was rewritten: at position %s is another head than was told before; kept: %s, told: %s",
        *(kept.service, kept.position, kept.head, told.head),
    )


class Subscriber:
    """One system of an agency that follows the agency's feed.

    `stub`: of a channel of `toroku_feed.open_channel`. `name`: of this system, for the operator's lag alarm. `complain`
    gets the kept and the told head where a history was rewritten. Pauses are in seconds.
    """

    def __init__(
        self,
        stub: "FeedAsyncStub",
        *,
        store: FeedStore,
        trust: Trust,
        name: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        complain: Callable[[HistoryHead, HistoryHead], None] = complain_in_log,
        first_pause: float = _FIRST_PAUSE,
        longest_pause: float = _LONGEST_PAUSE,
        silence: float = _SILENCE,
    ) -> None:
        self._stub = stub
        self._store = store
        self._trust = trust
        self._name = name
        self._clock = clock
        self._complain = complain
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._silence = silence
        # How often something was stored.
        self._stored = 0
        self._acknowledged: tuple[Position | None, float] = (None, 0.0)

    async def follow(self) -> NoReturn:
        """Follows the feed until it is cancelled. What fails is logged, and tried again after a pause."""
        pause = self._first_pause
        while True:
            stored = self._stored
            try:
                await self._follow_stream()
                has_failed = False
            except Exception as error:
                # Also what the store raises, for example because its disk is full: a later try may succeed.
                has_failed = True
                log.warning("the feed is tried again: %s", _describe(error))
            pause = self._first_pause if self._stored > stored else min(2 * pause, self._longest_pause)
            # Not all systems at the same instant after the instance was away.
            if has_failed or self._stored == stored:
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 (a pause is no secret)

    async def catch_up(self) -> Progress:
        """Asks for changes in pages until there are no more; for a system that can't keep a stream open.

        Returns how far the copy has come. Raises grpc.aio.AioRpcError, SnapshotRefused, PositionMoved, FeedDisordered,
        and what the store raises; whatever was stored before stays.
        """
        progress = await self._read_progress()
        while True:
            request = feed_pb2.ListChangesRequest(**self._who(), after=progress.position.write(), limit=_PAGE)
            try:
                response = await self._stub.ListChanges(request, timeout=self._silence)
            except grpc.aio.AioRpcError as error:
                progress = await self._begin_again(error)
                continue
            progress = await self._store_message(progress, response.changes, response.heartbeat)
            if not response.changes or progress.position >= Position.of(response.heartbeat.head):
                await self._acknowledge(progress.position)
                return progress

    async def load_snapshot(self) -> Progress:
        """Replaces the copy by a snapshot, in one transaction; returns how far it has come.

        A snapshot that is refused, or older than the copy, changes nothing. Raises as `catch_up`.
        """
        stored = await self._store.read_progress()
        call = self._stub.GetSnapshot(feed_pb2.GetSnapshotRequest(**self._who()))
        try:
            with tempfile.TemporaryFile() as file:
                first = await self._read(call)
                if first is None or first.WhichOneof("part") != "manifest":
                    raise SnapshotRefused("MANIFEST_UNREADABLE", "the first message has none")
                manifest: Manifest = verify_manifest(
                    first.manifest,
                    self._trust,
                    now=self._clock(),
                    at_least=stored.position if stored is not None else None,
                )
                content = ContentFile(manifest, file)
                while (part := await self._read(call)) is not None:
                    content.write(part.content)
                content.check()
                await self._store.replace(content.read_batches(), manifest.progress)
        finally:
            call.cancel()
        self._stored += 1
        log.info("began from a snapshot with %s cards at %s", manifest.rows, manifest.position)
        return manifest.progress

    async def _follow_stream(self) -> None:
        progress = await self._read_progress()
        call = self._stub.StreamChanges(feed_pb2.StreamChangesRequest(**self._who(), after=progress.position.write()))
        try:
            while (message := await self._read(call)) is not None:
                heartbeat = message.heartbeat if message.HasField("heartbeat") else None
                progress = await self._store_message(progress, message.changes, heartbeat)
                if heartbeat is not None or time.monotonic() - self._acknowledged[1] > _ACKNOWLEDGEMENT:
                    await self._acknowledge(progress.position)
        except (grpc.aio.AioRpcError, TimeoutError) as error:
            if isinstance(error, grpc.aio.AioRpcError) and read_reason(error) in BEGIN_AGAIN:
                await self.load_snapshot()
                return
            # Something on the way may cut streams and let calls through.
            with suppress(grpc.aio.AioRpcError):
                await self.catch_up()
            raise
        finally:
            call.cancel()

    async def _read(self, call: "grpc.aio.UnaryStreamCall[Any, _Message]") -> _Message | None:
        """Returns the next message; None at the end. Raises TimeoutError after a silence."""
        message = await asyncio.wait_for(call.read(), self._silence)
        return None if message is _END else cast(_Message, message)

    async def _read_progress(self) -> Progress:
        return await self._store.read_progress() or await self.load_snapshot()

    async def _begin_again(self, error: grpc.aio.AioRpcError) -> Progress:
        if read_reason(error) not in BEGIN_AGAIN:
            raise error
        return await self.load_snapshot()

    async def _store_message(
        self, progress: Progress, changes: Sequence[feed_pb2.Change], heartbeat: feed_pb2.Heartbeat | None
    ) -> Progress:
        position = progress.position
        for change in changes:
            of_change = Position.of(change.position)
            if of_change != Position(position.epoch, position.number + 1):
                raise FeedDisordered(f"{of_change} came after {position}")
            position = of_change
        new = replace(progress, position=position)
        # A copy that has not everything is not as of the heartbeat.
        if heartbeat is not None and Position.of(heartbeat.head) == position:
            new = replace(new, as_of=max(progress.as_of, heartbeat.as_of.ToDatetime(UTC)))
        if new != progress:
            await self._store.apply(changes, after=progress.position, progress=new)
            self._stored += 1
        if heartbeat is not None and heartbeat.history_heads:
            await self._note_heads(heartbeat.history_heads)
        return new

    async def _note_heads(self, heads: Sequence[HistoryHead]) -> None:
        told = {(head.service, head.position): head for head in heads}
        for kept in await self._store.note_heads(heads):
            self._complain(kept, told[kept.service, kept.position])

    async def _acknowledge(self, position: Position) -> None:
        """Tells how far the copy has come: for the operator's alarm only, so a failure is none of the subscriber's."""
        if self._acknowledged[0] == position:
            return
        self._acknowledged = (position, time.monotonic())
        request = feed_pb2.AcknowledgePositionRequest(**self._who(), position=position.write())
        try:
            await self._stub.AcknowledgePosition(request, timeout=self._silence)
        except grpc.aio.AioRpcError as error:
            log.info("a position was not acknowledged: %s", _describe(error))

    def _who(self) -> dict[str, str]:
        feed = self._trust.feed
        return {"agency": feed.agency, "category": feed.category, "subscriber": self._name}


def _describe(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return read_reason(error) or f"{error.code().name} {error.details()}"
    return f"{type(error).__name__} {error}"
