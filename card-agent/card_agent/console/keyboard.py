"""The keyboard of the terminal: what is typed ahead of a question must not answer it (CRD-02)."""

import contextlib
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol


class Keyboard(Protocol):
    """The keyboard behind a terminal's input."""

    def discard(self) -> None:
        """Discards what has been typed and not been read yet."""

    def hold(self) -> AbstractContextManager[None]:
        """Neither shows nor keeps what is typed until the end of the block. Ctrl-C goes on working."""


class KeyReader(Protocol):
    """The functions of Windows' module msvcrt that read single keys of the console."""

    def kbhit(self) -> bool:
        """Returns whether a key was pressed and not been read yet."""

    def getwch(self) -> str:
        """Returns the next key, without showing it."""


class WindowsKeyboard:
    """The keyboard of a Windows console, which shows what is typed only when it is read."""

    def __init__(self, keys: KeyReader) -> None:
        self._keys = keys

    def discard(self) -> None:
        """Reads all keys that wait; raises KeyboardInterrupt if Ctrl-C is among them."""
        while self._keys.kbhit():
            # While it reads a single key, the console passes Ctrl-C on as a character.
            if self._keys.getwch() == "\x03":
                raise KeyboardInterrupt

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Discards at the end of the block."""
        yield
        self.discard()


if sys.platform == "win32":
    import msvcrt

    def open_keyboard(_descriptor: int) -> Keyboard:
        """Returns the keyboard of the console."""
        return WindowsKeyboard(msvcrt)

else:
    import termios

    # The place of the local modes in the list of `termios.tcgetattr`.
    _LOCAL_MODES = 3

    class PosixKeyboard:
        """The keyboard of a terminal with termios."""

        def __init__(self, descriptor: int) -> None:
            self._descriptor = descriptor

        def discard(self) -> None:
            """Empties the terminal's input."""
            termios.tcflush(self._descriptor, termios.TCIFLUSH)

        @contextlib.contextmanager
        def hold(self) -> Iterator[None]:
            """Switches the echo off, and empties the input when it is switched on again."""
            modes = termios.tcgetattr(self._descriptor)
            silent = [*modes[:_LOCAL_MODES], modes[_LOCAL_MODES] & ~termios.ECHO, *modes[_LOCAL_MODES + 1 :]]
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, silent)
            try:
                yield
            finally:
                termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, modes)

    def open_keyboard(descriptor: int) -> Keyboard:
        """Returns the keyboard of the terminal that is open at this descriptor."""
        return PosixKeyboard(descriptor)
