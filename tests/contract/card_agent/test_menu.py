"""The menu: what each operation is for and when not to use it, as the instance says (ENT-06)."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from card_agent.commands.menu import OPERATIONS
from card_agent.operation.menu import choose_operation
from instance_profile import load_profile
from signed_acts.purpose import Operation
from tests.support.office import Office
from tests.support.scripted_person import ScriptedPerson
from tests.support.services.front_door import running_front_door

SAITAMA = Path(__file__).parents[3] / "profiles" / "saitama.yaml"


async def choose(office: Office, answer: str) -> Operation | None:
    office.person = ScriptedPerson({"operation": answer})
    return await asyncio.to_thread(choose_operation, office.front_door, office.person, OPERATIONS)


@pytest.mark.requirement("ENT-06")
async def test_menu_says_what_each_operation_is_for_and_when_not_to_use_it(tmp_path: Path) -> None:
    async with running_front_door(load_profile(SAITAMA), tmp_path) as server:
        office = Office(server, tmp_path)
        assert await choose(office, "change") is Operation.CHANGE
    person = office.person
    assert person.chosen_from["operation"] == ["registration", "change", "renewal", "view", "leave"]
    assert [title for title in person.titles if title in ("登録", "変更", "ICカード更新")] == [
        "登録",
        "変更",
        "ICカード更新",
    ]
    told = "".join(person.told)
    for sentence in (
        "※通常は使用しない機能です。※",
        "どちらの操作がよいか分からないときは、ICカード更新ではなく「登録」を選んでください。",
        "「登録」（または「変更」）で操作してください。",
        "競争入札参加資格の更新漏れのため、新規申請をした場合",
        "権限委譲をおこなった場合",
        "会社の合併",
        "有効期限が切れている場合",
        "認証局が異なる場合",
        "担当者が交代したとき",
    ):
        assert sentence in told
    assert "「登録」と「ICカード更新」の違い" in person.titles
    assert any("旧ICカードの登録情報が引き継がれるので入力不要。" in line for line in person.lines)


async def test_menu_is_left_without_an_operation(office: Office) -> None:
    assert await choose(office, "leave") is None
    assert office.card_in_memory.connection.commands == []


async def test_command_without_a_word_is_the_menu(tmp_path: Path) -> None:
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "card_agent"],
        env={"HOME": str(tmp_path), "PATH": "", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, "[INSTANCE_NOT_CHOSEN]" in ended.stderr) == (1, True)
