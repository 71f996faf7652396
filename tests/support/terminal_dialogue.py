"""A dialogue with a command at a pseudo-terminal, as a person has it: reads, types, presses Ctrl-C.

with terminal_dialogue("show", "--pkcs12", "card.p12", "--language", "ja") as dialogue:
dialogue.wait_for("証明書ファイルのパスワード")
dialogue.type("secret")
assert dialogue.wait_for_end() == 0
dialogue.transcript
"""

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_SECONDS = 30.0
_ROWS, _COLUMNS = 50, 120
# The terminal becomes the one that controls the program, so that Ctrl-C reaches it.
_START = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", *sys.argv[1:]])
"""
_CONTROL = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")
# How the line ends at which the program waits for an answer.
_PROMPT_END = re.compile(r"[:\N{FULLWIDTH COLON})\N{FULLWIDTH RIGHT PARENTHESIS}] ?$")


@dataclass(slots=True)
class TerminalDialogue:
    """The program at the terminal, and what has appeared there."""

    process: "subprocess.Popen[bytes]"
    _terminal: int
    _decoder: codecs.IncrementalDecoder = field(default_factory=codecs.getincrementaldecoder("utf-8"))
    _output: str = ""
    # How far `wait_for` has come in the output without its control sequences.
    _found_to: int = 0
    # How long that output was when the last line was typed, which answered the question at its end.
    _typed_at: int = 0

    @property
    def transcript(self) -> str:
        """What a person reads in the end, from the first line on: spinners are gone as on the screen."""
        return _show_on_screen(self._output)

    def wait_for(self, text: str) -> None:
        """Reads until the text appears behind what was waited for before; raises AssertionError if it does not."""
        deadline = time.monotonic() + _SECONDS
        while (position := _CONTROL.sub("", self._output).find(text, self._found_to)) < 0:
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{text!r} did not appear; on the screen is:\n{self.transcript}")
        self._found_to = position + len(text)

    def wait_for_prompt(self, question: str) -> None:
        """Reads until the program asks this and waits for the answer; raises AssertionError if it does not."""
        prompt = re.compile(rf"(?:^|[\r\n]){re.escape(question)}[^\r\n]*: ?$")
        deadline = time.monotonic() + _SECONDS
        while len(plain := _CONTROL.sub("", self._output)) <= self._typed_at or not prompt.search(plain):
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{question!r} was not asked; on the screen is:\n{plain}")
        self._found_to = len(plain)

    def type(self, text: str) -> None:
        """Types a line, and Enter."""
        self._typed_at = len(_CONTROL.sub("", self._output))
        os.write(self._terminal, f"{text}\n".encode())

    def answer(self, question: str, text: str) -> None:
        """Waits for a question and for its prompt, and types the answer.

        The words of a question may stand above its prompt as well, and what is typed before the prompt answers nothing.
        """
        self.wait_for(question)
        deadline = time.monotonic() + _SECONDS
        while not _PROMPT_END.search(plain := _CONTROL.sub("", self._output)):
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"no prompt followed {question!r}; on the screen is:\n{self.transcript}")
        self._found_to = len(plain)
        self.type(text)

    def press_ctrl_c(self) -> None:
        """Presses Ctrl-C, which the terminal turns into SIGINT, as soon as the program waits for something.

        A signal that comes just before Python reads a line is noticed only after the next key. No person is as fast.
        """
        while self._state() not in ("S", "Z"):
            self._read(0.01)
        os.write(self._terminal, b"\x03")

    def wait_for_end(self) -> int:
        """Reads until the program ends, and returns its exit status."""
        deadline = time.monotonic() + _SECONDS
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def _state(self) -> str:
        """Returns the state of the program's main thread (proc(5)): S is sleeping, Z has ended."""
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def _read(self, seconds: float) -> bool:
        """Reads what there is; returns False after the end of the output, or after so many seconds without any."""
        if not select.select([self._terminal], [], [], max(0.0, seconds))[0]:
            return False
        # Linux reports an error when the terminal's other side is closed.
        with contextlib.suppress(OSError):
            if part := os.read(self._terminal, 65536):
                self._output += self._decoder.decode(part)
                return True
        return False


@contextlib.contextmanager
def terminal_dialogue(
    *arguments: str, module: str = "card_agent", folder: Path | None = None, environment: Mapping[str, str] = {}
) -> Iterator[TerminalDialogue]:
    """Starts a command, by default `card-agent`, at a terminal of its own, and ends it if it is still running.

    It runs in `folder`, by default in this process's.
    """
    terminal, program_side = pty.openpty()
    fcntl.ioctl(program_side, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _START, module, *arguments],
            stdin=program_side,
            stdout=program_side,
            stderr=program_side,
            start_new_session=True,
            cwd=folder,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONUTF8": "1", **environment},
        )
    finally:
        os.close(program_side)
    try:
        yield TerminalDialogue(process, terminal)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def _show_on_screen(output: str) -> str:
    """Returns the lines of an endless screen, on which the program moves only within a line or up by lines."""
    lines: list[str] = [""]
    row = column = 0
    position = 0
    while position < len(output):
        control = _CONTROL.match(output, position)
        if control:
            position = control.end()
            if control[2] == "A":
                row = max(0, row - int(control[1] or 1))
            elif control[2] == "K":
                lines[row] = ""
            continue
        character = output[position]
        position += 1
        if character == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif character == "\r":
            column = 0
        elif character == "\b":
            column = max(0, column - 1)
        else:
            lines[row] = lines[row][:column].ljust(column) + character + lines[row][column + 1 :]
            column += 1
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"
