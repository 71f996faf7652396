"""A scripted user who remembers every text in its language: what was shown, asked, offered, explained."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from card_agent.console import words
from card_agent.console.field_names import name_field
from card_agent.console.person import Answer, Option, Question, Row
from card_agent.console.place import list_names
from card_agent.console.words import Words, say
from card_agent.media.token import Pin
from refusals import Refusal
from refusals.catalogue import explain, explain_refusal
from tests.support.scripted_person import ScriptedPerson


@dataclass
class ReadingPerson(ScriptedPerson):
    """`read` has the texts in their order; `read_before_pin` those that stood there at the first question for a PIN.

    `required` says of each path that was asked for whether it could not be left empty.
    """

    read: list[str] = field(default_factory=list)
    read_before_pin: list[str] = field(default_factory=list)
    required: dict[str, bool] = field(default_factory=dict)

    @override
    def show_message(self, message: Words) -> None:
        """Reads the sentence."""
        super().show_message(message)
        self._read(message)

    @override
    def show(self, title: Words, rows: Sequence[Row], lines: Sequence[Words | str] = ()) -> None:
        """Reads title, labels, values and lines."""
        super().show(title, rows, lines)
        self._read(title, *(text for row in rows for text in row), *lines)

    @override
    def choose(self, path: str, question: Words, options: Sequence[Option], *, usual: str = "") -> str:
        """Reads the question and all options."""
        self._read(question, *(option.name for option in options))
        return super().choose(path, question, options, usual=usual)

    @override
    def acknowledge(self, message: Words) -> None:
        """Reads the message."""
        self._read(message)
        super().acknowledge(message)

    @override
    def ask(self, question: Question) -> str:
        """Reads label and hint."""
        self._read(question.label, question.hint)
        self.required[question.path] = question.required
        return super().ask(question)

    @override
    def ask_pin(self, question: Words, *, of_new_card: bool = False) -> Pin:
        """Reads the question."""
        self.read_before_pin = self.read_before_pin or list(self.read)
        self._read(question)
        return super().ask_pin(question, of_new_card=of_new_card)

    @override
    def take_over(self, question: Words, section: str) -> bool:
        """Reads the question."""
        self._read(question)
        return super().take_over(question, section)

    @override
    def confirm(
        self, question: Words, *, may_go_back: bool, yes: Words = words.YES, back: Words = words.BACK
    ) -> Answer:
        """Reads the question."""
        self._read(question)
        return super().confirm(question, may_go_back=may_go_back, yes=yes, back=back)

    @override
    def show_refusal(self, refusal: Refusal) -> None:
        """Reads the refusal as a terminal explains it."""
        self.read_refusal(refusal)
        super().show_refusal(refusal)

    @override
    def offer_retry(self, refusal: Refusal) -> bool:
        """Reads the refusal as a terminal explains it."""
        self.read_refusal(refusal)
        return super().offer_retry(refusal)

    def read_refusal(self, refusal: Refusal) -> None:
        """Reads a refusal in the words of the place, with its fields."""
        names = list_names(self.place)
        explained = explain_refusal(refusal, names)
        self._read(Words(str(explained.ja), str(explained.en)))
        for violation in refusal.violations:
            words = explain(violation.reason, violation.metadata, names)
            self._read(name_field(violation.field, self.place), Words(str(words.ja), str(words.en)))

    def _read(self, *texts: Words | str) -> None:
        self.read += [say(text, self.language) for text in texts]
