"""Letters with user IDs and passwords."""

from datetime import date
from pathlib import Path

import pytest

from instance_profile import load_profile
from operator_command.officer.letters import (
    compose_letter,
    make_sender,
    name_letter_file,
    prepare_folder,
)
from operator_command.officer.private_files import write_atomically
from refusals import Refusal
from tests.support.example_profile import WORKS, example_profile
from tests.support.japanese_text import broken_rules
from tests.support.running_instance import PROFILE
from toroku.qualification.v1.bidder_pb2 import CompanyProfile, PasswordLetter

SAITAMA = load_profile(PROFILE)
DAY = date(2026, 11, 27)
COMPANY = CompanyProfile(
    bidder_id="1000000001",
    name="株式会社髙﨑建設",
    postal_code="330-9301",
    address="埼玉県さいたま市",
    representative_name="髙﨑　太郎",
    representative_title="代表取締役",
)
LETTER = PasswordLetter(company=COMPANY, category=WORKS, password="Ab3dE6gH")


def test_letter_has_recipient_password_and_next_steps() -> None:
    text = compose_letter(LETTER, make_sender(example_profile(), WORKS), DAY, reissued=False)
    for part in (
        "〒330-9301",
        "株式会社髙﨑建設　御中",
        "代表取締役　髙﨑　太郎　様",
        "2026年11月27日",
        "例示県",
        "工事等",
        "：1000000001",
        "：Ab3dE6gH",
        "このあとの手続き",
        "048-000-0009",
    ):
        assert part in text
    assert "当日は登録できません" not in text


def test_letter_with_a_new_password_says_that_it_is_valid_from_tomorrow() -> None:
    text = compose_letter(LETTER, make_sender(example_profile(), WORKS), DAY, reissued=True)
    assert "当日は登録できません" in text
    assert "以前にお知らせしたパスワードは使えなくなりました" in text


def test_letter_to_a_delegated_branch_names_it() -> None:
    branch = PasswordLetter(company=CompanyProfile(name="見本建設株式会社", branch="埼玉支店"), category=WORKS)
    text = compose_letter(branch, make_sender(example_profile(), WORKS), DAY, reissued=False)
    assert "見本建設株式会社　埼玉支店　御中\n" in text
    # The search is by the company's name alone (QUA-02).
    assert "支店名等は入力しないでください" in text
    assert "支店名" not in compose_letter(LETTER, make_sender(example_profile(), WORKS), DAY, reissued=False)


def test_letter_follows_the_rules_of_writing_and_the_steps_of_the_agent() -> None:
    for category in SAITAMA.categories:
        text = compose_letter(LETTER, make_sender(SAITAMA, category.code), DAY, reissued=True)
        assert broken_rules(text) == []
        assert text.index("PIN") < text.index("検索して")
        # The agent has no such choice.
        assert "「登録」を選び" not in text


def test_letter_has_the_words_of_the_profile_only() -> None:
    text = compose_letter(LETTER, make_sender(SAITAMA, "goods"), DAY, reissued=False)
    desk = SAITAMA.help_desk
    for part in (
        SAITAMA.name.ja,
        "：物品等\n",
        desk.name.ja,
        desk.telephone,
        desk.hours.ja,
        desk.mail_address,
        desk.url,
    ):
        assert part in text
    assert "goods" not in text
    # What it says of below is below.
    assert desk.telephone in text[text.rindex("下記または調達機関の担当者") :]


def test_letter_says_every_way_of_a_reissue_where_the_profile_does() -> None:
    for category in SAITAMA.categories:
        text = compose_letter(LETTER, make_sender(SAITAMA, category.code), DAY, reissued=False)
        assert category.reissue is not None
        assert text.count(category.reissue.summary.ja) == 1


def test_letter_omits_fields_that_the_roster_lacks() -> None:
    bare = PasswordLetter(company=CompanyProfile(bidder_id="1", name="甲"), category="works", password="x")
    text = compose_letter(bare, make_sender(example_profile(), WORKS), DAY, reissued=False)
    assert text.startswith("甲　御中\n")
    assert "〒" not in text


def test_unknown_category_is_refused() -> None:
    with pytest.raises(Refusal, match="CATEGORY_UNKNOWN"):
        make_sender(example_profile(), "potions")


def test_letter_file_is_complete_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    prepare_folder(folder)
    file = name_letter_file(folder, LETTER)
    write_atomically(file, b"old")
    write_atomically(file, b"new")
    assert (file.name, file.read_bytes()) == ("works-1000000001.txt", b"new")
    assert file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in folder.iterdir()] == [file.name]


@pytest.mark.parametrize("bidder_id", ["../../etc/passwd", "/tmp/x", "a\x00b", "..", "あ"])
def test_no_bidder_id_escapes_the_folder(tmp_path: Path, bidder_id: str) -> None:
    letter = PasswordLetter(company=CompanyProfile(bidder_id=bidder_id), category="../works")
    file = name_letter_file(tmp_path, letter)
    write_atomically(file, b"")
    assert file.resolve().parent == tmp_path.resolve()


def test_unwritable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Refusal, match="LETTERS_FOLDER_UNUSABLE"):
        prepare_folder(tmp_path / "file" / "letters")
