"""Admission of calls at a public listener, before they count as calls that are answered."""

from collections.abc import AsyncIterator
from typing import TypeVar

from servicekit.awaited_requests import AwaitedRequests
from servicekit.sources import Sources

Request = TypeVar("Request")


class Strangers:
    """What strangers have to keep to: how often a source calls, where sources are seen, and when its request comes."""

    def __init__(self, awaited: AwaitedRequests, sources: Sources | None) -> None:
        self._awaited = awaited
        self._sources = sources

    async def receive(self, requests: AsyncIterator[Request], peer: str) -> Request:
        """Returns the request of a call; raises TOO_MANY_CALLS and REQUEST_NOT_RECEIVED."""
        if self._sources is not None:
            self._sources.check(peer)
        return await self._awaited.receive(requests)
