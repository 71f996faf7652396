"""Standard output and error stream of the commands, and refusals explained on the latter."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from operator_command.field_words import find_field_words
from operator_command.speech import Phrase, Speech, find_language
from refusals import Refusal

console = Console()
error_console = Console(stderr=True)


@contextmanager
def exit_on_refusal(speech: Speech | None = None) -> Iterator[None]:
    """Prints a refusal raised inside the block as `print_refusal` does, and exits with status 1."""
    try:
        yield
    except Refusal as refusal:
        print_refusal(refusal, speech)
        sys.exit(1)


def print_refusal(refusal: Refusal, speech: Speech | None = None) -> None:
    """Prints what happened and what to do next, with every wrong field by its label.

    In the language of the locale, and in words that fit every instance, unless `speech` says otherwise.
    """
    speech = speech or Speech(find_language())
    text = str(speech.explain(refusal.reason, refusal.metadata))
    error_console.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    for violation in refusal.violations:
        label = speech.say(find_field_words(violation.field))
        problem = str(speech.explain(violation.reason, violation.metadata)).replace("\n", speech.say(Phrase("", " ")))
        line = speech.say(Phrase(f"　{label}：{problem}", f"  {label}: {problem}"))
        error_console.print(line, markup=False, highlight=False, soft_wrap=True)
