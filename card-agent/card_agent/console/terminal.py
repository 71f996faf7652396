"""An interactive person at a terminal, and a non-interactive one whose answers come from files."""

import contextlib
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from getpass import getpass

from rich.console import Console
from rich.text import Text

from card_agent.console import words
from card_agent.console.field_names import name_field
from card_agent.console.person import Answer, Option, Question, Row
from card_agent.console.place import Place, list_names
from card_agent.console.words import Words
from card_agent.media.token import Pin
from refusals import Code, Refusal
from refusals.catalogue import Explanation, explain, explain_refusal

_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@dataclass(slots=True)
class ConsolePerson:
    """Shows texts and asks questions at the terminal. Prepared `answers`, by path, are each used once, before asking.

    `pin_source` returns the PIN if it is not to be typed. `assume_yes` answers every confirmation of
    what was to be expected. A person that is
    not `interactive` answers no question: one without a prepared answer is refused, and nothing is retried.
    """

    console: Console
    interactive: bool
    answers: dict[str, str] = field(default_factory=dict, repr=False)
    pin_source: Callable[[], Pin] | None = field(default=None, repr=False)
    assume_yes: bool = False
    place: Place = field(default_factory=Place)

    def enter(self, place: Place) -> None:
        """Takes the words of the place for refusals."""
        self.place = place

    def show_message(self, message: Words) -> None:
        """Prints a sentence, each language on a separate line."""
        for text in dict.fromkeys((message.ja, message.en)):
            if text:
                self._print(text)

    def show(self, title: Words, rows: Sequence[Row], lines: Sequence[Words | str] = ()) -> None:
        """Prints labels and values one below the other, and lines unchanged."""
        # A title alone only introduces questions.
        if not self.interactive and not rows and not lines:
            return
        self._print("")
        self._print(f"■ {title}", "bold")
        for label, value in rows:
            self._print(f"  {label}: {value}")
        for line in lines:
            self._print(f"  | {line}")

    def choose(self, path: str, question: Words, options: Sequence[Option]) -> str:
        """Takes the only option without asking (ENT-01); otherwise asks for the number or the code."""
        codes = [option.code for option in options]
        answer = self.answers.pop(path, codes[0] if len(codes) == 1 else None)
        while answer not in codes:
            if answer is not None and not self.interactive:
                raise Refusal("CHOICE_UNKNOWN", Code.INVALID_ARGUMENT, {"answer": answer, "choices": ", ".join(codes)})
            self.show(
                question,
                [
                    (Words(str(number), ""), f"{option.name}  [{option.code}]")
                    for number, option in enumerate(options, 1)
                ],
            )
            text = self._type(question, path)
            answer = codes[int(text) - 1] if text.isdecimal() and 0 < int(text) <= len(codes) else text
        self._print(f"{question}: {next(option.name for option in options if option.code == answer)}")
        return answer

    def ask(self, question: Question) -> str:
        """Asks with a hint; an empty line repeats the previous value. A secret is not displayed while it is typed."""
        answer = self.answers.pop(question.path, None)
        if answer is None and not self.interactive and not question.required:
            return ""
        while answer is None:
            self._print(f"  {question.hint}", "dim")
            text = self._type(question.label, question.path, secret=question.secret, default=question.previous)
            answer = text if text or not question.required else None
        return answer.strip()

    def ask_pin(self, question: Words) -> Pin:
        """Returns the PIN from its source if there is one; otherwise asks without displaying it."""
        if self.pin_source is not None:
            return self.pin_source()
        return Pin(self._type(question, "--pin-file", secret=True))

    def confirm(self, question: Words, *, may_go_back: bool) -> Answer:
        """Asks for yes or no; there is no default."""
        if self.assume_yes:
            self._print(f"{question}: {words.AUTOMATIC_YES}")
            return Answer.YES
        return self._choose_answer(question, may_go_back=may_go_back)

    def confirm_unexpected(self, question: Words, refusal: Refusal) -> Answer:
        """Asks for yes or no, even with `assume_yes`, which was given before anything was known."""
        if not self.interactive:
            raise refusal
        return self._choose_answer(question, may_go_back=False)

    def offer_retry(self, refusal: Refusal) -> bool:
        """Shows the refusal and asks, except about a PIN from a source, which would be the same wrong one again."""
        if not self.interactive or (self.pin_source is not None and "PIN" in refusal.reason):
            return False
        self.show_refusal(refusal)
        return self._type(Words(f"{words.AGAIN.ja}（y/n）", words.AGAIN.en), "--yes").casefold().startswith("y")

    @contextlib.contextmanager
    def show_busy(self, message: Words) -> Iterator[None]:
        """Shows a line, with a spinner at a terminal, until the end of the block."""
        if not self.console.is_terminal:
            self._print(str(message))
            yield
            return
        with self.console.status(Text(str(message))):
            yield

    def show_refusal(self, refusal: Refusal) -> None:
        """Prints the catalogue's explanation of a refusal, its fields, and its reason for the help desk."""
        self._print("")
        names = list_names(self.place)
        self._explain(explain_refusal(refusal, names), "")
        for violation in refusal.violations:
            # A violation of the whole request only repeats the refusal.
            if violation.reason != refusal.reason:
                field = name_field(violation.field, self.place)
                self._explain(explain(violation.reason, violation.metadata, names), f"  {field}: ")
        self._print(f"[{refusal.reason}]", "dim")

    def _choose_answer(self, question: Words, *, may_go_back: bool) -> Answer:
        choices = {"y": Answer.YES, "n": Answer.NO} | ({"b": Answer.BACK} if may_go_back else {})
        hints = [f"y={words.YES}", f"n={words.NO}", *([f"b={words.BACK}"] if may_go_back else [])]
        while True:
            text = self._type(Words(f"{question.ja}（{', '.join(hints)}）", question.en), "--yes").casefold()
            if text[:1] in choices:
                return choices[text[:1]]

    def _explain(self, explanation: Explanation, prefix: str) -> None:
        for text in (explanation.ja, explanation.en):
            self._print(f"{prefix}{text.what}", "bold red")
            if text.next:
                self._print(f"{' ' * len(prefix)}{text.next}")

    def _type(self, label: Words, path: str, *, secret: bool = False, default: str = "") -> str:
        if not self.interactive:
            raise Refusal("ANSWER_MISSING", Code.INVALID_ARGUMENT, {"path": path, "label": str(label)})
        prompt = replace_invisible(f"{label}{f' [{default}]' if default else ''}: ")
        try:
            text = getpass(prompt) if secret else self.console.input(Text(prompt))
        except EOFError as error:
            raise Refusal("ANSWER_MISSING", Code.INVALID_ARGUMENT, {"path": path, "label": str(label)}) from error
        return (text if secret else text.strip()) or default

    def _print(self, text: str, style: str = "") -> None:
        self.console.print(Text(replace_invisible(text), style), soft_wrap=True)


def make_console(*, errors: bool = False) -> Console:
    """Returns a console that shows ? for a character that the terminal's encoding lacks (CP932 lacks some)."""
    stream = sys.stderr if errors else sys.stdout
    with contextlib.suppress(AttributeError):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # suppressed if it has no such method
    return Console(stderr=errors, highlight=False, markup=False, emoji=False)


def replace_invisible(text: str) -> str:
    """Returns the text with U+FFFD for every character that controls a terminal or changes the order of its lines."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in _INVISIBLE_CATEGORIES else character
        for character in text
    )


def read_first_line(content: str) -> Pin:
    """Returns the PIN or password in the first line of a file's content."""
    return Pin(content.partition("\n")[0].rstrip("\r"))


def read_descriptor(number: int) -> str:
    """Returns the text from a file descriptor that the calling process opened. Raises SECRET_UNREADABLE."""
    try:
        with os.fdopen(number, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, ValueError) as error:
        raise Refusal("SECRET_UNREADABLE", Code.INVALID_ARGUMENT, {"source": f"fd {number}"}) from error


def flatten_form(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields a form file's values by path. Raises FORM_FILE_INVALID for a value that is neither text nor section."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flatten_form(value, f"{path}.")
        elif isinstance(value, str):
            yield path, value
        else:
            raise Refusal("FORM_FILE_INVALID", Code.INVALID_ARGUMENT, {"path": path})
