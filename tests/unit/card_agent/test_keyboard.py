"""What is typed ahead is discarded: on a pseudo-terminal, and on Windows with keys as its module msvcrt gives them."""

import os
import pty
import select
import termios
from collections import deque
from collections.abc import Iterator

import pytest

from card_agent.console.keyboard import Keyboard, WindowsKeyboard, open_keyboard


class Terminal:
    """A pseudo-terminal: what is typed at it, and what its program reads."""

    def __init__(self) -> None:
        self.typing, self.reading = pty.openpty()
        self.keyboard: Keyboard = open_keyboard(self.reading)

    def type(self, text: str) -> None:
        os.write(self.typing, text.encode())

    def has_input(self) -> bool:
        return bool(select.select([self.reading], [], [], 0)[0])

    def wait_for_input(self) -> None:
        assert select.select([self.reading], [], [], 10)[0]

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.reading)[3] & termios.ECHO)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    os.close(terminal.typing)
    os.close(terminal.reading)


def test_typed_lines_are_discarded(terminal: Terminal) -> None:
    terminal.type("y\ny\n")
    terminal.wait_for_input()
    terminal.keyboard.discard()
    assert not terminal.has_input()


def test_nothing_typed_during_a_hold_is_shown_or_kept(terminal: Terminal) -> None:
    with terminal.keyboard.hold():
        assert not terminal.echoes()
        terminal.type("y\n")
        terminal.wait_for_input()
    assert not terminal.has_input()
    assert terminal.echoes()


class WindowsKeys:
    """Keys that wait at a Windows console, by the functions of msvcrt."""

    def __init__(self, keys: str) -> None:
        self.waiting = deque(keys)

    def kbhit(self) -> bool:
        return bool(self.waiting)

    def getwch(self) -> str:
        return self.waiting.popleft()


def test_echo_is_on_again_after_an_interrupted_hold(terminal: Terminal) -> None:
    hold = terminal.keyboard.hold()
    hold.__enter__()
    interrupt = KeyboardInterrupt()
    assert not hold.__exit__(KeyboardInterrupt, interrupt, None)
    assert terminal.echoes()


def test_keys_waiting_at_a_windows_console_are_discarded() -> None:
    keys = WindowsKeys("")
    keyboard = WindowsKeyboard(keys)
    with keyboard.hold():
        keys.waiting.extend("ｙ\r")
    assert not keys.kbhit()


def test_ctrl_c_among_the_keys_of_a_windows_console_is_obeyed() -> None:
    with pytest.raises(KeyboardInterrupt):
        WindowsKeyboard(WindowsKeys("y\x03")).discard()
