"""What `toroku roster import` asks about a file as a whole, and the term that it sends."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from operator_command.officer.roster_words import QUESTIONS
from qualification_registry.domain import roster_question
from tests.support.terminal_dialogue import terminal_dialogue
from tests.unit.operator_command.desk import Desk, open_desk

MANY_GONE, SEEN = "ROSTER_MANY_GONE", "ROSTER_FILE_SEEN_BEFORE"


@pytest.fixture
async def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, monkeypatch, capsys) as desk:
        preview = desk.registry.preview
        preview.questions.add(reason=MANY_GONE, metadata={"gone": "30", "expected": "60", "percent": "50"})
        preview.questions.add(reason=SEEN, metadata={"version": "3", "day": "2026-10-01"})
        yield desk


async def test_every_question_is_shown_and_confirmed_by_its_reason(desk: Desk) -> None:
    refused = await desk.import_roster("--yes", "--confirm", SEEN)
    assert refused.status == 1
    assert "60件のうち、30件（50%）" in refused.out
    assert f"--confirm {SEEN}" in refused.out
    assert MANY_GONE in refused.err
    assert not desk.registry.commits
    result = await desk.import_roster("--yes", "--confirm", SEEN, "--confirm", MANY_GONE)
    assert result.status == 0
    assert sorted(desk.registry.commits[0].confirmed) == sorted([MANY_GONE, SEEN])


def test_every_question_has_words() -> None:
    source = Path(roster_question.__file__).read_text("utf-8")
    asked = set(re.findall(r'"(ROSTER_[A-Z_]+)"', source)) - {"ROSTER_NOT_CONFIRMED", "ROSTER_CONFIRMATION_NOT_ASKED"}
    assert asked == set(QUESTIONS)


async def test_row_without_a_suggestion_needs_a_decision(desk: Desk) -> None:
    del desk.registry.preview.questions[:]
    desk.registry.preview.undecided.add(row=7, name="渡邊組", reason="ROSTER_ROW_PERHAPS_SAME")
    desk.registry.preview.undecided_row_count = 1
    refused = await desk.import_roster("--yes", "--accept-suggestions")
    assert (refused.status, "7" in refused.err) == (1, True)
    assert not desk.registry.commits
    assert (await desk.import_roster("--yes", "--accept-suggestions", "--decide", "7=new")).status == 0


async def test_term_is_sent_with_the_file(desk: Desk) -> None:
    desk.registry.preview.term_from, desk.registry.preview.term_until = "2026-04-01", "2028-03-31"
    terms = ("--term-from", "2026-04-01", "--term-until", "2028-03-31")
    result = await desk.import_roster("--preview-only", *terms)
    assert desk.registry.header is not None
    assert (desk.registry.header.term_from, desk.registry.header.term_until) == ("2026-04-01", "2028-03-31")
    assert "2026-04-01～2028-03-31" in result.out


@pytest.mark.parametrize(("answers", "confirmed"), [("yyy", [MANY_GONE, SEEN]), ("yn", None)])
async def test_every_question_is_asked_at_a_terminal(desk: Desk, answers: str, confirmed: list[str] | None) -> None:
    command = ["roster", "import", str(desk.roster), "--mapping", "works-list", *desk.options, "--language", "ja"]
    questions = ("30件（50%）がこのファイルにありません。", "取り込まれています。", "署名して実行しますか")

    def import_it() -> int:
        with terminal_dialogue(*command, module="operator_command") as dialogue:
            for question, answer in zip(questions, answers, strict=False):
                dialogue.wait_for(question)
                dialogue.answer("（y：はい　n：いいえ）", answer)
            return dialogue.wait_for_end()

    assert await asyncio.to_thread(import_it) == (0 if confirmed else 1)
    assert [list(commit.confirmed) for commit in desk.registry.commits] == ([confirmed] if confirmed else [])
