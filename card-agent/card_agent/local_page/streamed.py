"""An answer that is sent piece by piece while it is made, to everybody who posts the same form."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class PostedAnswer:
    """The pieces of an answer, in their order."""

    _pieces: list[str] = field(default_factory=list, repr=False)
    _is_complete: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def add(self, piece: str) -> None:
        """Adds a piece, which is sent at once."""
        self._pieces.append(piece)
        self._tell()

    def complete(self) -> None:
        """Says that no piece follows."""
        self._is_complete = True
        self._tell()

    async def read(self) -> AsyncIterator[str]:
        """Yields all pieces from the first one on, as they come."""
        position = 0
        while True:
            news = self._news
            while position < len(self._pieces):
                position += 1
                yield self._pieces[position - 1]
            if self._is_complete:
                return
            await news.wait()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
