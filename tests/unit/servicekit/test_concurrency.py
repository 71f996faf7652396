"""Calls to several peers at the same time."""

import asyncio

import pytest

from refusals import Refusal
from servicekit.concurrency import gather_in_order


async def test_calls_run_concurrently() -> None:
    both_there = asyncio.Barrier(2)

    async def call(answer: str) -> str:
        async with asyncio.timeout(5):
            await both_there.wait()
        return answer

    assert await gather_in_order(call("a"), call("b")) == ("a", "b")


async def test_exception_of_the_first_call_in_order_is_raised() -> None:
    second_failed = asyncio.Event()

    async def first() -> None:
        await second_failed.wait()
        raise Refusal("FIRST")

    async def second() -> None:
        second_failed.set()
        raise Refusal("SECOND")

    with pytest.raises(Refusal, match="FIRST"):
        await gather_in_order(first(), second())


async def test_remaining_calls_are_cancelled_after_a_failure() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def fails() -> None:
        await started.wait()
        raise Refusal("GONE")

    async def goes_on() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(Refusal, match="GONE"):
        await gather_in_order(fails(), goes_on())
    assert cancelled.is_set()
