"""The pages docs/howto/import-a-roster.*.md show what an officer reads at the terminal, in either language.

After a change of words, `pytest tests/acceptance/test_import_page.py --write-transcripts` writes their blocks anew.
"""

import asyncio
from pathlib import Path

import pytest

from operator_command.instance_certificates import OFFICER
from operator_command.officer.preparation import prepare_officer
from tests.support.japanese_text import find_other_language
from tests.support.officer_at_terminal import OfficerAtTerminal
from tests.support.running_instance import CITY_ROSTERS, RunningInstance
from tests.support.transcript_page import read_transcripts, write_transcripts

PAGES = Path(__file__).parents[2] / "docs" / "howto"
REFUSED = 1
HEADER = "業者コード,業者名,法人番号,〒,所在地,代表者,電話,希望先,認定日,期限,販売,委託"
# The roster as it should be: name, and what follows the 法人番号.
BIDDERS = (
    ("株式会社架空文具", "350-0045,{city}架空町１－４５,文野　見本,048-000-0045,{city}/埼玉県,2026/4/1,2039/3/31,A,"),
    ("見本清掃有限会社", "340-0050,{city}架空町６－５０,清野　例示,048-000-0050,{city},2026/4/1,2039/3/31,,B"),
    ("株式会社渡辺印刷", "350-0047,{city}架空町２－４７,渡辺　例示,048-000-0047,{city},2026/4/1,2039/3/31,B,"),
    ("例示電機株式会社", "350-0048,{city}架空町２－４８,電野　仮名,048-000-0048,{city},2026/4/1,2039/3/31,A,"),
    ("有限会社仮名商会", "350-0049,{city}架空町２－４９,仮名　花子,048-000-0049,{city},2026/4/1,2039/3/31,C,"),
)
# What stands in the page in which language: the city, the beginning of its bidder ids, its file, and the questions.
SCENES = {
    "ja": ("kawagoe-city", "川越市", "11000001", "川越市物品.csv", "署名して実行しますか", "確認しましたか"),
    "en": (
        "kawaguchi-city",
        "川口市",
        "12000001",
        "kawaguchi-goods.csv",
        "Sign, and carry this out?",
        "Have you checked this?",
    ),
}


@pytest.mark.requirement("QUA-12")
@pytest.mark.requirement("QUA-05")
@pytest.mark.parametrize("language", ["ja", "en"])
async def test_page_shows_what_an_officer_reads(
    instance: RunningInstance, tmp_path: Path, language: str, pytestconfig: pytest.Config
) -> None:
    agency = SCENES[language][0]
    officer = OfficerAtTerminal(instance.launched.state, f"{agency}/{OFFICER}", tmp_path, language)
    await asyncio.to_thread(prepare_officer, officer.state, officer.officer)
    await asyncio.to_thread(work, officer, CITY_ROSTERS[agency])
    page = PAGES / f"import-a-roster.{language}.md"
    if pytestconfig.getoption("--write-transcripts"):
        write_transcripts(page, officer.transcripts)
    assert read_transcripts(page) == officer.transcripts

    written_by_officer = {"file", "letter"}
    said = "\n".join(text for block, text in officer.transcripts.items() if block not in written_by_officer)
    if language == "ja":
        without_commands = "\n".join(line for line in said.splitlines() if not line.startswith("$"))
        assert find_other_language(without_commands, language) == []


def work(officer: OfficerAtTerminal, roster: str) -> None:
    """Imports a roster with mistakes, finds and mends them, and issues passwords."""
    _, city, ids, file_name, import_question, check_question = SCENES[officer.language]
    file = officer.folder / file_name
    bidder_ids = [f"{ids}{number:02}" for number in range(1, len(BIDDERS) + 1)]
    rows = [
        f"{bidder_id},{name},,{rest.format(city=city)}"
        for bidder_id, (name, rest) in zip(bidder_ids, BIDDERS, strict=True)
    ]
    # 貝 for 具, which no check can find; a postal code and a day that the checks do find.
    wrong_name = rows[0].replace("文具", "文貝")
    wrong_row = rows[1].replace("340-0050", "三四〇").replace("2026/4/1", "R8.4")

    def save(*lines: str) -> None:
        file.write_bytes("".join(f"{line}\r\n" for line in (HEADER, *lines)).encode("cp932"))

    import_file = ("import", file_name, "--mapping", roster)
    save(wrong_name, wrong_row, *rows[2:])
    officer.show("file", file.read_text("cp932"))
    officer.run("errors", *import_file, status=REFUSED)
    save(wrong_name, *rows[1:])
    officer.run("import", *import_file, answers=[(import_question, "y")])

    compare_name = ("compare-name", "--category", "goods")
    officer.run("names", *compare_name, bidder_ids[0], "株式会社架空文具")
    officer.run("names", *compare_name, bidder_ids[2], "株式会社渡邊印刷")

    # The name is mended, and two rows got lost on the way; the officer overlooks the question.
    save(*rows[:3])
    yes = "はい" if officer.language == "ja" else "yes"
    officer.run("wrong-version", *import_file, answers=[(check_question, yes), (import_question, yes)])
    officer.run("difference", "show-version", roster, "2", "--compare-with", "1")
    save(*rows)
    officer.run("right-version", *import_file, answers=[(import_question, "y")])
    officer.run("versions", "versions", roster)
    original = officer.folder / "original.csv"
    officer.run("original", "show-version", roster, "1", "--file", original.name)
    assert original.read_bytes() == "".join(f"{line}\r\n" for line in (HEADER, wrong_name, *rows[1:])).encode("cp932")

    letters = officer.folder / "letters"
    officer.run(
        *("passwords", "issue-passwords", "--category", "goods", "--letters", letters.name),
        *("--bidder-id", bidder_ids[0], "--bidder-id", bidder_ids[2]),
        answers=[(import_question, "y")],
    )
    assert len(list(letters.iterdir())) == 2
    officer.show("letter", (letters / f"goods-{bidder_ids[0]}.txt").read_text("utf-8"))
