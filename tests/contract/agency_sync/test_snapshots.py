"""An agency's system starts from a signed snapshot, follows the feed, and answers while the instance is away."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agency_sync.operations import snapshot
from agency_sync.store import snapshots
from refusals import Refusal
from servicekit.database_connection import Connection
from tests.support.agency_system import INSTANCE, AgencySystem, agency_system
from tests.support.example_profile import BIDDER, CITY, GOODS, PREFECTURE, WORKS, example_profile
from tests.support.services.agency_sync import (
    RunningAgencySync,
    agency_registration,
    card_state,
    running_agency_sync,
)
from tests.support.waiting import wait_until
from toroku.agencysync.v1 import feed_pb2
from toroku_feed import SnapshotRefused, read_reason

GET = feed_pb2.GetSnapshotRequest(agency=PREFECTURE, category=WORKS, subscriber="e-bidding")
JOBS = "SELECT count(*) FROM jobs.procrastinate_jobs WHERE task_name = 'make_snapshot'"


@pytest.fixture
async def sync(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningAgencySync]:
    async with running_agency_sync(
        migrated_database("agency_sync"), tmp_path, example_profile(), heartbeat_interval=0.2
    ) as running:
        # What is compared with the database's time, which the heartbeats tell.
        running.now[0] = datetime.now(UTC)
        yield running


@pytest.fixture
async def system(sync: RunningAgencySync, tmp_path: Path) -> AsyncIterator[AgencySystem]:
    async with agency_system(sync, tmp_path / "feed.db") as system:
        yield system


async def register(
    sync: RunningAgencySync, number: int = 1, registration_id: UUID | None = None, *, suspended: bool = False
) -> bytes:
    """Delivers the state of a card; returns the hash of its certificate."""
    state = card_state(registration_id, number=number, suspended=suspended)
    # Beside the clock of the test the certificate is that of a card of today.
    state.certificate.not_after.FromDatetime(sync.now[0] + timedelta(days=700))
    await sync.record(state)
    return state.certificate_sha256


async def read_snapshot(system: AgencySystem, request: feed_pb2.GetSnapshotRequest = GET) -> list[bytes]:
    """The manifest and the pieces."""
    parts = [part async for part in system.stub.GetSnapshot(request)]
    return [parts[0].manifest.manifest, *(part.content for part in parts[1:])]


async def refuse_snapshot(system: AgencySystem, request: feed_pb2.GetSnapshotRequest = GET) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await read_snapshot(system, request)
    return read_reason(refused.value)


@pytest.mark.every_postgresql
@pytest.mark.requirement("SYN-06")
async def test_system_starts_from_a_snapshot_follows_the_feed_and_answers_without_the_instance(
    sync: RunningAgencySync, system: AgencySystem
) -> None:
    first = uuid4()
    cards = [await register(sync, registration_id=first), await register(sync)]
    assert await refuse_snapshot(system) == "FEED_SNAPSHOT_UNAVAILABLE"
    await system.catch_up()
    assert await system.number() == 2
    answers = [await system.judge(card) for card in cards]
    assert [answer.reason for answer in answers] == ["GOOD", "GOOD"]
    assert answers[0].entry is not None
    assert answers[0].entry.bidder_id == BIDDER
    await register(sync, 2, first, suspended=True)
    await system.subscriber.catch_up()
    assert (await system.judge(cards[0])).reason == "CARD_SUSPENDED"
    # From here on nobody asks the instance any more.
    assert (await system.judge(cards[1], later=timedelta(hours=23))).reason == "GOOD"
    assert (await system.judge(cards[1], later=timedelta(hours=25))).reason == "FEED_TOO_OLD"
    assert (await system.judge(b"\0" * 32)).reason == "NOT_REGISTERED"


@pytest.mark.requirement("SYN-06")
async def test_stream_brings_a_stop_to_the_copy_and_its_position_is_acknowledged(
    sync: RunningAgencySync, system: AgencySystem
) -> None:
    registration_id = uuid4()
    card = await register(sync, registration_id=registration_id)
    await system.catch_up()
    following = asyncio.create_task(system.subscriber.follow())

    async def is_stopped() -> bool:
        return (await system.judge(card)).reason == "CARD_SUSPENDED"

    async def is_acknowledged() -> bool:
        return await sync.rows("SELECT subscriber, number FROM feed_subscribers") == [("e-bidding", 2)]

    try:
        await register(sync, 2, registration_id, suspended=True)
        await wait_until(is_stopped, following, seconds=20)
        await wait_until(is_acknowledged, following, seconds=20)
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


@pytest.mark.requirement("SYN-06")
async def test_system_that_was_away_for_too_long_or_met_a_restored_instance_begins_again(
    sync: RunningAgencySync, system: AgencySystem
) -> None:
    first = uuid4()
    card = await register(sync, registration_id=first)
    await system.catch_up()
    await register(sync, 2, first, suspended=True)
    await register(sync)
    sync.now[0] += timedelta(hours=2)
    await sync.execute("DELETE FROM feed_entries WHERE number <= 2")
    await begin_again(sync, system, "FEED_POSITION_TOO_OLD")
    assert (await system.judge(card)).reason == "CARD_SUSPENDED"
    assert await system.number() == 3
    await sync.execute("UPDATE epoch SET epoch = epoch + 1")
    sync.now[0] += timedelta(hours=2)
    await begin_again(sync, system, "FEED_RESTARTED")
    progress = await system.store.read_progress()
    assert progress is not None
    assert (progress.position.epoch, progress.position.number) == (2, 3)


async def begin_again(sync: RunningAgencySync, system: AgencySystem, reason: str) -> None:
    """What an old position is refused with, and how the system goes on without anybody's help."""
    progress = await system.store.read_progress()
    assert progress is not None
    request = feed_pb2.ListChangesRequest(
        agency=PREFECTURE, category=WORKS, subscriber="e-bidding", after=progress.position.write()
    )
    with pytest.raises(Refusal) as refused:
        await sync.from_agency[PREFECTURE].ListChanges(request)
    assert refused.value.reason == reason
    # The snapshot is older than an hour, so this asks for another one.
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await system.subscriber.catch_up()
    assert read_reason(failed.value) == "FEED_SNAPSHOT_UNAVAILABLE"
    await system.catch_up()


@pytest.mark.requirement("SYN-06")
async def test_manifest_says_what_was_signed(sync: RunningAgencySync, system: AgencySystem) -> None:
    await register(sync)
    await sync.make_snapshot(PREFECTURE)
    manifest, content = await read_snapshot(system)
    fields = json.loads(manifest)
    issued_at, expires_at = (datetime.fromisoformat(fields.pop(name)) for name in ("issued_at", "expires_at"))
    assert (issued_at, expires_at - issued_at) == (sync.now[0], timedelta(hours=24))
    assert len(fields.pop("sha256")) == 64
    assert fields == {
        "instance": INSTANCE,
        "agency": PREFECTURE,
        "category": WORKS,
        "epoch": 1,
        "number": 1,
        "size": len(content),
        "rows": 1,
        "schema": "toroku.agencysync.v1.Change/1",
    }


@pytest.mark.requirement("SYN-06")
async def test_snapshot_of_another_key_or_agency_is_refused_and_changes_nothing(
    sync: RunningAgencySync, system: AgencySystem, tmp_path: Path
) -> None:
    await register(sync)
    await system.catch_up()
    other = Ed25519PrivateKey.generate().public_key()
    async with agency_system(sync, tmp_path / "other.db", key=other) as distrusting:
        with pytest.raises(SnapshotRefused, match="SIGNATURE_INVALID"):
            await distrusting.subscriber.load_snapshot()
        assert await distrusting.store.read_progress() is None
    # The signed snapshot of the city, as if it had been the answer to the prefecture.
    await sync.make_snapshot(CITY)
    await sync.execute("DELETE FROM feed_snapshots WHERE agency <> 'city'")
    await sync.execute("UPDATE feed_snapshots SET agency = 'prefecture'")
    await sync.execute("UPDATE feed_snapshot_pieces SET agency = 'prefecture'")
    with pytest.raises(SnapshotRefused, match="OTHER_FEED"):
        await system.subscriber.load_snapshot()
    assert await system.number() == 1


@pytest.mark.requirement("SYN-06")
async def test_agency_gets_no_snapshot_but_its_own(sync: RunningAgencySync, system: AgencySystem) -> None:
    elsewhere = card_state(agency=CITY)
    await sync.record(elsewhere)
    for agency in (PREFECTURE, CITY):
        await sync.make_snapshot(agency)
    assert json.loads((await read_snapshot(system))[0])["rows"] == 0
    for agency, category, subscriber, reason in (
        (CITY, WORKS, "e-bidding", "AGENCY_NOT_OWN"),
        (PREFECTURE, "boats", "e-bidding", "CATEGORY_UNKNOWN"),
        (PREFECTURE, WORKS, "e bidding", "FEED_SUBSCRIBER_INVALID"),
    ):
        request = feed_pb2.GetSnapshotRequest(agency=agency, category=category, subscriber=subscriber)
        assert await refuse_snapshot(system, request) == reason


@pytest.mark.requirement("SYN-07")
async def test_many_who_ask_cause_one_snapshot_an_hour(sync: RunningAgencySync, system: AgencySystem) -> None:
    await register(sync)
    reasons = [await refuse_snapshot(system) for _ in range(20)]
    assert set(reasons) == {"FEED_SNAPSHOT_UNAVAILABLE"}
    assert await sync.rows(JOBS) == [(1,)]
    await sync.make_snapshot(PREFECTURE)
    first = await read_snapshot(system)
    await register(sync)
    sync.now[0] += timedelta(minutes=59)
    await sync.make_snapshot(PREFECTURE)
    assert await read_snapshot(system) == first
    sync.now[0] += timedelta(minutes=1)
    assert await refuse_snapshot(system) == "FEED_SNAPSHOT_UNAVAILABLE"
    assert await sync.rows(JOBS) == [(2,)]
    await sync.make_snapshot(PREFECTURE)
    assert json.loads((await read_snapshot(system))[0])["rows"] == 2
    # The newest one alone is kept.
    assert await sync.rows("SELECT count(*), count(DISTINCT snapshot_id) FROM feed_snapshot_pieces") == [(1, 1)]


@pytest.mark.requirement("SYN-07")
async def test_system_that_opens_many_snapshots_and_reads_none_holds_nobody_up(
    sync: RunningAgencySync, system: AgencySystem, tmp_path: Path
) -> None:
    card = await register(sync)
    await sync.make_snapshot(PREFECTURE)
    # More than what is on its way to a reader who does not read.
    await sync.execute(
        """
        INSERT INTO feed_snapshot_pieces (agency, category, snapshot_id, place, content)
        SELECT agency, category, snapshot_id, place, decode(repeat('00', 262144), 'hex')
        FROM feed_snapshots, generate_series(1, 40) AS place
        """
    )
    await sync.execute("UPDATE feed_snapshots SET pieces = 41")
    calls = [system.stub.GetSnapshot(GET) for _ in range(snapshot.MOST_READ)]
    # Each has begun, and reads no further.
    for call in calls:
        assert (await anext(aiter(call))).HasField("manifest")
    assert await refuse_snapshot(system) == "FEED_STREAMS_TOO_MANY"
    async with agency_system(sync, tmp_path / "city.db", agency=CITY) as city:
        await city.catch_up(CITY)
        assert await city.number() == 0
    assert card != await register(sync)
    for call in calls:
        call.cancel()

    async def is_admitted() -> bool:
        try:
            return bool(await read_snapshot(system))
        except grpc.aio.AioRpcError:
            return False

    await wait_until(is_admitted, seconds=20)


@pytest.mark.requirement("SYN-06")
async def test_content_in_many_pieces_is_whole_and_a_newer_snapshot_ends_the_reading(
    sync: RunningAgencySync, system: AgencySystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PIECE", 1000)
    monkeypatch.setattr(snapshot, "_PAGE", 7)
    states = [card_state(more=[agency_registration(CITY)]) for _ in range(60)]
    await sync.record(*states)
    await sync.append_pending()
    await system.catch_up()
    assert await system.number() == 60
    for state in states:
        assert (await system.store.find(state.certificate_sha256))[0] is not None
    # A newer one takes its place while somebody reads it.
    read_piece, is_deleted = snapshots.read_piece, asyncio.Event()

    async def read_when_deleted(
        connection: Connection, agency: str, category: str, *, snapshot_id: UUID, place: int
    ) -> bytes | None:
        if place > 3:
            await is_deleted.wait()
        return await read_piece(connection, agency, category, snapshot_id=snapshot_id, place=place)

    monkeypatch.setattr(snapshots, "read_piece", read_when_deleted)
    call = system.stub.GetSnapshot(GET)
    parts = aiter(call)
    assert (await anext(parts)).HasField("manifest")
    await sync.execute("DELETE FROM feed_snapshot_pieces WHERE place > 3")
    is_deleted.set()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        async for _ in parts:
            pass
    assert read_reason(failed.value) == "FEED_SNAPSHOT_UNAVAILABLE"


@pytest.mark.requirement("SYN-06")
async def test_snapshot_of_a_feed_without_cards_is_empty_and_a_start(
    sync: RunningAgencySync, system: AgencySystem
) -> None:
    await system.catch_up()
    assert await system.number() == 0
    await sync.record(card_state(category=GOODS))
    card = await register(sync)
    await system.subscriber.catch_up()
    assert await system.number() == 1
    assert await system.judge(card)


async def test_snapshot_that_was_never_finished_leaves_no_pieces(
    sync: RunningAgencySync, system: AgencySystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PIECE", 100)
    await register(sync)
    monkeypatch.setattr(snapshot, "write_manifest", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await sync.make_snapshot(PREFECTURE)
    assert await refuse_snapshot(system) == "FEED_SNAPSHOT_UNAVAILABLE"
    monkeypatch.undo()
    await sync.make_snapshot(PREFECTURE)
    manifest, content = await read_snapshot(system)
    assert json.loads(manifest)["size"] == len(content)
    assert await sync.rows("SELECT count(*) FROM feed_snapshot_pieces") == [(1,)]


@pytest.mark.requirement("SYN-07", "met")
async def test_agency_whose_system_is_down_holds_no_other_up_and_finds_everything(
    sync: RunningAgencySync, system: AgencySystem, tmp_path: Path
) -> None:
    """The city's system stores nothing for a while, as if its disk were full, and then goes on from where it was."""
    await sync.record(card_state(more=[agency_registration(CITY)]))
    states = [card_state(more=[agency_registration(CITY)]) for _ in range(20)]
    async with agency_system(sync, tmp_path / "city.db", agency=CITY) as city:
        await city.catch_up(CITY)
        await system.catch_up()
        with sqlite3.connect(tmp_path / "city.db") as full:
            full.execute("CREATE TRIGGER full BEFORE INSERT ON card BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        for state in states:
            await sync.record(state)
        with pytest.raises(sqlite3.IntegrityError, match="disk full"):
            await city.subscriber.catch_up()
        await system.subscriber.catch_up()
        assert (await system.number(), await city.number()) == (21, 1)
        with sqlite3.connect(tmp_path / "city.db") as full:
            full.execute("DROP TRIGGER full")
        await city.subscriber.catch_up()
        assert await city.number() == 21
        for state in states:
            assert (await city.store.find(state.certificate_sha256))[0] is not None
