"""A scripted user of the card agent: answers by path, PINs in order, and a record of all that was shown."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from card_agent.console import words
from card_agent.console.person import Answer, Option, Question, Row
from card_agent.console.place import Place
from card_agent.console.words import Words, say
from card_agent.media.token import Pin
from refusals import Refusal
from refusals.language import Language


@dataclass(slots=True)
class ScriptedPerson:
    """`answers` maps a question's path to what is typed, or to a list of successive inputs whose last one repeats.

    `tries_again` decides about a refusal; it may change something first, as a person would insert the card.
    """

    answers: Mapping[str, str | list[str]]
    pins: list[str] = field(default_factory=lambda: ["123456"], repr=False)
    confirmations: list[Answer] = field(default_factory=list)
    tries_again: Callable[[Refusal], bool] = lambda refusal: False
    before_confirming: Callable[[], None] = lambda: None
    before_acknowledging: Callable[[str], None] = lambda message: None
    pin_questions: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    shown: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    chosen_from: dict[str, list[str]] = field(default_factory=dict)
    confirmed: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    is_present: bool = True
    previous: dict[str, str] = field(default_factory=dict)
    offered: list[str] = field(default_factory=list)
    takes_over: bool = False
    pins_asked: int = 0
    times_busy: int = 0
    is_busy: bool = False
    place: Place = field(default_factory=Place)
    language: Language = "ja"

    def enter(self, place: Place) -> None:
        """Remembers the place."""
        self.place = place

    def show_message(self, message: Words) -> None:
        """Remembers the Japanese."""
        self.told.append(message.ja)

    def show(self, title: Words, rows: Sequence[Row], lines: Sequence[Words | str] = ()) -> None:
        """Records the latest rows by Japanese title, and all lines."""
        self.titles.append(title.ja)
        self.shown[title.ja] = [(label.ja, say(value, self.language)) for label, value in rows]
        self.lines += [say(line, self.language) for line in lines]

    def introduce(self, title: Words, *notes: Words) -> None:
        """Records the title, and remembers the Japanese of the notes."""
        self.show(title, [])
        for note in notes:
            self.show_message(note)

    def choose(self, path: str, question: Words, options: Sequence[Option], *, usual: str = "") -> str:
        """Returns the only option's code, or the scripted one, or the usual one where the script has none."""
        self.chosen_from[path] = [option.code for option in options]
        if usual and path not in self.answers:
            return usual
        return options[0].code if len(options) == 1 else self._answer(path)

    def ask(self, question: Question) -> str:
        """Returns the scripted input."""
        self.asked.append(question.path)
        if question.previous:
            self.previous[question.path] = question.previous
            if question.path not in self.answers:
                # As the Enter key.
                return question.previous
        return self._answer(question.path)

    def acknowledge(self, message: Words) -> None:
        """Remembers the message, and does what the script does then."""
        self.told.append(message.ja)
        self.before_acknowledging(message.ja)

    def ask_pin(self, question: Words, *, of_new_card: bool = False) -> Pin:
        """Returns the next scripted PIN; the last one repeats."""
        assert not self.is_busy
        self.pins_asked += 1
        self.pin_questions.append(question.ja)
        return Pin(self.pins.pop(0) if len(self.pins) > 1 else self.pins[0])

    def confirm(
        self, question: Words, *, may_go_back: bool, yes: Words = words.YES, back: Words = words.BACK
    ) -> Answer:
        """Returns the next scripted answer, yes by default."""
        self.before_confirming()
        self.confirmed.append(question.ja)
        return self.confirmations.pop(0) if self.confirmations else Answer.YES

    def take_over(self, question: Words, section: str) -> bool:
        """Returns the script's answer, no by default."""
        self.offered.append(section)
        return self.takes_over

    def confirm_unexpected(self, question: Words, refusal: Refusal) -> Answer:
        """Returns the next scripted answer; raises `refusal` if nobody is there."""
        if not self.is_present:
            raise refusal
        return self.confirm(question, may_go_back=False)

    def show_refusal(self, refusal: Refusal) -> None:
        """Remembers the refusal."""
        self.refused.append(refusal)

    def offer_retry(self, refusal: Refusal) -> bool:
        """Remembers the refusal and asks the script."""
        self.refused.append(refusal)
        return self.tries_again(refusal)

    @contextlib.contextmanager
    def show_busy(self, message: Words) -> Iterator[None]:
        """Counts, and takes no PIN meanwhile."""
        self.times_busy += 1
        self.is_busy = True
        try:
            yield
        finally:
            self.is_busy = False

    @contextlib.contextmanager
    def show_waiting(self) -> Iterator[None]:
        """Takes no PIN meanwhile."""
        self.is_busy = True
        try:
            yield
        finally:
            self.is_busy = False

    def value(self, title: str, label: str) -> str:
        """Returns the latest value shown under a title and label."""
        return dict(self.shown[title])[label]

    def _answer(self, path: str) -> str:
        answer = self.answers[path]
        if isinstance(answer, str):
            return answer
        return answer.pop(0) if len(answer) > 1 else answer[0]
