"""Standard output and error stream of the commands, and refusals explained on the latter."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from refusals import Refusal
from refusals.catalogue import explain, explain_refusal

console = Console()
error_console = Console(stderr=True)


@contextmanager
def exit_on_refusal() -> Iterator[None]:
    """Prints a refusal raised inside the block in Japanese and English, and exits with status 1."""
    try:
        yield
    except Refusal as refusal:
        print_refusal(refusal)
        sys.exit(1)


def print_refusal(refusal: Refusal) -> None:
    """Prints what happened and what to do next, in both languages, with every wrong field."""
    explanation = explain_refusal(refusal)
    violations = [(problem.field, explain(problem.reason, problem.metadata)) for problem in refusal.violations]
    for language, text in (("ja", explanation.ja), ("en", explanation.en)):
        error_console.print(str(text), style="red", markup=False, highlight=False, soft_wrap=True)
        for field, problem in violations:
            what = problem.ja.what if language == "ja" else problem.en.what
            error_console.print(f"  {field}: {what}", markup=False, highlight=False, soft_wrap=True)
