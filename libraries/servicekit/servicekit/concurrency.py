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
    """The answers of all calls, made at once. Raises what the first of them in the order given raises.

    The order decides, not who fails sooner, so that the same request is refused for the same reason every time.
    """
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return tuple([await task for task in tasks])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
