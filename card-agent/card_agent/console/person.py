"""The person in front of the card, as the operations see it: who is told, shown and asked.

`terminal.ConsolePerson` is the one at the terminal; tests and the demo give another one.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from card_agent.console.words import Words
from card_agent.media.token import Pin
from refusals import Refusal


class Answer(Enum):
    """To a question that can be agreed to, left, or gone back from."""

    YES = "yes"
    NO = "no"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Option:
    """One of several to choose from, by its code."""

    code: str
    name: Words


@dataclass(frozen=True, slots=True)
class Question:
    """A value to be typed. `path` names it in a form file; `typed` is what was typed the time before."""

    path: str
    label: Words
    hint: Words
    required: bool = True
    secret: bool = False
    typed: str = ""


Row = tuple[Words, str]


class Person(Protocol):
    """Raises ANSWER_MISSING from any question that nobody is there to answer."""

    def tell(self, words: Words) -> None:
        """Says a sentence."""

    def show(self, title: Words, rows: Sequence[Row], lines: Sequence[str] = ()) -> None:
        """Shows values with their labels, and lines exactly as they are."""

    def choose(self, path: str, question: Words, options: Sequence[Option]) -> str:
        """The code of the option that was chosen, one of those given."""

    def ask(self, question: Question) -> str:
        """What was typed, without white space around it."""

    def ask_pin(self, question: Words) -> Pin:
        """The PIN, typed unseen."""

    def confirm(self, question: Words, *, may_go_back: bool) -> Answer:
        """Whether the person agrees; BACK only where that was offered."""

    def again(self, refusal: Refusal) -> bool:
        """Tells what was refused and whether the person wants to try again."""

    def busy(self, words: Words) -> AbstractContextManager[None]:
        """Shows that something goes on, and takes no input, until the end of the block (CRD-02)."""
