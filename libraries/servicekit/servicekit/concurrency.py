"""Calls to several peers at the same time."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar, overload

First = TypeVar("First")
Second = TypeVar("Second")
Third = TypeVar("Third")


@overload
async def gather_in_order(first: Awaitable[First], second: Awaitable[Second], /) -> tuple[First, Second]: ...
@overload
async def gather_in_order(
    first: Awaitable[First], second: Awaitable[Second], third: Awaitable[Third], /
) -> tuple[First, Second, Third]: ...
async def gather_in_order(*calls: Awaitable[Any]) -> tuple[Any, ...]:
    """Makes all calls concurrently and returns their results; raises the exception of the first call that failed.

    "First" is by the given order, not by time, so that the same request is always refused for the same reason.
    """
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return tuple([await task for task in tasks])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
