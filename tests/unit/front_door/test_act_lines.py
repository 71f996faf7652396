"""The words that a card signs (REG-09, CRD-06)."""

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from front_door.domain.act_lines import MOST_LINE_CHARACTERS, Binding, act_lines, enter
from instance_profile.model import Operation, Propagation
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS, example_profile

SERIAL = str(1 << 157)
# Ends at nine in the morning of the next day in Japan.
BINDING = Binding(
    SERIAL, "CN=登録試験認証局,O=Toroku,C=JP", datetime(2028, 3, 31, 23, 59, tzinfo=UTC), BIDDER, "株式会社髙﨑建設"
)


def lines(binding: Binding = BINDING, **changes: Any) -> list[str]:
    profile = example_profile(**changes)
    return act_lines(profile, enter(profile, PREFECTURE, WORKS, Operation.REGISTRATION), binding)


@pytest.mark.requirement("REG-09")
@pytest.mark.requirement("CRD-06")
def test_act_names_the_card_the_bidder_and_the_place_and_what_cannot_be_undone() -> None:
    text = "\n".join(lines())
    for part in (SERIAL, "登録試験認証局", BIDDER, "株式会社髙﨑建設", "例示県", "工事等", "2028/04/01"):
        assert text.count(part) >= 2, f"{part} has to stand in both languages"
    assert "ご自身では取り消せません" in text
    assert "You can't undo" in text
    assert "他のユーザIDに登録できなくなります" in text


def test_japanese_comes_first() -> None:
    found = lines()
    middle = len(found) // 2
    assert found[0].startswith("利用者登録")
    assert found[middle].startswith("Registration")


@pytest.mark.parametrize(
    ("propagation", "ja", "en"),
    [(Propagation.AT_ONCE, "すぐに", "at once"), (Propagation.NIGHT, "当日の夜間", "tonight")],
)
def test_act_says_that_the_other_agencies_follow(propagation: Propagation, ja: str, en: str) -> None:
    text = "\n".join(lines(propagation=propagation))
    assert f"他の調達機関にも、{ja}" in text
    assert en in text


def test_instance_without_propagation_says_nothing_of_other_agencies() -> None:
    assert "他の調達機関" not in "\n".join(lines(propagation=Propagation.NONE))


@pytest.mark.parametrize("hostile", ["\n", "\r", "\x00", "\u202e", "\u2028", "\u200b", "\x85"])
def test_name_of_others_cannot_break_or_turn_a_line(hostile: str) -> None:
    found = lines(replace(BINDING, company_name=f"善良{hostile}建設", issuer=f"CN=a{hostile}b"))
    assert len(found) == len(lines())
    assert hostile not in "".join(found)
    assert "善良\N{REPLACEMENT CHARACTER}建設" in "".join(found)


def test_line_is_never_longer_than_a_purpose_takes() -> None:
    found = lines(replace(BINDING, company_name="長" * 1000, issuer="CN=" + "x" * 1000))
    assert all(0 < len(line) <= MOST_LINE_CHARACTERS for line in found)
    assert sum(line.endswith("…") for line in found) == 4


def test_names_keep_the_characters_that_people_write_them_with() -> None:
    name = "株式会社髙﨑葛\U000e0100𠮷\ue000　工業"
    assert name in "\n".join(lines(replace(BINDING, company_name=name)))
    assert all(unicodedata.category(character) != "Cc" for line in lines() for character in line)
