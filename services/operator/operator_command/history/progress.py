"""How far a verification has come, on the error stream: one line that is written over, or a line now and then."""

import sys

from operator_command.speech import Phrase, Speech

# Entries between two lines where there is no terminal.
_INTERVAL = 100_000


class VerificationProgress:
    """The progress of one registry's verification."""

    def __init__(self, name: str, speech: Speech) -> None:
        self._name = name
        self._speech = speech
        self._is_terminal = sys.stderr.isatty()
        self._told = 0
        self._tell(0)

    def show(self, entries: int) -> None:
        """Shows how many entries were verified."""
        if self._is_terminal or entries - self._told >= _INTERVAL:
            self._told = entries
            self._tell(entries)

    def clear(self) -> None:
        """Takes the line away, so that another one can be printed."""
        if self._is_terminal:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def _tell(self, entries: int) -> None:
        said = Phrase(f"{self._name}：{entries:,}件を確認しました", f"{self._name}: {entries:,} entries verified")
        self.clear()
        sys.stderr.write(self._speech.say(said) + ("" if self._is_terminal else "\n"))
        sys.stderr.flush()
