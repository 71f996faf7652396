"""The lines that a card signs (REG-09, CRD-06)."""

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from front_door.domain.act_lines import compose_act_lines
from front_door.domain.bidder import CompanyProfile
from front_door.domain.card_session import Card
from instance_profile.model import Operation, Propagation
from instance_profile.offers import require_operation
from signed_acts.keys import MOST_LINE_CHARACTERS
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS, example_profile
from tests.support.japanese_text import broken_rules

SERIAL = str(1 << 157)
CARD = Card(
    certificate_sha256=bytes(32),
    serial_decimal=SERIAL,
    issuer="CN=登録試験認証局,O=Toroku,C=JP",
    # Nine in the morning of the next day in Japan.
    not_after=datetime(2028, 3, 31, 23, 59, tzinfo=UTC),
    company_name=None,
    holder_name=None,
    encoded=b"",
)
COMPANY = CompanyProfile(bidder_id=BIDDER, name="株式会社髙﨑建設", branch="", encoded=b"")


def lines(card: Card = CARD, company: CompanyProfile = COMPANY, person: str = "", **changes: Any) -> list[str]:
    profile = example_profile(**changes)
    offer = require_operation(profile, PREFECTURE, WORKS, Operation.REGISTRATION)
    return compose_act_lines(profile, offer, card, company, person)


def test_act_names_card_bidder_agency_and_what_cannot_be_undone() -> None:
    text = "\n".join(lines())
    for part in (SERIAL, "登録試験認証局", BIDDER, "株式会社髙﨑建設", "例示県", "工事等", "2028/04/01"):
        assert text.count(part) >= 2, f"{part} must be in both languages"
    assert "下記のユーザIDのICカードとして利用者登録します" in text
    assert "ご自身では取り消せません" in text
    assert "取消しができるのは調達機関の職員のみです（記録が残ります）" in text
    assert "You can't undo" in text
    assert "他のユーザIDに登録できなくなります" in text


def test_japanese_lines_follow_the_rules_of_writing() -> None:
    for propagation in Propagation:
        act = lines(propagation=propagation, person="登録　花子")
        # What a certificate and a roster say is theirs.
        ours = [line for line in act[: len(act) // 2] if CARD.issuer not in line and COMPANY.name not in line]
        assert {line: broken for line in ours if (broken := broken_rules(line))} == {}


def test_japanese_comes_first() -> None:
    act = lines()
    middle = len(act) // 2
    assert act[0].startswith("利用者登録")
    assert act[middle].startswith("Registration")


def test_act_announces_propagation_to_the_other_agencies() -> None:
    text = "\n".join(lines(propagation=Propagation.AT_ONCE))
    assert "他の調達機関にも、自動反映されます" in text
    assert "other agencies at which the bidder is qualified" in text


def test_act_announces_propagation_in_the_night_where_that_is_when_it_happens() -> None:
    text = "\n".join(lines(propagation=Propagation.NIGHT))
    assert "他の調達機関にも、当日の夜間に自動反映されます" in text
    assert "in the night of the same day, to the other agencies" in text
    assert "夜間" not in "\n".join(lines(propagation=Propagation.AT_ONCE))


def test_act_without_propagation_does_not_mention_other_agencies() -> None:
    text = "\n".join(lines(propagation=Propagation.NONE))
    assert "他の調達機関" not in text
    assert "other agencies" not in text


@pytest.mark.parametrize("hostile", ["\n", "\r", "\x00", "\u202e", "\u2028", "\u200b", "\x85"])
def test_foreign_name_cannot_break_or_reverse_a_line(hostile: str) -> None:
    act = lines(replace(CARD, issuer=f"CN=a{hostile}b"), replace(COMPANY, name=f"善良{hostile}建設"))
    assert len(act) == len(lines())
    assert hostile not in "".join(act)
    assert "善良\N{REPLACEMENT CHARACTER}建設" in "".join(act)


def test_line_is_never_longer_than_a_purpose_allows() -> None:
    act = lines(replace(CARD, issuer="CN=" + "x" * 1000), replace(COMPANY, name="長" * 1000))
    assert all(0 < len(line) <= MOST_LINE_CHARACTERS for line in act)
    assert sum(line.endswith("…") for line in act) == 4


def test_names_keep_their_unusual_characters() -> None:
    name = "株式会社髙﨑葛\U000e0100𠮷\ue000　工業"
    assert name in "\n".join(lines(company=replace(COMPANY, name=name)))
    assert all(unicodedata.category(character) != "Cc" for line in lines() for character in line)


def test_branch_follows_the_company_name() -> None:
    assert "株式会社髙﨑建設　大宮支店" in "\n".join(lines(company=replace(COMPANY, branch="大宮支店")))


def test_card_before_this_one_is_named_in_both_languages_only_where_one_is_given() -> None:
    profile = example_profile()
    offer = require_operation(profile, PREFECTURE, WORKS, Operation.REGISTRATION)
    act = compose_act_lines(profile, offer, CARD, COMPANY, "", "4711")
    named = [line for line in act if "4711" in line]
    assert named == [
        "期限切れとなった以前のICカード：証明書シリアル番号4711",
        "Card before this one, expired: serial number 4711",
    ]
    assert [line for line in act if line not in named] == lines()


def test_person_in_charge_is_named_in_both_languages_only_where_one_is_given() -> None:
    act = lines(person="髙﨑　花子")
    assert "担当者：髙﨑　花子" in act
    assert "Person in charge: 髙﨑　花子" in act
    assert [line for line in act if "髙﨑　花子" not in line] == lines() == lines(person="　 ")
    hostile = lines(person="花\u202e子\x85")
    assert len(hostile) == len(act)
    assert "\u202e" not in "".join(hostile)
