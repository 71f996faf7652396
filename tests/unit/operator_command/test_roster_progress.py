"""The progress of a long operation, in a terminal and elsewhere."""

import io

from rich.console import Console

from operator_command.officer.roster_progress import ProgressDisplay
from operator_command.speech import Language, Speech
from toroku.qualification.v1.bidder_pb2 import Progress

MESSAGES = [
    Progress(step="receive", done=100),
    Progress(step="receive", done=5_000),
    Progress(step="check", done=10, total=4237),
    Progress(step="check", done=4237, total=4237),
    Progress(step="something new", done=1),
    Progress(step="write"),
]


def display(*, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=terminal)
    with ProgressDisplay(console, Speech(Language.JAPANESE)) as progress_display:
        for progress in MESSAGES:
            progress_display.show(progress)
    return out.getvalue()


def test_without_a_terminal_every_step_is_one_line_with_its_final_count() -> None:
    assert display(terminal=False).splitlines() == [
        "ファイルの送信：5,000",
        "検査：4,237 / 4,237",
        "something new：1",
        "取込み",
    ]


def test_in_a_terminal_every_step_has_a_bar() -> None:
    text = display(terminal=True)
    for part in ("ファイルの送信", "検査", "4237/4237", "something new"):
        assert part in text
