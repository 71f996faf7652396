"""The lines that a card signs at a change (CHG-01 to CHG-03)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from front_door.domain.bidder import CompanyProfile
from front_door.domain.card_session import Card
from front_door.domain.change_lines import compose_change_lines
from instance_profile.model import Operation
from instance_profile.offers import require_operation
from signed_acts.keys import MOST_LINE_CHARACTERS
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS, example_profile
from tests.support.japanese_text import broken_rules

CARD = Card(
    certificate_sha256=bytes(32),
    serial_decimal="4711",
    issuer="CN=登録試験認証局,O=Toroku,C=JP",
    not_after=datetime(2028, 3, 31, 23, 59, tzinfo=UTC),
    company_name=None,
    holder_name=None,
    encoded=b"",
)
COMPANY = CompanyProfile(bidder_id=BIDDER, name="株式会社髙﨑建設", branch="大宮支店", encoded=b"")
BOTH = ("card_contact.telephone", "card_contact.fax", "representative_contact.mail_address")
LABELS = {"telephone": ("電話番号", "Telephone"), "fax": ("FAX番号", "Fax"), "mail_address": ("メール", "Mail")}


def lines(
    changed: Sequence[str] = BOTH,
    *,
    propagate: bool = True,
    propagation: str = "at_once",
    card: Card = CARD,
    **changes: Any,
) -> list[str]:
    fields = example_profile().model_dump()["categories"][0]["contact_fields"]
    for field in fields:
        ja, en = LABELS.get(field["field"], ("", ""))
        field["label"] = {"ja": ja or field["field"], "en": en or field["field"]}
    profile = example_profile(category={"contact_fields": fields}, propagation=propagation)
    offer = require_operation(profile, PREFECTURE, WORKS, Operation.CHANGE)
    return compose_change_lines(profile, offer, card, replace(COMPANY, **changes), changed, propagate=propagate)


def test_act_says_who_changes_what_of_whom_in_both_languages() -> None:
    act = lines()
    middle = len(act) // 2
    assert act[0].startswith("利用者変更（例示県）")
    assert act[middle].startswith("Change (例示県)")
    for half in (act[:middle], act[middle:]):
        text = "\n".join(half)
        for part in (BIDDER, "株式会社髙﨑建設　大宮支店", "4711", "2028/04/01", "登録試験認証局", "例示県", "工事等"):
            assert part in text
    assert "このICカードのみの変更：ICカード利用部署情報（電話番号、FAX番号）" in act
    assert "この業務区分における、このユーザIDの全てのICカードに共通の変更：代表窓口情報（メール）" in act
    assert "Changes for this card only: ICカード利用部署情報 (Telephone, Fax)" in act
    assert "Changes for all cards of this ユーザID in this category: 代表窓口情報 (Mail)" in act


@pytest.mark.parametrize(
    ("changed", "said", "not_said"),
    [(BOTH[:2], "このICカードのみ", "共通の変更"), (BOTH[2:], "共通の変更", "このICカードのみ")],
)
def test_contact_that_stays_is_not_named(changed: Sequence[str], said: str, not_said: str) -> None:
    text = "\n".join(lines(changed))
    assert said in text
    assert not_said not in text


def test_act_says_what_it_does_not_reach_and_from_when_it_counts() -> None:
    text = "\n".join(lines())
    assert "受け付けた時点から有効になります" in text
    assert "counts from the moment at which it is accepted" in text
    assert "既に提出した競争参加資格申請書等の参加申請書の連絡先には、反映されません。" in text
    assert "applications that were handed in already" in text


def test_act_says_whether_the_other_agencies_follow() -> None:
    assert "他の調達機関にも、同時に反映されます。" in lines(propagate=True)
    here_only = lines(propagate=False)
    assert "他の調達機関には反映されません。他の調達機関では、これまでの連絡先が引き続き使用されます。" in here_only
    assert "The other agencies do not follow: there, the contacts stay as they were." in here_only


def test_act_says_that_the_other_agencies_follow_in_the_night_and_what_counts_until_then() -> None:
    act = lines(propagation="night")
    follows = "他の調達機関にも、当日の夜間に自動反映されます。それまでは、これまでの連絡先が引き続き使用されます。"
    assert follows in act
    assert "他の調達機関にも、同時に反映されます。" not in act
    assert follows not in lines(propagation="night", propagate=False)


def test_japanese_lines_follow_the_rules_of_writing() -> None:
    for propagate, propagation in ((True, "at_once"), (True, "night"), (False, "night")):
        act = lines(propagate=propagate, propagation=propagation)
        ours = [line for line in act[: len(act) // 2] if CARD.issuer not in line and COMPANY.name not in line]
        assert {line: broken for line in ours if (broken := broken_rules(line))} == {}


@pytest.mark.parametrize("hostile", ["\n", "\x00", "\u202e", "\u200b"])
def test_foreign_name_cannot_break_a_line_or_make_it_too_long(hostile: str) -> None:
    act = lines(card=replace(CARD, issuer=f"CN={hostile}" + "x" * 1000), name=f"善良{hostile}建設")
    assert len(act) == len(lines())
    assert hostile not in "".join(act)
    assert all(0 < len(line) <= MOST_LINE_CHARACTERS for line in act)
