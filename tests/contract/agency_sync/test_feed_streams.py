"""The feed's streams: in the order of commit, without gaps, from any position, and nobody waits for a slow reader."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest

from agency_sync.domain.card_state import CardState
from agency_sync.domain.feed import list_feed_rules
from agency_sync.metrics import FeedMetrics
from agency_sync.operations import feed_reading
from agency_sync.operations.feed_appending import FeedAppending
from agency_sync.store import card_states
from refusals import Refusal
from refusals.status import from_rpc_error
from servicekit.database import Database
from servicekit.metrics import Metrics
from tests.support.example_profile import CITY, GOODS, PREFECTURE, VILLAGE, WORKS, example_profile
from tests.support.feed_reader import Reader, list_changes, reading
from tests.support.feed_writing_process import make_state
from tests.support.scrape import metrics_settings
from tests.support.services.agency_sync import (
    RunningAgencySync,
    card_state,
    running_agency_sync,
)
from toroku.agencysync.v1 import feed_pb2


@pytest.fixture
async def sync(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningAgencySync]:
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, example_profile()) as running:
        yield running


async def fill(sync: RunningAgencySync, changes: int, agency: str = PREFECTURE) -> None:
    """Appends as many changes to the feed of an agency."""
    for first in range(0, changes, 500):
        await sync.record(*(card_state(agency=agency) for _ in range(min(500, changes - first))))


@pytest.mark.requirement("SYN-06")
async def test_change_comes_as_it_is_committed_and_a_heartbeat_when_the_reader_has_everything(
    sync: RunningAgencySync,
) -> None:
    async with reading(sync.streams[PREFECTURE], PREFECTURE) as reader:
        await reader.wait_for_heartbeat()
        assert reader.heartbeats[-1].head == feed_pb2.FeedPosition(epoch=1, number=0)
        registration_id = await sync.record(card_state())
        await reader.wait_for(1)
        await sync.record(card_state(registration_id, number=2, suspended=True))
        await reader.wait_for(2)
        await reader.wait_for_heartbeat(2)
    assert [change.state for change in reader.changes] == [
        feed_pb2.Change.STATE_GOOD,
        feed_pb2.Change.STATE_SUSPENDED,
    ]
    assert reader.heartbeats[-1].as_of.ToDatetime() >= reader.changes[-1].committed_at.ToDatetime()


@pytest.mark.requirement("SYN-06")
async def test_reader_goes_on_from_any_position(sync: RunningAgencySync) -> None:
    await fill(sync, 12)
    everything = await list_changes(sync, PREFECTURE)
    for number in range(13):
        after = feed_pb2.FeedPosition(epoch=1, number=number)
        assert await list_changes(sync, PREFECTURE, after) == everything[number:]
        reader = Reader(PREFECTURE, changes=everything[:number])
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(reader.read(sync.streams[PREFECTURE]))
            await reader.wait_for_heartbeat(12)
            task.cancel()
        assert reader.changes == everything


@pytest.mark.requirement("SYN-06")
@pytest.mark.every_postgresql
async def test_nothing_is_missed_of_writers_that_commit_late_and_out_of_order_or_not_at_all(
    sync: RunningAgencySync,
) -> None:
    """Eight transactions at a time, each of which commits a while after it has its numbers; a third is rolled back."""
    writers, turns, cards = 8, 12, 30
    async with Database.open(sync.dsn, pool=writers) as database:
        feeds = FeedAppending(database=database, rules=list_feed_rules(example_profile()))
        await write_late(database, feeds, [make_state(card, 0) for card in range(cards)], fails=False)

        async def write(writer: int) -> None:
            chance = random.Random(writer)  # noqa: S311
            for turn in range(turns):
                states = [make_state(chance.randrange(cards), turn * writers + writer + 1) for _ in range(5)]
                newest = {state.key: state for state in states}
                try:
                    await write_late(database, feeds, list(newest.values()), fails=chance.random() < 1 / 3)
                except RuntimeError:
                    continue

        async with reading(sync.streams[PREFECTURE], PREFECTURE) as first, reading(sync.streams[CITY], CITY) as second:
            async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
                for writer in range(writers):
                    tasks.create_task(write(writer))
            heads = dict(await sync.rows("SELECT agency, number FROM feed_heads WHERE category = 'works'"))
            for reader in (first, second):
                await reader.wait_for(heads[reader.agency])
    assert first.failed == second.failed == []
    for reader in (first, second):
        await check_complete(sync, reader)


async def write_late(database: Database, feeds: FeedAppending, states: list[CardState], *, fails: bool) -> None:
    async with database.transaction() as connection:
        written = await card_states.replace_states(connection, states)
        await feeds.append(connection, list(written), frozenset())
        await connection.execute(b"SELECT pg_sleep(random() * 0.02)")
        if fails:
            raise RuntimeError


async def check_complete(sync: RunningAgencySync, reader: Reader) -> None:
    """Sees that there is no gap and no double, and that the newest change of each card is its state."""
    assert reader.numbers == list(range(1, len(reader.numbers) + 1))
    newest = {change.certificate_sha256: change.state for change in reader.changes}
    kept = await sync.rows("SELECT certificate_sha256, is_suspended FROM card_states")
    assert newest == {
        bytes(card): feed_pb2.Change.STATE_SUSPENDED if is_suspended else feed_pb2.Change.STATE_GOOD
        for card, is_suspended in kept
    }


@pytest.mark.requirement("SYN-07")
async def test_reader_that_stops_reading_holds_nobody_up_and_loses_nothing(sync: RunningAgencySync) -> None:
    await fill(sync, 500)
    request = feed_pb2.StreamChangesRequest(agency=PREFECTURE, category=WORKS, subscriber="slow")
    slow = sync.streams[PREFECTURE].StreamChanges(request)
    received = list((await anext(aiter(slow))).changes)
    async with reading(sync.streams[CITY], CITY) as reader:
        await fill(sync, 6000)
        await sync.record(card_state(agency=CITY))
        await reader.wait_for(1)
    # It holds no connection of the database either.
    assert await sync.rows("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'") == [(0,)]
    async for response in slow:
        received += response.changes
        if len(received) >= 6500:
            break
    slow.cancel()
    assert [change.position.number for change in received] == list(range(1, 6501))


@pytest.mark.requirement("SYN-07")
async def test_agency_that_was_away_gets_everything_when_it_comes_back(sync: RunningAgencySync) -> None:
    reader = Reader(PREFECTURE)
    for round_ in range(3):
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(reader.read(sync.streams[PREFECTURE]))
            await fill(sync, 40)
            await reader.wait_for(round_ * 80 + 1)
            task.cancel()
        await fill(sync, 40)
    everything = await list_changes(sync, PREFECTURE)
    assert reader.changes == everything[: len(reader.changes)]
    reader = Reader(PREFECTURE, changes=reader.changes)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(reader.read(sync.streams[PREFECTURE]))
        await reader.wait_for(240)
        task.cancel()
    assert reader.changes == everything


@pytest.mark.requirement("SYN-06")
async def test_stream_is_ended_with_ok_and_the_reader_goes_on(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("agency_sync")
    async with (
        running_agency_sync(dsn, tmp_path, example_profile(), heartbeat_interval=0.05, longest_stream=0.3) as sync,
        reading(sync.streams[PREFECTURE], PREFECTURE) as reader,
    ):
        for number in range(1, 31):
            await sync.record(card_state())
            await reader.wait_for(number)
        await reader.wait_for_end(3)
        assert reader.failed == []
        assert reader.numbers == list(range(1, 31))
        # Also with nothing to say.
        assert len(reader.heartbeats) > reader.ended


def test_stream_is_shorter_than_what_a_connection_that_is_too_old_leaves_to_its_calls() -> None:
    assert feed_reading.LONGEST_STREAM < 60


@pytest.mark.requirement("SYN-06")
async def test_streams_of_an_agency_are_bounded_and_another_agency_has_its_own(sync: RunningAgencySync) -> None:
    request = feed_pb2.StreamChangesRequest(agency=PREFECTURE, category=WORKS, subscriber="many")
    open_streams = [sync.streams[PREFECTURE].StreamChanges(request) for _ in range(feed_reading.MOST_STREAMS_OF_AGENCY)]
    for stream in open_streams:
        await anext(aiter(stream))
    for _ in range(3):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anext(aiter(sync.streams[PREFECTURE].StreamChanges(request)))
        assert from_rpc_error(refused.value).reason == "FEED_STREAMS_TOO_MANY"
    request.agency = CITY
    await anext(aiter(sync.streams[CITY].StreamChanges(request)))
    # One that ends makes room.
    for stream in open_streams:
        stream.cancel()
    async with reading(sync.streams[PREFECTURE], PREFECTURE) as reader:
        await reader.wait_for_heartbeat()


async def refuse(sync: RunningAgencySync, as_agency: str = PREFECTURE, **fields: object) -> str:
    """Returns the reason with which a list and a stream are refused."""
    given = {"agency": as_agency, "category": WORKS, "subscriber": "reader"} | fields
    with pytest.raises(Refusal) as listed:
        await sync.from_agency[as_agency].ListChanges(feed_pb2.ListChangesRequest(**given))  # type: ignore[arg-type]
    if "limit" not in fields:
        request = feed_pb2.StreamChangesRequest(**given)  # type: ignore[arg-type]
        with pytest.raises(grpc.aio.AioRpcError) as streamed:
            await anext(aiter(sync.streams[as_agency].StreamChanges(request)))
        assert from_rpc_error(streamed.value).reason == listed.value.reason
    return listed.value.reason


@pytest.mark.requirement("SYN-06")
async def test_wrong_question_has_a_reason_of_its_own(sync: RunningAgencySync) -> None:
    await fill(sync, 3)
    await fill(sync, 2, agency=CITY)

    def after(number: int, epoch: int = 1) -> feed_pb2.FeedPosition:
        return feed_pb2.FeedPosition(epoch=epoch, number=number)

    assert await refuse(sync, after=after(4)) == "FEED_POSITION_AHEAD"
    # The position of another agency's feed.
    assert await refuse(sync, CITY, after=after(3)) == "FEED_POSITION_AHEAD"
    assert await refuse(sync, category=GOODS, after=after(3)) == "FEED_POSITION_AHEAD"
    assert await refuse(sync, after=after(1, epoch=2)) == "FEED_POSITION_AHEAD"
    assert await refuse(sync, after=after(1, epoch=0)) == "FEED_POSITION_INVALID"
    assert await refuse(sync, after=after(-1)) == "FEED_POSITION_INVALID"
    assert await refuse(sync, limit=-1) == "FEED_LIMIT_INVALID"
    assert await refuse(sync, limit=1001) == "FEED_LIMIT_INVALID"
    for subscriber in ("", "a" * 41, "a b", "名簿"):
        assert await refuse(sync, subscriber=subscriber) == "FEED_SUBSCRIBER_INVALID"
    assert await refuse(sync, agency=CITY) == "AGENCY_NOT_OWN"
    assert await refuse(sync, "nowhere") == "AGENCY_UNKNOWN"
    assert await refuse(sync, category="nothing") == "CATEGORY_UNKNOWN"
    # It does not offer this one.
    assert await refuse(sync, VILLAGE, category=GOODS) == "CATEGORY_UNKNOWN"
    assert [change.position.number for change in await list_changes(sync, PREFECTURE)] == [1, 2, 3]


@pytest.mark.requirement("SYN-06")
@pytest.mark.every_postgresql
async def test_changes_are_kept_for_35_days_and_an_older_position_has_to_begin_again(sync: RunningAgencySync) -> None:
    first = await sync.record(card_state())
    await fill(sync, 3)
    await sync.execute("UPDATE feed_entries SET committed_at = now() - interval '36 days'")
    await sync.record(card_state(first, number=2, suspended=True))
    sync.now[0] = (await sync.rows("SELECT now()"))[0][0]
    await sync.work.tasks["delete_expired"][0]({})
    after = {number: feed_pb2.FeedPosition(epoch=1, number=number) for number in range(5)}
    assert await refuse(sync) == "FEED_POSITION_TOO_OLD"
    assert await refuse(sync, after=after[3]) == "FEED_POSITION_TOO_OLD"
    (change,) = await list_changes(sync, PREFECTURE, after[4])
    assert change.position.number == 5
    # The state of each card is kept, so nothing is told anew.
    await sync.record(card_state(first, number=3, suspended=True))
    assert await list_changes(sync, PREFECTURE, change.position) == []


@pytest.mark.requirement("SYN-06")
async def test_after_a_restore_an_old_position_has_to_begin_again(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state())
    async with reading(sync.streams[PREFECTURE], PREFECTURE) as reader:
        await reader.wait_for(1)
        await sync.execute("UPDATE epoch SET epoch = epoch + 1")
        await reader.wait_for_failure()
    assert set(reader.failed) == {"FEED_RESTARTED"}
    old = feed_pb2.FeedPosition(epoch=1, number=1)
    assert await refuse(sync, after=old) == "FEED_RESTARTED"
    # Who has nothing lacks what was before.
    assert await refuse(sync) == "FEED_POSITION_TOO_OLD"
    response = await sync.from_agency[PREFECTURE].ListChanges(
        feed_pb2.ListChangesRequest(
            agency=PREFECTURE, category=WORKS, subscriber="t", after=feed_pb2.FeedPosition(epoch=2, number=1)
        )
    )
    assert response.heartbeat.head == feed_pb2.FeedPosition(epoch=2, number=1)
    await sync.record(card_state(registration_id, epoch=2, suspended=True))
    (change,) = await list_changes(sync, PREFECTURE, response.heartbeat.head)
    assert change.position == feed_pb2.FeedPosition(epoch=2, number=2)


async def test_acknowledged_position_is_kept_and_changes_nothing_else(sync: RunningAgencySync) -> None:
    await fill(sync, 3)
    request = feed_pb2.AcknowledgePositionRequest(
        agency=PREFECTURE, category=WORKS, subscriber="reader", position=feed_pb2.FeedPosition(epoch=1, number=2)
    )
    for _ in range(2):
        await sync.from_agency[PREFECTURE].AcknowledgePosition(request)
    assert await sync.rows("SELECT subscriber, epoch, number FROM feed_subscribers") == [("reader", 1, 2)]
    assert len(await list_changes(sync, PREFECTURE)) == 3
    request.position.number = 4
    with pytest.raises(Refusal, match="FEED_POSITION_AHEAD"):
        await sync.from_agency[PREFECTURE].AcknowledgePosition(request)
    request.ClearField("position")
    with pytest.raises(Refusal, match="FEED_POSITION_INVALID"):
        await sync.from_agency[PREFECTURE].AcknowledgePosition(request)


async def test_metric_tells_since_when_a_subscriber_is_behind(sync: RunningAgencySync, tmp_path: Path) -> None:
    await fill(sync, 3)
    await sync.execute("UPDATE feed_entries SET committed_at = now() - number * interval '1 hour'")
    own_files = tmp_path / "metrics"
    own_files.mkdir()
    async with Metrics.open("agency-sync", metrics_settings(own_files)) as metrics:
        behind = FeedMetrics(metrics)

        async def read(subscriber: str) -> float | None:
            async with sync.database.read() as connection:
                await behind.look(connection)
            labels = {"agency": PREFECTURE, "category": WORKS, "subscriber": subscriber}
            return metrics.registry.get_sample_value("toroku_feed_subscriber_behind_seconds", labels)

        for number, hours in ((0, 1), (1, 2), (3, None)):
            await sync.from_agency[PREFECTURE].AcknowledgePosition(
                feed_pb2.AcknowledgePositionRequest(
                    agency=PREFECTURE,
                    category=WORKS,
                    subscriber="reader",
                    position=feed_pb2.FeedPosition(epoch=1, number=number),
                )
            )
            seconds = await read("reader")
            assert (seconds and round(seconds / 3600)) == hours
