"""Questions to an officer at a terminal that are answered with yes or no, in the officer's own way of typing."""

import sys
import unicodedata

import typer

from operator_command.speech import Phrase, Speech

_YES = frozenset({"y", "yes", "はい"})
_NO = frozenset({"n", "no", "いいえ"})
_CHOICES = Phrase("（y：はい　n：いいえ）：", " (y: yes, n: no): ")
_ASK_AGAIN = Phrase("yまたはnで答えてください。", "Answer y or n.")


def has_terminal() -> bool:
    """Returns whether somebody can be asked."""
    return sys.stdin.isatty()


def ask(speech: Speech, question: Phrase) -> bool:
    """Asks until the answer is yes or no, in any width, and returns it. Ends the command where the input ends.

    What was typed before the question stood on the screen answers nothing.
    """
    _discard_typed_input()
    while True:
        # Not by `input`, which writes elsewhere where only one of the two streams is a terminal.
        print(f"{speech.say(question)}{speech.say(_CHOICES)}", end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            raise typer.Abort
        answer = unicodedata.normalize("NFKC", line).strip().casefold()
        if answer in _YES | _NO:
            return answer in _YES
        print(speech.say(_ASK_AGAIN))


def _discard_typed_input() -> None:
    if sys.platform == "win32":
        import msvcrt

        while msvcrt.kbhit():
            msvcrt.getwch()
    else:
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)
