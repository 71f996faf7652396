"""Writes letters side by side: each file waits for the disk, and a disk syncs several in the time of one."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from toroku.qualification.v1.bidder_pb2 import PasswordLetter

# Letters that are being written; the next one is taken when the first of them is on the disk.
_AT_ONCE = 8


class LetterWriting:
    """Letters on their way to files, and how many arrived. Use it as a context manager: at its end none is under way.

    A letter that cannot be written is lost together with its password; the others are still written.
    """

    def __init__(self, write: Callable[[PasswordLetter], None]) -> None:
        """`write` is called in threads; its OSError means that the letter is lost."""
        self.written = 0
        # The bidders whose letters are lost, and why the last of them is.
        self.lost: list[str] = []
        self.cause = ""
        self._write = write
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="letters")
        self._under_way: deque[tuple[str, Future[None]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            while self._under_way:
                self._await_first()
        finally:
            self._threads.shutdown()

    def add(self, letter: PasswordLetter) -> None:
        """Begins to write a letter; waits until there is room for it."""
        if len(self._under_way) == _AT_ONCE:
            self._await_first()
        self._under_way.append((letter.company.bidder_id, self._threads.submit(self._write, letter)))

    def _await_first(self) -> None:
        bidder_id, writing = self._under_way.popleft()
        try:
            writing.result()
            self.written += 1
        except OSError as error:
            self.lost.append(bidder_id)
            self.cause = error.strerror or type(error).__name__
