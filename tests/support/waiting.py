"""Waiting for a condition of something that runs beside the test."""

import asyncio
from collections.abc import Awaitable, Callable


async def wait_until(
    condition: Callable[[], Awaitable[bool]], running: "asyncio.Task[None] | None" = None, *, seconds: float = 30
) -> None:
    """Returns when the condition holds; raises TimeoutError after `seconds`, or the error that ended `running`."""
    async with asyncio.timeout(seconds):
        while not await condition():
            if running is not None and running.done():
                running.result()
            await asyncio.sleep(0.02)
