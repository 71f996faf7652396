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
from card_agent.console.keyboard import Keyboard
from card_agent.console.person import Answer, Option, Question, Row
from card_agent.console.place import Place, list_names
from card_agent.console.retries import RETRIES, Retry
from card_agent.console.typed_answers import find_option, read_answer
from card_agent.console.words import Words, say
from card_agent.media.token import Pin
from refusals import Code, Refusal
from refusals.catalogue import Explanation, explain, explain_refusal
from refusals.language import Language

# Typed to clear a value that an empty line would repeat.
_CLEARED = "-"
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@dataclass(slots=True)
class ConsolePerson:
    """Shows texts and asks questions at the terminal. Prepared `answers`, by path, are each used once, before asking.

    `pin_source` returns the PIN if it is not to be typed, `new_pin_source` that of the new one of two cards.
    `assume_yes` answers every confirmation of what was to be expected. A person that is not `interactive` answers no
    question: one without a prepared answer is refused, and nothing is retried.
    """

    console: Console
    interactive: bool
    language: Language
    keyboard: Keyboard | None = None
    answers: dict[str, str] = field(default_factory=dict, repr=False)
    pin_source: Callable[[], Pin] | None = field(default=None, repr=False)
    new_pin_source: Callable[[], Pin] | None = field(default=None, repr=False)
    assume_yes: bool = False
    place: Place = field(default_factory=Place)
    # Whether something may have been typed before the next question is on the screen.
    _may_be_ahead: bool = False
    _shown_refusal: Refusal | None = None
    # Whether the latest PIN was asked for as that of a new card.
    _pin_is_of_new_card: bool = False

    def enter(self, place: Place) -> None:
        """Takes the words of the place for refusals."""
        self.place = place

    def show_message(self, message: Words) -> None:
        """Prints a sentence."""
        self._print(self._say(message))

    def show(self, title: Words, rows: Sequence[Row], lines: Sequence[Words | str] = ()) -> None:
        """Prints labels and values one below the other, and lines unchanged."""
        self._print("")
        self._print(f"■ {self._say(title)}", "bold")
        for label, value in rows:
            self._print(f"  {self._say(label)}: {self._say(value)}")
        for line in lines:
            self._print(f"  | {self._say(line)}")

    def introduce(self, title: Words, *notes: Words) -> None:
        """Prints title and notes; nothing where the answers come from files."""
        if not self.interactive:
            return
        self.show(title, [])
        for note in notes:
            self.show_message(note)

    def choose(self, path: str, question: Words, options: Sequence[Option], *, usual: str = "") -> str:
        """Takes the only option without asking (ENT-01); otherwise asks for number, code or name.

        An empty line is the usual option, which stands where nobody is there too.
        """
        prepared = self.answers.pop(path, None)
        if prepared is None and usual and not self.interactive:
            prepared = usual
        if prepared is not None:
            option = find_option(prepared, options, by_number=False)
        else:
            option = options[0] if len(options) == 1 else None
        if option is None and prepared is not None and not self.interactive:
            choices = ", ".join(option.code for option in options)
            raise Refusal("CHOICE_UNKNOWN", Code.INVALID_ARGUMENT, {"answer": prepared, "choices": choices})
        typed = ""
        if option is None:
            self._list_options(question, options)
        while option is None:
            typed = self._type(self._say(question), path, default=self._name_option(usual, options))
            option = find_option(typed, options)
            if option is None:
                self.show_message(words.NO_SUCH_OPTION)
        name = self._say(option.name)
        if not typed:
            self._print(f"{self._say(question)}: {name}")
        elif typed != name:
            self._print(f"  → {name}")
        return option.code

    def ask(self, question: Question) -> str:
        """Asks with a hint; an empty line repeats the previous value. A secret is not displayed while it is typed."""
        answer = self.answers.pop(question.path, None)
        # Where nobody is there, what has no prepared answer stays as it is.
        if answer is None and not self.interactive and (question.previous or not question.required):
            return question.previous
        label, hint = self._say(question.label), self._say(question.hint)
        if answer is None and hint:
            self._print(f"  {hint}", "dim")
        if answer is None and question.previous:
            self._print(f"  {self._say(words.HOW_TO_KEEP)}", "dim")
        if answer is None and question.previous and not question.required:
            self._print(f"  {self._say(words.HOW_TO_CLEAR)}", "dim")
        while answer is None:
            text = self._type(label, question.path, secret=question.secret, default=question.previous)
            if text == _CLEARED and not question.required:
                return ""
            answer = text if text or not question.required else None
        return answer.strip()

    def acknowledge(self, message: Words) -> None:
        """Prints the message, and waits for the Enter key; not with `assume_yes`."""
        if not self.interactive or self.assume_yes:
            self.show_message(message)
            return
        # What was typed before is no answer to it.
        self._may_be_ahead = True
        self._type(self._say(message), "--yes")

    def ask_pin(self, question: Words, *, of_new_card: bool = False) -> Pin:
        """Returns the PIN from its source if there is one; otherwise asks without displaying it."""
        source = self.new_pin_source if of_new_card else self.pin_source
        self._pin_is_of_new_card = of_new_card
        if source is not None:
            return source()
        path = "--new-pin-file" if of_new_card else "--pin-file"
        return Pin(self._type(self._say(question), path, secret=True))

    def confirm(
        self, question: Words, *, may_go_back: bool, yes: Words = words.YES, back: Words = words.BACK
    ) -> Answer:
        """Asks for yes or no; there is no default."""
        if self.assume_yes:
            self._print(f"{self._say(question)}: {self._say(words.AUTOMATIC_YES)}")
            return Answer.YES
        return self._choose_answer(question, may_go_back=may_go_back, yes=yes, back=back)

    def take_over(self, question: Words, section: str) -> bool:
        """Asks for yes or no; no if nobody is there, or if the answers of the section are prepared."""
        if not self.interactive or any(path.startswith(f"{section}.") for path in self.answers):
            return False
        return self._choose_answer(question, no=words.NO_OTHER) is Answer.YES

    def confirm_unexpected(self, question: Words, refusal: Refusal) -> Answer:
        """Asks for yes or no, even with `assume_yes`, which was given before anything was known."""
        if not self.interactive:
            raise refusal
        return self._choose_answer(question)

    def offer_retry(self, refusal: Refusal) -> bool:
        """Shows the refusal and asks, except about a PIN from a source, which would be the same wrong one again."""
        source = self.new_pin_source if self._pin_is_of_new_card else self.pin_source
        has_same_pin = source is not None and ("PIN" in refusal.reason or "PASSWORD" in refusal.reason)
        if not self.interactive or has_same_pin:
            return False
        self.show_refusal(refusal)
        is_typed_wrongly = RETRIES.get(refusal.reason) is Retry.INPUT
        return self._choose_answer(words.TYPE_AGAIN if is_typed_wrongly else words.TRY_AGAIN) is Answer.YES

    @contextlib.contextmanager
    def show_busy(self, message: Words) -> Iterator[None]:
        """Shows a line, with a spinner at a terminal, until the end of the block."""
        if not self.console.is_terminal:
            self._print(self._say(message))
        with self._take_no_input(message):
            yield

    @contextlib.contextmanager
    def show_waiting(self) -> Iterator[None]:
        """Shows a spinner at a terminal, and nothing elsewhere."""
        with self._take_no_input(words.WAITING):
            yield

    def show_refusal(self, refusal: Refusal) -> None:
        """Prints the catalogue's explanation of a refusal, its fields, and its reason for the help desk."""
        self._shown_refusal = refusal
        self._print("")
        names = list_names(self.place)
        self._explain(explain_refusal(refusal, names), "")
        for violation in refusal.violations:
            # A violation of the whole request only repeats the refusal.
            if violation.reason != refusal.reason:
                field = name_field(violation.field, self.place)
                self._explain(explain(violation.reason, violation.metadata, names), f"  {self._say(field)}: ")
        self._print(f"[{refusal.reason}]", "dim")

    def has_seen(self, refusal: Refusal) -> bool:
        """Returns whether this refusal was the last one shown, with the offer of another try that was declined."""
        return self._shown_refusal is refusal

    def _say(self, text: Words | str) -> str:
        return say(text, self.language)

    def _list_options(self, question: Words, options: Sequence[Option]) -> None:
        names = [self._say(option.name) for option in options]
        rows: list[Row] = []
        for number, (option, name) in enumerate(zip(options, names, strict=True), 1):
            # Where two have the same name, their codes tell them apart.
            code = f"  [{option.code}]" if names.count(name) > 1 else ""
            value = f": {option.value}" if option.value else ""
            rows.append((Words(str(number), str(number)), f"{name}{code}{value}"))
        self.show(question, rows)

    def _name_option(self, code: str, options: Sequence[Option]) -> str:
        return next((self._say(option.name) for option in options if code and option.code == code), "")

    def _choose_answer(
        self,
        question: Words,
        *,
        may_go_back: bool = False,
        yes: Words = words.YES,
        no: Words = words.NO,
        back: Words = words.BACK,
    ) -> Answer:
        letters = {"y": yes, "n": no} | ({"b": back} if may_go_back else {})
        if self.language == "ja":
            choices = "（" + "　".join(f"{letter}：{text.ja}" for letter, text in letters.items()) + "）"
        else:
            choices = " (" + ", ".join(f"{letter}: {text.en}" for letter, text in letters.items()) + ")"
        # An agreement is never what was typed before its question.
        self._may_be_ahead = True
        while True:
            answer = read_answer(self._type(self._say(question) + choices, "--yes"), may_go_back=may_go_back)
            if answer is not None:
                return answer
            self.show_message(words.ANSWER_AGAIN)

    def _explain(self, explanation: Explanation, prefix: str) -> None:
        text = explanation.ja if self.language == "ja" else explanation.en
        self._print(f"{prefix}{text.what}", "bold red")
        indent = "    " if prefix else ""
        # Lists, such as the checks of a search, have a line for each entry.
        for line in text.next.splitlines():
            self._print(f"{indent}{line}")

    def _type(self, label: str, path: str, *, secret: bool = False, default: str = "") -> str:
        if not self.interactive:
            raise Refusal("ANSWER_MISSING", Code.INVALID_ARGUMENT, {"path": path, "label": label})
        if self._may_be_ahead and self.keyboard is not None:
            self.keyboard.discard()
        self._may_be_ahead = False
        prompt = replace_invisible(f"{label}{f' [{default}]' if default else ''}: ")
        try:
            if secret:
                text = getpass(prompt)
            else:
                # The terminal wraps a long question, not the console, which may know another width.
                self.console.print(Text(prompt), end="", soft_wrap=True)
                text = self.console.input()
        except EOFError as error:
            raise Refusal("ANSWER_MISSING", Code.INVALID_ARGUMENT, {"path": path, "label": label}) from error
        return (text if secret else text.strip()) or default

    @contextlib.contextmanager
    def _take_no_input(self, message: Words) -> Iterator[None]:
        self._may_be_ahead = True
        with contextlib.ExitStack() as stack:
            if self.keyboard is not None:
                stack.enter_context(self.keyboard.hold())
            if self.console.is_terminal:
                stack.enter_context(self.console.status(Text(self._say(message))))
            yield

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
