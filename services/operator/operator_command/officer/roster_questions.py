"""What an officer has to confirm about a roster file as a whole: shown, and asked at a terminal."""

import sys
from collections.abc import Sequence

import typer
from rich.console import Console

from instance_profile.characters import replace_invisible
from refusals import Code, Refusal
from refusals.catalogue import explain
from toroku.qualification.v1.bidder_pb2 import RosterPreview, RosterQuestion


def show_questions(console: Console, preview: RosterPreview) -> None:
    """Prints the questions about the file, and how a program answers them."""
    for question in preview.questions:
        console.print(
            f"要確認 to be confirmed: --confirm {replace_invisible(question.reason)}",
            style="bold",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        console.print(_describe(question), highlight=False, markup=False, soft_wrap=True)


def confirm_questions(preview: RosterPreview, confirmed: Sequence[str]) -> list[str]:
    """Returns the reasons that the commit confirms: those of the command line, and what is confirmed at the terminal.

    Raises ROSTER_NOT_CONFIRMED where there is no terminal, and ends the command where the officer says no.
    """
    unconfirmed = [question.reason for question in preview.questions if question.reason not in confirmed]
    if unconfirmed and not sys.stdin.isatty():
        raise Refusal("ROSTER_NOT_CONFIRMED", Code.FAILED_PRECONDITION, {"reasons": ", ".join(unconfirmed)})
    for reason in unconfirmed:
        if not typer.confirm(f"{reason}を確認しましたか？ Did you check this?"):
            raise typer.Abort
    return [*dict.fromkeys(confirmed), *unconfirmed]


def _describe(question: RosterQuestion) -> str:
    words = explain(question.reason, {key: replace_invisible(value) for key, value in question.metadata.items()})
    return f"{words.ja.what}{words.ja.next}\n{words.en}"
