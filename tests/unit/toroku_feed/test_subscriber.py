"""A subscriber loses nothing, stores nothing wrong, and goes on, whatever the instance or the way to it does."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typing_extensions import override

from tests.support.feed_messages import FEED, NOON, change, name_card
from tests.support.feed_service import FeedService, serving_feed
from tests.support.waiting import wait_until
from toroku.agencysync.v1.agency_sync_pb2 import HistoryHead
from toroku.agencysync.v1.feed_pb2 import Change, GetSnapshotRequest, StreamChangesResponse
from toroku.agencysync.v1.feed_pb2_grpc import FeedStub
from toroku_feed import LocalAnswers, Position, Progress, SnapshotRefused, SqliteStore, Subscriber, Trust
from toroku_feed.subscriber import FeedDisordered

MINUTE = timedelta(minutes=1)


@dataclass
class Agency:
    """A subscriber with its copy, and the instance that it follows."""

    service: FeedService
    store: SqliteStore
    subscriber: Subscriber
    complaints: list[tuple[HistoryHead, HistoryHead]] = field(default_factory=list)

    async def number(self) -> int | None:
        progress = await self.store.read_progress()
        return None if progress is None else progress.position.number

    async def has(self, *cards: int) -> list[int]:
        """The positions of the entries of these cards; 0 for none."""
        entries = [(await self.store.find(name_card(card)))[0] for card in cards]
        return [entry.position.number if entry else 0 for entry in entries]

    async def as_of_is(self, as_of: object) -> bool:
        progress = await self.store.read_progress()
        return progress is not None and progress.as_of == as_of

    async def has_number(self, number: int) -> bool:
        return await self.number() == number

    async def has_acknowledged(self, number: int) -> bool:
        return self.service.acknowledged[-1:] == [number]

    async def was_called(self, method: str, times: int) -> bool:
        return self.service.calls.count(method) >= times

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.subscriber.follow())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
async def agency(tmp_path: Path) -> AsyncIterator[Agency]:
    service = FeedService(Ed25519PrivateKey.generate())
    store = SqliteStore(tmp_path / "feed.db", FEED)
    async with serving_feed(service) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield subscribe(service, store, channel)
    store.close()


def subscribe(service: FeedService, store: SqliteStore, channel: grpc.aio.Channel, *, silence: float = 45) -> Agency:
    complaints: list[tuple[HistoryHead, HistoryHead]] = []
    subscriber = Subscriber(
        FeedStub(channel),
        store=store,
        trust=Trust(FEED, [service.key.public_key()]),
        name="e-bidding",
        clock=lambda: NOON + MINUTE,
        complain=lambda kept, told: complaints.append((kept, told)),
        first_pause=0.01,
        longest_pause=0.05,
        silence=silence,
    )
    return Agency(service, store, subscriber, complaints)


async def test_it_begins_from_a_snapshot_and_follows(agency: Agency) -> None:
    await agency.service.add(change(1), change(2))
    async with agency.following():
        await wait_until(lambda: agency.as_of_is(NOON), seconds=10)
        assert await agency.number() == 2
        await agency.service.add(change(3, card=1, state=Change.STATE_SUSPENDED, reason="CARD_SUSPENDED"), change(4))
        await agency.service.beat(NOON + MINUTE)
        await wait_until(lambda: agency.as_of_is(NOON + MINUTE), seconds=10)
        await wait_until(lambda: agency.has_acknowledged(4), seconds=10)
    assert await agency.has(1, 2, 4) == [3, 2, 4]
    answer = await LocalAnswers(agency.store).is_good(name_card(1), NOON + MINUTE)
    assert (answer.reason, bool(answer)) == ("CARD_SUSPENDED", False)
    assert agency.service.calls[:2] == ["GetSnapshot", "StreamChanges"]


async def test_it_goes_on_from_what_it_stored_after_the_instance_was_away(tmp_path: Path) -> None:
    service = FeedService(Ed25519PrivateKey.generate())
    store = SqliteStore(tmp_path / "feed.db", FEED)
    async with serving_feed(service) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await service.add(change(1))
        await subscribe(service, store, channel).subscriber.catch_up()
    # While it is away, the copy answers for as long as the snapshot says.
    answers = LocalAnswers(store)
    assert await answers.is_good(name_card(1), NOON + timedelta(hours=23))
    assert (await answers.is_good(name_card(1), NOON + timedelta(hours=24))).reason == "FEED_TOO_OLD"
    service.failures = {"StreamChanges": ["AWAY"] * 5, "ListChanges": ["AWAY"] * 5}
    await service.add(change(2))
    async with serving_feed(service) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        agency = subscribe(service, store, channel)
        async with agency.following():
            await wait_until(lambda: agency.has_number(2), seconds=20)
    assert service.calls.count("GetSnapshot") == 1
    store.close()


async def test_cut_streams_are_bridged_by_pages(agency: Agency) -> None:
    await agency.subscriber.load_snapshot()
    agency.service.failures["StreamChanges"] = ["CUT"] * 3
    await agency.service.add(*(change(number) for number in range(1, 11)))
    async with agency.following():
        await wait_until(lambda: agency.has_number(10), seconds=10)
        await wait_until(lambda: agency.was_called("StreamChanges", 4), seconds=10)
    assert "ListChanges" in agency.service.calls
    assert await agency.has(*range(1, 11)) == [*range(1, 11)]


@pytest.mark.parametrize("by_pages", [True, False])
async def test_a_position_that_is_too_old_or_of_another_epoch_begins_again(agency: Agency, by_pages: bool) -> None:
    async def run(expected: int) -> None:
        if by_pages:
            await agency.subscriber.catch_up()
            return
        async with agency.following():
            await wait_until(lambda: agency.has_number(expected), seconds=10)

    await agency.service.add(change(1), change(2))
    await run(2)
    agency.service.changes = [change(9, card=2), change(10, card=3)]
    agency.service.kept_after = 8
    await run(10)
    assert await agency.has(1, 2, 3) == [0, 9, 10]
    # The instance was restored: fewer numbers, a higher epoch.
    agency.service.epoch = 2
    agency.service.changes = [change(5, card=1, epoch=2)]
    agency.service.kept_after = 4
    await run(5)
    assert await agency.has(1, 2, 3) == [5, 0, 0]
    progress = await agency.store.read_progress()
    assert progress is not None
    assert progress.position == Position(2, 5)


async def test_a_snapshot_that_is_refused_changes_nothing(agency: Agency) -> None:
    await agency.service.add(change(1), change(2))
    await agency.subscriber.catch_up()
    for wrong, reason in (
        ({"agency": "11100"}, "OTHER_FEED"),
        ({"number": 1}, "OLDER"),
        ({"expires_at": NOON.isoformat()}, "EXPIRED"),
        ({"sha256": "00" * 32}, "CONTENT_DIFFERS"),
        ({"size": 1}, "SIZE_DIFFERS"),
        ({"size": 100_000}, "SIZE_DIFFERS"),
        ({"rows": 5}, "ROWS_DIFFER"),
    ):
        agency.service.snapshot_changes = wrong
        with pytest.raises(SnapshotRefused) as refused:
            await agency.subscriber.load_snapshot()
        assert refused.value.reason == reason
    agency.service.snapshot_changes = {}
    agency.service.key = Ed25519PrivateKey.generate()
    with pytest.raises(SnapshotRefused, match="SIGNATURE_INVALID"):
        await agency.subscriber.load_snapshot()
    assert await agency.has(1, 2) == [1, 2]


async def test_a_gap_a_repetition_or_another_epoch_is_not_stored(agency: Agency) -> None:
    await agency.service.add(change(1))
    await agency.subscriber.catch_up()
    for wrong in (change(3), change(2, epoch=2)):
        agency.service.changes = [change(1), wrong]
        with pytest.raises(FeedDisordered):
            await agency.subscriber.catch_up()
    agency.service.changes = [change(1), change(2), change(2, card=5)]
    with pytest.raises(FeedDisordered):
        await agency.subscriber.catch_up()
    assert await agency.number() == 1
    assert await agency.has(1, 2, 3, 5) == [1, 0, 0, 0]


async def test_a_snapshot_that_is_still_being_made_is_waited_for(agency: Agency) -> None:
    await agency.service.add(change(1))
    agency.service.failures["GetSnapshot"] = ["FEED_SNAPSHOT_UNAVAILABLE"] * 3
    async with agency.following():
        await wait_until(lambda: agency.has_number(1), seconds=10)


async def test_a_copy_behind_the_head_is_not_as_of_the_heartbeat(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    await agency.service.add(*(change(number) for number in range(1, 8)))
    await agency.subscriber.load_snapshot()
    agency.service.as_of = NOON + MINUTE
    await agency.service.add(*(change(number) for number in range(8, 16)))
    seen: list[tuple[int, bool]] = []
    apply = agency.store.apply

    async def watch(changes: Sequence[Change], *, after: Position, progress: Progress) -> None:
        seen.append((progress.position.number, progress.as_of == NOON + MINUTE))
        await apply(changes, after=after, progress=progress)

    monkeypatch.setattr(agency.store, "apply", watch)
    await agency.subscriber.catch_up()
    assert seen == [(10, False), (13, False), (15, True)]


async def test_what_the_store_can_not_take_is_tried_again(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    await agency.service.add(change(1))
    failures = iter([OSError("disk full"), OSError("disk full")])
    replace = agency.store.replace

    async def fail_twice(batches: Iterable[Sequence[Change]], progress: Progress) -> None:
        for failure in failures:
            raise failure
        await replace(batches, progress)

    monkeypatch.setattr(agency.store, "replace", fail_twice)
    async with agency.following():
        await wait_until(lambda: agency.has_number(1), seconds=10)


async def test_a_rewritten_history_is_complained_about_and_the_feed_goes_on(agency: Agency) -> None:
    def head(text: str) -> HistoryHead:
        return HistoryHead(service="certificate-registry", position=7, head=text)

    agency.service.history_heads = [head("first")]
    await agency.subscriber.catch_up()
    await agency.subscriber.catch_up()
    assert agency.complaints == []
    agency.service.history_heads = [head("second")]
    await agency.service.add(change(1))
    await agency.subscriber.catch_up()
    assert [(kept.head, told.head) for kept, told in agency.complaints] == [("first", "second")]
    assert await agency.number() == 1


async def test_a_network_that_swallows_everything_is_given_up_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def has_tried_again() -> bool:
        return caplog.text.count("the feed is tried again: TimeoutError") > 2

    store = SqliteStore(tmp_path / "feed.db", FEED)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{silent.getsockname()[1]}") as channel:
            agency = subscribe(FeedService(Ed25519PrivateKey.generate()), store, channel, silence=0.1)
            async with agency.following():
                await wait_until(has_tried_again, seconds=20)
    store.close()


class EndlessFeed(FeedService):
    """Half a million changes, made as they are sent."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        super().__init__(key)
        self.sent = 0

    @override
    async def StreamChanges(self, request: Any, context: Any) -> AsyncIterator[StreamChangesResponse]:
        for first in range(request.after.number + 1, 500_001, 500):
            self.sent += 1
            yield StreamChangesResponse(changes=[change(first + place) for place in range(500)])


async def test_a_slow_store_is_not_overrun_by_half_a_million_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = EndlessFeed(Ed25519PrivateKey.generate())
    store = SqliteStore(tmp_path / "feed.db", FEED)
    has_begun, may_store = asyncio.Event(), asyncio.Event()
    apply = store.apply

    async def wait_and_apply(changes: Sequence[Change], *, after: Position, progress: Progress) -> None:
        has_begun.set()
        await may_store.wait()
        await apply(changes, after=after, progress=progress)

    monkeypatch.setattr(store, "apply", wait_and_apply)
    async with serving_feed(service) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        agency = subscribe(service, store, channel)
        await agency.subscriber.load_snapshot()
        async with agency.following():
            await has_begun.wait()
            # Whatever the instance sends meanwhile: other calls are answered for a while.
            for _ in range(100):
                async for _ in FeedStub(channel).GetSnapshot(GetSnapshotRequest()):
                    pass
            # Some megabytes are on their way, of a hundred.
            assert service.sent < 300
            may_store.set()
            await wait_until(lambda: has_come_to(agency, 5_000), seconds=20)
    store.close()


async def has_come_to(agency: Agency, number: int) -> bool:
    return (await agency.number() or 0) >= number
