"""What an officer has to confirm about a roster file as a whole: shown, and asked at a terminal."""

from collections.abc import Sequence

from rich.console import Console

from instance_profile.characters import replace_invisible
from operator_command.officer.asking import ask, has_terminal
from operator_command.officer.roster_words import describe_question
from operator_command.speech import Phrase, Speech
from refusals import Code, Refusal
from toroku.qualification.v1.bidder_pb2 import RosterPreview

_QUESTION = Phrase("上のことを確認しましたか", "Have you checked this?")


def show_questions(console: Console, preview: RosterPreview, speech: Speech) -> None:
    """Prints the questions about the file, and how a program answers them."""
    for question in preview.questions:
        reason = replace_invisible(question.reason)
        about = describe_question(question.reason, speech)
        heading = Phrase(
            f"確認が必要です：{about}（--confirm {reason}）", f"To be confirmed: {about} (--confirm {reason})"
        )
        console.print(speech.say(heading), style="bold", highlight=False, markup=False, soft_wrap=True)
        words = speech.explain(question.reason, question.metadata)
        console.print(str(words), highlight=False, markup=False, soft_wrap=True)


def confirm_questions(preview: RosterPreview, confirmed: Sequence[str], speech: Speech) -> list[str] | None:
    """Returns the reasons that the commit confirms: those of the command line, and what is confirmed at the terminal.

    None where the officer says no. Raises ROSTER_NOT_CONFIRMED where there is no terminal.
    """
    unconfirmed = [question for question in preview.questions if question.reason not in confirmed]
    reasons = [question.reason for question in unconfirmed]
    if unconfirmed and not has_terminal():
        raise Refusal("ROSTER_NOT_CONFIRMED", Code.FAILED_PRECONDITION, {"reasons": ", ".join(reasons)})
    for question in unconfirmed:
        # The words stand above; where there are several questions, the first sentence says which one is meant.
        what = speech.explain(question.reason, question.metadata).what
        asked = Phrase(f"{what}{_QUESTION.ja}", f"{what} {_QUESTION.en}") if len(unconfirmed) > 1 else _QUESTION
        if not ask(speech, asked):
            return None
    return [*dict.fromkeys(confirmed), *reasons]
