"""An officer who runs `toroku roster` at a terminal, and what the officer reads there, for a page with transcripts."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.terminal_dialogue import terminal_dialogue

# What differs from run to run, and what stands in the page in its place.
MARKS: Sequence[tuple[re.Pattern[str], Mapping[str, str]]] = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), {"ja": "［日時］", "en": "[time]"}),
    (re.compile(r"^\d{4}年\d{1,2}月\d{1,2}日$", re.MULTILINE), {"ja": "［日付］", "en": "［日付］"}),
    (
        re.compile(r"(?<=有効期限：)\d{4}年\d{1,2}月\d{1,2}日|(?<=valid until )\d{4}-\d\d-\d\d"),
        {"ja": "［日付］", "en": "[day]"},
    ),
    (re.compile(r"(?<=パスワード　：)\S+|(?<=パスワード：)\S+"), {"ja": "［パスワード］", "en": "［パスワード］"}),
)


@dataclass(slots=True)
class OfficerAtTerminal:
    """The officer of an agency at an instance's state folder; `folder` is where the officer's files are."""

    state: Path
    officer: str
    folder: Path
    language: str
    # By the name of the block in the page.
    transcripts: dict[str, str] = field(default_factory=dict)

    def run(self, block: str, *arguments: str, answers: Sequence[tuple[str, str]] = (), status: int = 0) -> str:
        """Runs `toroku roster …`, answers its questions, and adds the command and what was read to a block."""
        environment = {
            "TOROKU_STATE": str(self.state),
            "TOROKU_OFFICER": self.officer,
            "TOROKU_LANGUAGE": self.language,
            "COLUMNS": "100",
        }
        with terminal_dialogue(
            "roster", *arguments, module="operator_command", folder=self.folder, environment=environment
        ) as dialogue:
            for question, answer in answers:
                dialogue.answer(question, answer)
            ended = dialogue.wait_for_end()
            transcript = dialogue.transcript
        assert ended == status, transcript
        self.show(block, f"$ toroku roster {' '.join(arguments)}\n{transcript}")
        return transcript

    def show(self, block: str, text: str) -> None:
        """Adds a text to a block, with the marks in place of what differs from run to run."""
        for pattern, marks in MARKS:
            text = "".join(
                self._replace(pattern, marks[self.language], line) for line in text.splitlines(keepends=True)
            )
        self.transcripts[block] = "\n".join(filter(None, (self.transcripts.get(block), text)))

    @staticmethod
    def _replace(pattern: re.Pattern[str], mark: str, line: str) -> str:
        """Returns a line with the mark; within a table it is as wide as what it stands for."""

        def write(found: re.Match[str]) -> str:
            return mark + " " * (_count_cells(found[0]) - _count_cells(mark)) if "│" in line else mark

        return pattern.sub(write, line)


def _count_cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
