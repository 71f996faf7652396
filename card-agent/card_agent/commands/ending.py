"""How an operation ends: with a receipt, which is filed where the person wants it, or with Ctrl-C at any moment."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import typer

from card_agent.commands.surroundings import EXIT_INTERRUPTED, Choices, open_front_door
from card_agent.console import words
from card_agent.console.person import Person
from card_agent.console.words import Words
from card_agent.operation.progress import Outcome, Progress
from card_agent.private_files import check_writable, write_private
from refusals import Code, Refusal

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending(Generic[_Result]):
    """What is said where Ctrl-C ends an operation, and how its receipt is shown, and composed for a file."""

    stopped_before: Words
    stopped_without_answer: Words
    stopped_after: Words
    receipt: Words
    show: Callable[[Person, _Result], None]
    compose: Callable[[_Result], str]


def run_operation(
    person: Person, choices: Choices, ending: Ending[_Result], operate: Callable[..., object], card: object
) -> None:
    """Carries out an operation at the chosen front door, from the choice of the agency to the receipt.

    `operate` takes the front door, `card` (the medium of one card, or the places of two), the person, the unfinished
    requests and the progress, and `instance_id` and `details` by name. Raises as `carry_out` and `operate`.
    """
    with open_front_door(choices.target) as front_door:
        carry_out(
            person,
            ending,
            choices.receipt,
            lambda progress: operate(
                front_door,
                card,
                person,
                choices.unfinished,
                progress,
                instance_id=choices.target.instance,
                details=choices.details,
            ),
        )


def carry_out(
    person: Person,
    ending: Ending[_Result],
    receipt: Path | None,
    work: Callable[[Progress[_Result]], object],
) -> None:
    """Does the work, and files its receipt. Raises FILE_UNWRITABLE before it, RECEIPT_NOT_WRITTEN after it.

    Until the receipt is filed, the same command fetches it again.
    """
    if receipt is not None:
        _check_writable(receipt)
    progress = Progress[_Result]()
    try:
        work(progress)
    except KeyboardInterrupt:
        # What is left takes no time; another Ctrl-C must not hide it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _say_what_was_done(person, ending, progress)
        _keep_receipt(person, ending, progress.result, receipt)
        progress.forget()
        raise typer.Exit(EXIT_INTERRUPTED) from None
    _keep_receipt(person, ending, progress.result, receipt)
    progress.forget()


def _say_what_was_done(person: Person, ending: Ending[_Result], progress: Progress[_Result]) -> None:
    # The terminal's ^C stands on the line of the question.
    person.show_message(Words("", ""))
    if progress.outcome is Outcome.NOT_DONE:
        person.show_message(ending.stopped_before)
    elif progress.result is None:
        person.show_message(ending.stopped_without_answer)
    else:
        person.show_message(ending.stopped_after)
        ending.show(person, progress.result)


def _keep_receipt(person: Person, ending: Ending[_Result], result: _Result | None, file: Path | None) -> None:
    if result is None or file is None:
        return
    try:
        write_private(file, ending.compose(result))
    except OSError as error:
        raise Refusal("RECEIPT_NOT_WRITTEN", Code.UNAVAILABLE, {"file": str(file)}) from error
    person.show(words.RECEIPT_WRITTEN, [(ending.receipt, str(file))])


def _check_writable(receipt: Path) -> None:
    # To be called before the operation, not after it.
    try:
        check_writable(receipt)
    except OSError as error:
        raise Refusal("FILE_UNWRITABLE", Code.INVALID_ARGUMENT, {"file": str(receipt)}) from error
