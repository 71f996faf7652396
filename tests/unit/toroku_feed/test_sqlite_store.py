"""The copy in a file: data and position change together, or not at all."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.feed_messages import FEED, NOON, change, name_card, write_time
from toroku.agencysync.v1.agency_sync_pb2 import HistoryHead
from toroku.agencysync.v1.feed_pb2 import Change
from toroku_feed import Feed, Position, PositionMoved, Progress, SqliteStore

DAY = timedelta(days=1)
START = Progress(Position(1, 2), NOON, DAY)
NEXT = replace(START, position=Position(1, 3), as_of=NOON + timedelta(minutes=1))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "feed.db", FEED)
    yield store
    store.close()


async def find_position(store: SqliteStore, card: int) -> int | None:
    entry, _ = await store.find(name_card(card))
    return None if entry is None else entry.position.number


async def test_what_was_stored_is_found_by_another_process(store: SqliteStore, tmp_path: Path) -> None:
    assert await store.read_progress() is None
    assert await store.find(name_card(1)) == (None, None)
    await store.replace([[change(1)], [change(2)]], START)
    await store.apply([change(3, card=1)], after=START.position, progress=NEXT)
    other = SqliteStore(tmp_path / "feed.db", FEED)
    assert await other.read_progress() == NEXT
    assert await other.find(name_card(1)) == (change(3, card=1), NEXT)
    assert await other.find(name_card(9)) == (None, NEXT)
    other.close()


async def test_a_change_after_another_position_stores_nothing(store: SqliteStore) -> None:
    for after in (Position(1, 0), Position(1, 2)):
        with pytest.raises(PositionMoved):
            await store.apply([change(3)], after=after, progress=NEXT)
        await store.replace([[change(1)]], replace(START, position=Position(1, 1)))
    assert await find_position(store, 3) is None
    assert (await store.read_progress()) == replace(START, position=Position(1, 1))


async def test_a_snapshot_replaces_everything_or_nothing(store: SqliteStore) -> None:
    await store.replace([[change(1), change(2)]], START)

    def break_off() -> Iterator[Sequence[Change]]:
        yield [change(3)]
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        await store.replace(break_off(), NEXT)
    assert [await find_position(store, card) for card in (1, 2, 3)] == [1, 2, None]
    assert await store.read_progress() == START
    await store.replace([[change(3)]], NEXT)
    assert [await find_position(store, card) for card in (1, 2, 3)] == [None, None, 3]


async def test_a_snapshot_behind_the_copy_is_not_stored(store: SqliteStore) -> None:
    await store.replace([[change(1)]], NEXT)
    with pytest.raises(PositionMoved):
        await store.replace([[change(2)]], START)
    assert [await find_position(store, card) for card in (1, 2)] == [1, None]


async def test_a_failure_to_store_a_change_leaves_the_position(store: SqliteStore) -> None:
    await store.replace([[change(1)]], START)
    with pytest.raises(AttributeError):
        await store.apply([change(3), None], after=START.position, progress=NEXT)  # type: ignore[list-item]
    assert await store.read_progress() == START
    assert await find_position(store, 3) is None


async def test_the_file_of_another_feed_is_refused(store: SqliteStore, tmp_path: Path) -> None:
    for other in (Feed("saitama", "11100", "construction"), replace(FEED, category="goods")):
        with pytest.raises(ValueError, match="11000 construction"):
            SqliteStore(tmp_path / "feed.db", other)


async def test_a_head_that_differs_from_the_kept_one_is_told(store: SqliteStore) -> None:
    def head(position: int, text: str, minutes: int = 0) -> HistoryHead:
        sealed_at = write_time(NOON + timedelta(minutes=minutes))
        return HistoryHead(service="certificate-registry", position=position, head=text, sealed_at=sealed_at)

    assert await store.note_heads([head(1, "one")]) == []
    assert await store.note_heads([head(1, "one")]) == []
    (kept,) = await store.note_heads([head(1, "another")])
    assert (kept.position, kept.head) == (1, "one")
    # The newest one of each hour is kept, also when an older one is told once more.
    assert await store.note_heads([head(2, "two", 10), head(1, "one"), head(9, "nine", 70)]) == []
    assert [kept.head for kept in await store.note_heads([head(2, "x"), head(9, "y")])] == ["two", "nine"]
