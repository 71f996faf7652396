"""Passwords are hashed on all processors that the process may use, and a search waits for no letter."""

import asyncio
from collections.abc import Iterator
from threading import Barrier, Event

import pytest

from qualification_registry.adapters.hashing_threads import HashingThreads
from qualification_registry.adapters.password_hashing import PasswordHashing
from tests.support.processors import one_processor


@pytest.fixture
def one_thread() -> Iterator[HashingThreads]:
    threads = HashingThreads(1)
    yield threads
    threads.close()


async def test_as_many_letters_are_hashed_at_a_time_as_there_are_threads() -> None:
    threads, everyone = HashingThreads(3), Barrier(3)
    places = await asyncio.gather(*(threads.run(lambda: everyone.wait(10), is_urgent=False) for _ in range(3)))
    assert sorted(places) == [0, 1, 2]
    threads.close()


async def begin_in_order(threads: HashingThreads, *, letters: int, searches: int) -> list[str]:
    """Returns the order in which letters begin, and searches that came after all of them."""
    order: list[str] = []
    may_begin = Event()
    first = asyncio.create_task(threads.run(lambda: may_begin.wait(10), is_urgent=False))
    await asyncio.sleep(0)
    others = [
        asyncio.create_task(threads.run(lambda kind=kind: order.append(kind), is_urgent=kind == "search"))  # type: ignore[misc]  # of a lambda's default
        for kind in ["letter"] * letters + ["search"] * searches
    ]
    await asyncio.sleep(0)
    may_begin.set()
    await asyncio.gather(first, *others)
    return order


async def test_search_waits_for_what_has_begun_only(one_thread: HashingThreads) -> None:
    assert await begin_in_order(one_thread, letters=200, searches=2) == ["search"] * 2 + ["letter"] * 200


async def test_letters_get_every_tenth_turn_while_contractors_search(one_thread: HashingThreads) -> None:
    order = await begin_in_order(one_thread, letters=2, searches=30)
    assert [turn for turn, kind in enumerate(order, start=1) if kind == "letter"] == [10, 20]


async def test_cancelled_work_does_not_begin(one_thread: HashingThreads) -> None:
    may_begin, has_begun = Event(), Event()
    first = asyncio.create_task(one_thread.run(lambda: may_begin.wait(10), is_urgent=True))
    cancelled = asyncio.create_task(one_thread.run(has_begun.set, is_urgent=True))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    may_begin.set()
    await first
    assert await one_thread.run(lambda: "next", is_urgent=False) == "next"
    assert not has_begun.is_set()


async def test_exception_of_the_work_is_raised_where_it_is_awaited(one_thread: HashingThreads) -> None:
    def fail() -> None:
        raise ValueError("no hash")

    with pytest.raises(ValueError, match="no hash"):
        await one_thread.run(fail, is_urgent=False)


def test_no_more_passwords_are_hashed_at_a_time_than_the_process_has_processors() -> None:
    with one_processor():
        hashing = PasswordHashing()
    assert hashing.at_once == 1
    hashing.close()
