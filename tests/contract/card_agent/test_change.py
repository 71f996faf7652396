"""The agent's side of 変更 against the real front door in this process: what it shows, asks, signs and refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from card_agent.change.receipt import compose_receipt
from card_agent.console import change_words
from card_agent.console.person import Answer
from tests.support.changing_office import (
    CARD_CONTACT,
    REPRESENTATIVE,
    REPRESENTATIVE_CONTACT,
    ChangingOffice,
    office_at,
)
from tests.support.example_profile import BIDDER, CITY, GOODS, PREFECTURE, TOWN, WORKS, example_profile
from tests.support.office import CONTACT
from tests.support.services.front_door import COMPANY
from tests.support.tampering_proxy import altered_answer

TELEPHONE = f"{CARD_CONTACT}.telephone"
CHECKED = ["変更先", "変更する項目", "企業情報", "代表窓口情報", "ICカード利用部署情報", "ICカード情報"]


@pytest.fixture(name="office")
def office_of_this_file(changing_office: ChangingOffice) -> ChangingOffice:
    """The office, whose card is registered."""
    return changing_office


@pytest.mark.requirement("CHG-01")
async def test_contact_is_changed_from_pin_to_receipt(office: ChangingOffice) -> None:
    result = await office.change_done()
    receipt = result.receipt
    assert office.newest(CARD_CONTACT).telephone == receipt.card_contact.telephone == "048-111-2222"
    assert list(receipt.changed_fields) == [TELEPHONE]
    assert (office.changes, office.signed, office.person.pins_asked) == (1, 2, 1)
    # The form is filled with what is registered, and what is kept with the Enter key stays character for character.
    assert {path.partition(".")[2]: value for path, value in office.person.previous.items()} == CONTACT
    assert receipt.card_contact.address == CONTACT["address"]
    assert receipt.representative_contact.person_name == "代表 花子"
    assert office.unfinished.find(office.change_key) is None
    assert office.server.cards.sessions == {}


@pytest.mark.requirement("CHG-01")
async def test_check_screen_has_the_sections_of_the_manual_before_anything_is_signed(office: ChangingOffice) -> None:
    seen: list[tuple[int, list[str]]] = []

    def record() -> None:
        seen.append((office.signed, list(office.person.titles)))
        office.person.titles.clear()

    office.person.before_confirming = record
    await office.change()
    person = office.person
    (signed_before_check, titles), (signed_before_act, act) = seen
    assert (signed_before_check, titles[-6:]) == (1, CHECKED)
    assert (signed_before_act, act) == (1, ["署名する内容"])
    assert person.confirmed[0] == "この内容でよろしければ変更ボタンを押してください"
    assert person.shown["変更する項目"] == [("ICカード利用部署情報　telephone", "048-000-0000　→　048-111-2222")]
    assert str(office.card.certificate.serial_number) in person.value("ICカード情報", "証明書シリアル番号")
    assert person.value("企業情報", "商号又は名称") == COMPANY
    assert any("ICカードの証明書" in line or "変更" in line for line in person.lines)


@pytest.mark.requirement("CHG-01")
async def test_representative_contact_is_changed_for_all_cards_of_the_bidder(office: ChangingOffice) -> None:
    other = ChangingOffice(office.server, office.unfinished.directory)
    await other.have_registered()
    office.send_person(change=REPRESENTATIVE_CONTACT, **{"representative_contact.person_name": "窓口 次郎"})
    result = await office.change_done()
    assert result.receipt.representative_contact.person_name == "窓口 次郎"
    assert office.newest(CARD_CONTACT).telephone == CONTACT["telephone"]
    told = " ".join(office.person.told)
    assert "このICカードだけの連絡先です。" in told
    assert "すべてのICカードに共通の連絡先です。" in told
    other.send_person(change="nothing")
    await other.change()
    assert "窓口 次郎" in dict(other.person.shown["代表窓口情報"]).values()


@pytest.mark.requirement("CHG-01")
async def test_both_contacts_are_changed_by_one_act(office: ChangingOffice) -> None:
    office.send_person(change="both", **{"representative_contact.fax": "048-999-0000"})
    receipt = (await office.change_done()).receipt
    assert list(receipt.changed_fields) == [TELEPHONE, "representative_contact.fax"]
    assert (office.changes, office.signed) == (1, 2)


@pytest.mark.requirement("CHG-01")
async def test_receipt_has_what_changed_and_all_contacts(office: ChangingOffice) -> None:
    result = await office.change_done()
    paper = compose_receipt(result.receipt, result.instance, "ja")
    for part in (COMPANY, BIDDER, "代表 花子", "土木 一郎", "048-111-2222", "例示県", result.receipt.request_id):
        assert part in paper
    assert "048-000-0000" in compose_receipt(result.receipt, result.instance, "en")
    assert paper.startswith("【利用者情報】")
    assert "変更前のメールアドレスにも届きます" in office.person.told[-1]


@pytest.mark.requirement("CHG-02")
@pytest.mark.parametrize(("chosen", "propagates"), [("everywhere", True), ("here", False)])
async def test_person_chooses_whether_the_other_agencies_follow(
    office: ChangingOffice, chosen: str, propagates: bool
) -> None:
    await office.have_registered(agencies=(CITY, TOWN))
    office.send_person(propagate=chosen)
    result = await office.change_done()
    assert office.person.chosen_from["propagate"] == ["everywhere", "here"]
    assert office.person.value("変更先", "このICカードが登録されている他の調達機関") == "例示市、例示町"
    assert result.receipt.propagate is propagates
    [commit] = office.server.contacts.commits
    assert json.loads(commit.form).get("propagate", False) is propagates


async def test_nobody_is_asked_about_other_agencies_where_there_are_none(office: ChangingOffice) -> None:
    assert (await office.change_done()).receipt.propagate
    assert "propagate" not in office.person.chosen_from


@pytest.mark.parametrize(("propagation", "propagates"), [("at_once", True), ("none", False)])
async def test_instance_decides_where_it_lets_nobody_choose(tmp_path: Path, propagation: str, propagates: bool) -> None:
    profile = example_profile(propagation=propagation, propagation_chosen_at=[])
    async with office_at(tmp_path, profile) as office:
        await office.have_registered(agencies=(CITY,))
        office.send_person()
        assert (await office.change_done()).receipt.propagate is propagates
        assert "propagate" not in office.person.chosen_from


@pytest.mark.requirement("CHG-03")
async def test_change_says_from_when_it_counts_and_what_it_does_not_reach(office: ChangingOffice) -> None:
    said: list[str] = []
    office.person.before_confirming = lambda: said.extend(office.person.told)
    result = await office.change_done()
    sentence = "※既に競争参加資格申請書等の参加申請書で入力した連絡先には反映されません。"
    assert "変更した内容は、変更が完了した時点から有効になります。" in said
    assert sentence in said
    assert sentence in office.person.told[-3:]
    assert "変更日時（この日時から有効）" in compose_receipt(result.receipt, result.instance, "ja")


@pytest.mark.requirement("CHG-05")
async def test_what_is_registered_is_shown_and_left_without_a_change(office: ChangingOffice) -> None:
    await office.have_registered(agencies=(CITY,))
    office.server.contacts.agencies_with_earlier_contacts = [CITY]
    person = office.send_person(change="nothing")
    assert await office.change() is None
    assert (office.changes, office.signed, office.server.cards.sessions) == (0, 1, {})
    assert "PrepareChange" not in office.proxy.calls
    assert person.titles[-4:] == ["登録されている内容", "企業情報", "代表窓口情報", "ICカード利用部署情報"]
    assert person.value("登録されている内容", "ユーザID") == BIDDER
    assert person.value("登録されている内容", "変更前の連絡先を使用している調達機関") == "例示市"
    assert set(CONTACT.values()) <= set(dict(person.shown["ICカード利用部署情報"]).values())
    assert set(REPRESENTATIVE.values()) <= set(dict(person.shown["代表窓口情報"]).values())
    assert person.told[-1] == change_words.LEFT.ja
    assert office.unfinished.find(office.change_key) is None


@pytest.mark.requirement("ENT-04")
async def test_each_category_is_changed_by_itself(office: ChangingOffice) -> None:
    await office.have_registered(category=GOODS)
    person = office.send_person(category=GOODS)
    await office.change_done()
    assert office.newest(CARD_CONTACT, GOODS).telephone == "048-111-2222"
    assert office.newest(CARD_CONTACT, WORKS).telephone == CONTACT["telephone"]
    assert any("業務区分ごとに変更してください" in sentence for sentence in person.told)
    assert any("ICカードごとに変更してください" in sentence for sentence in person.told)


async def test_no_difference_is_said_and_nothing_is_written(office: ChangingOffice) -> None:
    office.send_person(**{TELEPHONE: CONTACT["telephone"]})
    assert await office.change() is None
    assert (office.changes, office.signed) == (0, 1)
    assert change_words.NOTHING_DIFFERS.ja in office.person.told
    assert "PrepareChange" not in office.proxy.calls


async def test_only_wrong_fields_are_asked_for_again(office: ChangingOffice) -> None:
    office.send_person(**{TELEPHONE: ["０４８", "048-111-2222"]})
    office.person.tries_again = lambda _refusal: True
    await office.change_done()
    (refused,) = office.person.refused
    assert [violation.field for violation in refused.violations] == [TELEPHONE]
    assert office.person.asked.count(TELEPHONE) == 2
    assert office.person.asked.count("card_contact.department") == 1


async def test_one_field_is_corrected_before_the_act(office: ChangingOffice) -> None:
    await office.have_registered(agencies=(CITY,))
    person = office.send_person(
        correction=["card_contact.person_name", "propagate", "done"],
        propagate=["here", "everywhere"],
        **{"card_contact.person_name": ["土木 一郎", "建築 次郎"]},
    )
    person.confirmations = [Answer.BACK]
    receipt = (await office.change_done()).receipt
    assert (receipt.card_contact.person_name, receipt.propagate) == ("建築 次郎", True)
    assert person.asked.count(TELEPHONE) == 1


@pytest.mark.parametrize("confirmations", [[Answer.NO], [Answer.YES, Answer.NO]])
async def test_nothing_is_changed_without_agreement(office: ChangingOffice, confirmations: list[Answer]) -> None:
    office.person.confirmations = confirmations
    assert (await office.change_refused()).reason == "CHANGE_GIVEN_UP"
    assert (office.changes, office.signed) == (0, 1)


async def test_registered_mail_address_is_not_typed_twice_unless_it_changes(tmp_path: Path) -> None:
    async with office_at(tmp_path, example_profile(category={"mail_address_typed_twice": True})) as office:
        await office.change_done()
        assert "card_contact.mail_address_again" not in office.person.asked
        new = "new@contractor.example"
        again: dict[str, str | list[str]] = {
            "card_contact.mail_address": new,
            "card_contact.mail_address_again": [CONTACT["mail_address"], new],
        }
        person = office.send_person(**again)
        person.tries_again = lambda _refusal: True
        assert (await office.change_done()).receipt.card_contact.mail_address == new
        assert person.asked.count("card_contact.mail_address_again") == 2


async def test_card_that_is_not_registered_here_is_refused_right_after_the_pin(office: ChangingOffice) -> None:
    office.send_person(agency=CITY)
    assert (await office.change_refused()).reason == "CARD_NOT_REGISTERED_HERE"
    assert office.person.asked == []


def with_values(purpose: bytes, **changes: object) -> bytes:
    return rfc8785.dumps(json.loads(purpose) | changes)


LOG_IN_CHANGES: dict[str, dict[str, object]] = {
    "PURPOSE_FOR_ANOTHER_OPERATION": {"operation": "registration"},
    "PURPOSE_FOR_ANOTHER_AGENCY": {"agency": CITY},
}


@pytest.mark.parametrize("reason", list(LOG_IN_CHANGES))
async def test_altered_log_in_is_not_signed(office: ChangingOffice, reason: str) -> None:
    def alter(answer: Any) -> None:
        answer.purpose = with_values(answer.purpose, **LOG_IN_CHANGES[reason])

    office.proxy.answers["BeginChange"] = altered_answer(alter)
    assert (await office.change_refused()).reason == reason
    assert office.signed == 0


async def test_act_with_other_contacts_than_typed_is_not_signed(office: ChangingOffice) -> None:
    def change_contacts(request: Any, ask: Any) -> Any:
        request.change.card_contact.contact.mail_address = "thief@elsewhere.example"
        return ask()

    office.proxy.answers["PrepareChange"] = change_contacts
    assert (await office.change_refused()).reason == "PURPOSE_FOR_ANOTHER_REQUEST"
    assert (office.signed, office.changes) == (1, 0)


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("PURPOSE_FOR_ANOTHER_BIDDER", {"bidder_id": "1000000002"}),
        ("PURPOSE_FOR_ANOTHER_REQUEST", {"request_sha256": "00" * 32}),
        ("PURPOSE_FOR_ANOTHER_OPERATION", {"operation": "registration"}),
    ],
)
async def test_altered_act_is_not_signed(office: ChangingOffice, reason: str, changes: dict[str, object]) -> None:
    def alter(answer: Any) -> None:
        if answer.purpose:
            answer.purpose = with_values(answer.purpose, **changes)

    office.proxy.answers["PrepareChange"] = altered_answer(alter)
    assert (await office.change_refused()).reason == reason
    assert (office.signed, office.changes) == (1, 0)


async def test_nothing_typed_or_secret_is_in_what_the_card_signs(office: ChangingOffice) -> None:
    await office.change_done()
    [submitted] = [request for request in office.proxy.requests if type(request).__name__ == "SubmitChangeRequest"]
    lines = " ".join(json.loads(submitted.act.purpose)["lines"])
    assert "048-111-2222" not in lines
    assert PREFECTURE not in lines
