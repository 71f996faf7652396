"""The person at a terminal, and one that is not there: whose answers stand in files."""

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
from card_agent.console.person import Answer, Option, Question, Row
from card_agent.console.words import Words
from card_agent.media.token import Pin
from refusals import Code, Refusal
from refusals.catalogue import Explanation, explain, explain_refusal

_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@dataclass(slots=True)
class ConsolePerson:
    """Shows in the terminal and asks there; `answers` by path come first, each once: a wrong one is asked again.

    `pin` gives the PIN where it is not typed. `agrees` answers every confirmation with yes. Without `interactive`
    nobody is there: a question without an answer is refused, and nothing is tried again.
    """

    console: Console
    interactive: bool
    answers: dict[str, str] = field(default_factory=dict, repr=False)
    pin: Callable[[], Pin] | None = field(default=None, repr=False)
    agrees: bool = False

    def tell(self, words: Words) -> None:
        """Says a sentence, each language on its own line."""
        for text in dict.fromkeys((words.ja, words.en)):
            if text:
                self._print(text)

    def show(self, title: Words, rows: Sequence[Row], lines: Sequence[str] = ()) -> None:
        """Shows labels and values one below the other, and lines as they are."""
        # A title alone stands above questions.
        if not self.interactive and not rows and not lines:
            return
        self._print("")
        self._print(f"■ {title}", "bold")
        for label, value in rows:
            self._print(f"  {label}: {value}")
        for line in lines:
            self._print(f"  | {line}")

    def choose(self, path: str, question: Words, options: Sequence[Option]) -> str:
        """Takes the only option without asking (ENT-01); otherwise its number or its code."""
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
            typed = self._type(question, path)
            answer = codes[int(typed) - 1] if typed.isdecimal() and 0 < int(typed) <= len(codes) else typed
        self._print(f"{question}: {next(option.name for option in options if option.code == answer)}")
        return answer

    def ask(self, question: Question) -> str:
        """Asks with the hint; an empty line takes what was typed before. What is secret is typed unseen."""
        answer = self.answers.pop(question.path, None)
        if answer is None and not self.interactive and not question.required:
            return ""
        while answer is None:
            self._print(f"  {question.hint}", "dim")
            typed = self._type(question.label, question.path, secret=question.secret, default=question.typed)
            answer = typed if typed or not question.required else None
        return answer.strip()

    def ask_pin(self, question: Words) -> Pin:
        """From the file where one is given, otherwise typed unseen."""
        if self.pin is not None:
            return self.pin()
        return Pin(self._type(question, "--pin-file", secret=True))

    def confirm(self, question: Words, *, may_go_back: bool) -> Answer:
        """Yes has to be typed; an empty line is asked again."""
        if self.agrees:
            self._print(f"{question}: {words.AUTOMATIC_YES}")
            return Answer.YES
        choices = {"y": Answer.YES, "n": Answer.NO} | ({"b": Answer.BACK} if may_go_back else {})
        shown = [f"y={words.YES}", f"n={words.NO}", *([f"b={words.BACK}"] if may_go_back else [])]
        while True:
            typed = self._type(Words(f"{question.ja}（{', '.join(shown)}）", question.en), "--yes").casefold()
            if typed[:1] in choices:
                return choices[typed[:1]]

    def again(self, refusal: Refusal) -> bool:
        """A PIN from a file would be the same wrong one again, so nobody is asked then."""
        if not self.interactive or (self.pin is not None and "PIN" in refusal.reason):
            return False
        self.refused(refusal)
        return self._type(Words(f"{words.AGAIN.ja}（y/n）", words.AGAIN.en), "--yes").casefold().startswith("y")

    @contextlib.contextmanager
    def busy(self, words: Words) -> Iterator[None]:
        """A line, with a spinner at a terminal, until the end of the block."""
        if not self.console.is_terminal:
            self._print(str(words))
            yield
            return
        with self.console.status(Text(str(words))):
            yield

    def refused(self, refusal: Refusal) -> None:
        """What was refused in the words of the catalogue, its fields, and the reason for the help desk."""
        self._print("")
        self._explain(explain_refusal(refusal), "")
        for violation in refusal.violations:
            # A violation of the whole request says the same again.
            if violation.reason != refusal.reason:
                self._explain(explain(violation.reason, violation.metadata), f"  {violation.field}: ")
        self._print(f"[{refusal.reason}]", "dim")

    def _explain(self, explanation: Explanation, before: str) -> None:
        for said in (explanation.ja, explanation.en):
            self._print(f"{before}{said.what}", "bold red")
            if said.next:
                self._print(f"{' ' * len(before)}{said.next}")

    def _type(self, label: Words, path: str, *, secret: bool = False, default: str = "") -> str:
        if not self.interactive:
            raise Refusal("ANSWER_MISSING", Code.INVALID_ARGUMENT, {"path": path, "label": str(label)})
        prompt = visible(f"{label}{f' [{default}]' if default else ''}: ")
        try:
            typed = getpass(prompt) if secret else self.console.input(Text(prompt))
        except EOFError as error:
            raise Refusal("ANSWER_MISSING", Code.INVALID_ARGUMENT, {"path": path, "label": str(label)}) from error
        return (typed if secret else typed.strip()) or default

    def _print(self, text: str, style: str = "") -> None:
        self.console.print(Text(visible(text), style), soft_wrap=True)


def terminal(*, errors: bool = False) -> Console:
    """A console that shows a character as ? rather than fail, where the terminal lacks it (CP932 lacks some)."""
    stream = sys.stderr if errors else sys.stdout
    with contextlib.suppress(AttributeError):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    return Console(stderr=errors, highlight=False, markup=False, emoji=False)


def visible(text: str) -> str:
    """The text without what a terminal would obey: the words of others must not move its cursor or turn its lines."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign) in _INVISIBLE else sign for sign in text)


def first_line(content: str) -> Pin:
    """A PIN or password from a file's first line."""
    return Pin(content.partition("\n")[0].rstrip("\r"))


def read_descriptor(number: int) -> str:
    """All that comes from a file descriptor that the caller opened for us. Raises SECRET_UNREADABLE."""
    try:
        with os.fdopen(number, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, ValueError) as error:
        raise Refusal("SECRET_UNREADABLE", Code.INVALID_ARGUMENT, {"source": f"fd {number}"}) from error


def flat(values: Mapping[str, object], path: str = "") -> Iterator[tuple[str, str]]:
    """A form file's values by path. Raises FORM_FILE_INVALID where a value is neither a text nor a section."""
    for key, value in values.items():
        here = f"{path}{key}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{here}.")
        elif isinstance(value, str):
            yield here, value
        else:
            raise Refusal("FORM_FILE_INVALID", Code.INVALID_ARGUMENT, {"path": here})
