"""Streams of strangers that have begun a call and not sent its request: how many at a time, and for how long.

A stream takes memory before any request arrives. Beyond the bound the oldest one is ended, not the newest refused: a
client sends its request together with the beginning of the call, so whoever waits longest has none.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from refusals import Code, Refusal

Request = TypeVar("Request")


class AwaitedRequests:
    """The streams of one listener whose request has not arrived."""

    def __init__(self, most: int, timeout: float) -> None:
        self._most = most
        self._timeout = timeout
        self._waiting: dict[asyncio.Timeout, None] = {}

    async def receive(self, requests: AsyncIterator[Request]) -> Request:
        """Returns the first request of a stream; raises REQUEST_NOT_RECEIVED if it does not come in time, or at all."""
        if len(self._waiting) >= self._most:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.reschedule(asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(self._timeout) as limit:
                self._waiting[limit] = None
                try:
                    return await anext(requests)
                finally:
                    self._waiting.pop(limit, None)
        except (TimeoutError, StopAsyncIteration) as error:
            raise Refusal("REQUEST_NOT_RECEIVED", Code.DEADLINE_EXCEEDED) from error
