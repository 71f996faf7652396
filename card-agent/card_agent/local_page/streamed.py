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

    def complete(self, piece: str) -> None:
        """Adds the last piece."""
        self._is_complete = True
        self.add(piece)

    async def read(self) -> AsyncIterator[tuple[str, bool]]:
        """Yields all pieces from the first one on, as they come, each with whether it is the last one."""
        position, is_last = 0, False
        while not is_last:
            news = self._news
            if position == len(self._pieces):
                await news.wait()
                continue
            position += 1
            is_last = self._is_complete and position == len(self._pieces)
            yield self._pieces[position - 1], is_last

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
