"""The person using the card, as the operations see it: they show texts to it and ask it questions.

`terminal.ConsolePerson` implements it at a terminal; tests have another implementation.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from card_agent.console import words
from card_agent.console.place import Place
from card_agent.console.words import Words
from card_agent.media.token import Pin
from refusals import Refusal


class Answer(Enum):
    """The answer to a confirmation: agree, cancel, or go back and correct."""

    YES = "yes"
    NO = "no"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Option:
    """One of several options, chosen by its number, code or name. The value is shown beside the name."""

    code: str
    name: Words
    value: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A value to be typed. `path` names it in a form file; an empty line repeats the `previous` value."""

    path: str
    label: Words
    hint: Words
    required: bool = True
    secret: bool = False
    previous: str = ""


# A label and a value. A value in words is shown in the person's language.
Row = tuple[Words, Words | str]


class Person(Protocol):
    """Every question raises ANSWER_MISSING if it cannot be answered."""

    def enter(self, place: Place) -> None:
        """Takes what is known of the place now: refusals are explained in its words from then on."""

    def show_message(self, message: Words) -> None:
        """Shows a sentence."""

    def show(self, title: Words, rows: Sequence[Row], lines: Sequence[Words | str] = ()) -> None:
        """Shows values with their labels, and lines unchanged; those in words in the person's language."""

    def introduce(self, title: Words, *notes: Words) -> None:
        """Shows what the next questions are about, to a person who is there to be asked."""

    def choose(self, path: str, question: Words, options: Sequence[Option], *, usual: str = "") -> str:
        """Returns the code of the chosen option; `usual` is the code that stands unless another is chosen."""

    def acknowledge(self, message: Words) -> None:
        """Shows what has to be done, and returns when a person who is there says that it is done."""

    def ask(self, question: Question) -> str:
        """Returns the typed value, without surrounding white space."""

    def ask_pin(self, question: Words, *, of_new_card: bool = False) -> Pin:
        """Returns the PIN, which is not displayed while it is typed; of two cards that of the new one."""

    def confirm(
        self, question: Words, *, may_go_back: bool, yes: Words = words.YES, back: Words = words.BACK
    ) -> Answer:
        """Asks for agreement, whose answers are called `yes` and `back`; BACK only with `may_go_back`."""

    def take_over(self, question: Words, section: str) -> bool:
        """Asks whether values typed before are those of a section too; no if its answers are prepared."""

    def confirm_unexpected(self, question: Words, refusal: Refusal) -> Answer:
        """Asks for agreement to what nobody can have agreed to before; raises `refusal` if no person is there."""

    def show_refusal(self, refusal: Refusal) -> None:
        """Shows a refusal after which something can be done yet."""

    def offer_retry(self, refusal: Refusal) -> bool:
        """Shows a refusal, and returns whether the person wants to try again; `retries` says when that can help."""

    def show_busy(self, message: Words) -> AbstractContextManager[None]:
        """Shows that work is in progress, and takes no input, until the end of the block (CRD-02)."""

    def show_waiting(self) -> AbstractContextManager[None]:
        """Shows that a server is asked, and takes no input, until the end of the block."""
