"""`toroku roster` against the running instance: from the file to the letters, and a registration with a letter."""

import asyncio
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from operator_command.instance_certificates import OFFICER
from tests.support.rosters import company_name, write_roster
from tests.support.running_instance import Bidder, RunningInstance

# A roster without bidder numbers that no other acceptance test uses.
MAPPING = "chugoku-construction"
NUMBERS = range(9001, 9041)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a command."""

    status: int
    text: str


async def toroku_roster(instance: RunningInstance, *arguments: str | Path) -> Outcome:
    agency = instance.profile.agencies[0].code
    state = ("--state", str(instance.launched.state), "--officer", f"{agency}/{OFFICER}", "--language", "ja")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "operator_command", "roster", *map(str, arguments), *state),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode())


@pytest.mark.requirement("QUA-12")
@pytest.mark.requirement("QUA-02")
async def test_roster_import_letters_and_registration_with_a_letter(instance: RunningInstance, tmp_path: Path) -> None:
    mapping = instance.profile.mapping(MAPPING)
    file = write_roster(tmp_path / "list.csv", instance.profile, mapping, len(NUMBERS), first=NUMBERS.start)
    import_file = ("import", file, "--mapping", MAPPING)

    looked = await toroku_roster(instance, *import_file, "--preview-only")
    assert looked.status == 0, looked.text
    refused = await toroku_roster(instance, *import_file)
    assert (refused.status, "--yes" in refused.text) == (1, True)

    first = await toroku_roster(instance, *import_file, "--yes")
    assert first.status == 0, first.text
    assert f"新規{len(NUMBERS)}件、変更0件、名簿から外れる業者0件、変更なし0件" in first.text
    again = await toroku_roster(instance, *import_file, "--yes")
    assert (again.status, "何も変わりません" in again.text) == (0, True)

    # The mapping without bidder numbers finds bidders by 法人番号 when one moves, one is added and one removed.
    lines = file.read_text("utf-8-sig").splitlines(keepends=True)
    newcomer = write_roster(tmp_path / "more.csv", instance.profile, mapping, 1, first=NUMBERS.stop)
    moved = lines[1].replace("浦和区", "大宮区")
    rows = [lines[0], moved, *lines[2:-1], newcomer.read_text("utf-8-sig").splitlines(keepends=True)[1]]
    file.write_text("".join(rows), "utf-8")
    second = await toroku_roster(instance, *import_file, "--yes")
    assert second.status == 0, second.text
    assert "代表者の変更：1件" in second.text
    assert re.search("浦和区.* → .*大宮区", second.text)
    assert f"新規1件、変更1件、名簿から外れる業者1件、変更なし{len(NUMBERS) - 2}件" in second.text
    moved_bidder = re.search(rf"(\d{{10}})\s+│ {company_name(NUMBERS.start)} ", second.text)
    assert moved_bidder is not None

    # Half of the next term's list is asked about; confirmed, it stands beside the current one, which the rest tells.
    half = tmp_path / "half.csv"
    half.write_text("".join(rows[:1] + rows[len(NUMBERS) // 2 :]), "utf-8")
    import_half = ("import", half, "--mapping", MAPPING, "--term-from", "2098-04-01", "--yes")
    cut = await toroku_roster(instance, *import_half)
    assert (cut.status, "--confirm ROSTER_MANY_GONE" in cut.text) == (1, True), cut.text
    following = await toroku_roster(instance, *import_half, "--confirm", "ROSTER_MANY_GONE")
    assert following.status == 0, following.text
    assert f"新規{len(NUMBERS) // 2 + 1}件、変更0件、名簿から外れる業者0件、変更なし0件" in following.text

    letters = tmp_path / "letters"
    issue = ("issue-passwords", "--category", "works", "--letters", letters, "--yes")
    issued = await toroku_roster(instance, *issue, "--bidder-id", moved_bidder[1])
    assert issued.status == 0, issued.text
    (letter,) = letters.iterdir()
    text = letter.read_text("utf-8")
    password = re.search(r"パスワード　*：(\S+)\n", text)
    assert password is not None
    assert password[1] not in issued.text
    assert "大宮区" in text
    twice = await toroku_roster(instance, *issue, "--bidder-id", moved_bidder[1])
    assert twice.status == 1
    assert letter.read_text("utf-8") == text

    compare_name = ("compare-name", moved_bidder[1], "--category", "works")
    name = company_name(NUMBERS.start)
    compared = await toroku_roster(instance, *compare_name, f"{name[:2]}\u2212{name[2:]}")
    assert compared.status == 0, compared.text
    for part in (name, "同じ名称かもしれませんが", "\u2212（U+2212）", "記号・長音の有無"):
        assert part in compared.text

    agencies = tuple(mapping.agencies)
    bidder = Bidder(moved_bidder[1], company_name(NUMBERS.start), password[1], "works", agencies)
    receipt = await instance.contractor(bidder=bidder).whole()
    assert receipt.registration.bidder_id == moved_bidder[1]
    assert "大宮区" in receipt.company.address


@pytest.mark.requirement("QUA-12")
async def test_invalid_file_imports_nothing_and_reports_the_row(instance: RunningInstance, tmp_path: Path) -> None:
    file = write_roster(tmp_path / "list.csv", instance.profile, instance.profile.mapping(MAPPING), 5, first=9901)
    content = file.read_bytes()
    wrong = {
        "ROSTER_COLUMNS_MISSING": ("必要な列がありません", content.replace(b"firm_name", b"company")),
        "ROSTER_ENCODING_WRONG": ("文字コード", content.decode("utf-8-sig").encode("cp932")),
        "ROSTER_CUT_SHORT": ("途中で終わっています", content[: -len("等\r\n".encode())]),
        "ROSTER_EMPTY": ("一件もありません", content.splitlines(keepends=True)[0]),
    }
    for reason, (words, changed) in wrong.items():
        file.write_bytes(changed)
        said = await toroku_roster(instance, "import", file, "--mapping", MAPPING, "--yes")
        assert said.status == 1, reason
        assert words in said.text, said.text
        assert "取り込みました" not in said.text
