"""The bytes of a roster file, which are read while they arrive (QUA-12)."""

from collections.abc import Iterator, Sequence
from threading import Condition
from typing import Self

# Of one piece, however the bytes arrived: small enough for a processor's cache with what is made of it.
PIECE_BYTES = 64_000


class ContentAbandoned(Exception):
    """Ends the reading of a file that will never be complete."""


class RosterContent:
    """The bytes of one file: one thread adds them, another one reads them, and waits where there are none yet."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._rest = bytearray()
        self._changed = Condition()
        self._is_complete = False
        self._is_abandoned = False

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Returns a file that is complete."""
        whole = cls()
        whole.add(content)
        whole.complete()
        return whole

    def add(self, received: bytes) -> None:
        """Adds bytes at the end."""
        with self._changed:
            self._rest += received
            while len(self._rest) >= PIECE_BYTES:
                self._pieces.append(bytes(self._rest[:PIECE_BYTES]))
                del self._rest[:PIECE_BYTES]
            self._changed.notify_all()

    def complete(self) -> None:
        """Says that all bytes were added."""
        with self._changed:
            if self._rest:
                self._pieces.append(bytes(self._rest))
                self._rest.clear()
            self._is_complete = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Ends all reading with ContentAbandoned, unless the file is complete."""
        with self._changed:
            self._is_abandoned = not self._is_complete
            self._changed.notify_all()

    def read_first(self) -> bytes:
        """Returns the first PIECE_BYTES, or all bytes where there are fewer."""
        return next(self.read_pieces(), b"")

    def read_pieces(self) -> Iterator[bytes]:
        """Yields the bytes in pieces of PIECE_BYTES, the last one perhaps shorter, as soon as they are there."""
        place = 0
        while True:
            with self._changed:
                while place == len(self._pieces) and not self._is_complete and not self._is_abandoned:
                    self._changed.wait()
                if self._is_abandoned:
                    raise ContentAbandoned
                pieces: Sequence[bytes] = self._pieces[place:]
            if not pieces:
                return
            yield from pieces
            place += len(pieces)

    def read_all(self) -> bytes:
        """Returns all bytes."""
        return b"".join(self.read_pieces())
