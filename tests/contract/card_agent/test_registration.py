"""The agent's side of 登録 against the real front door in this process: what it shows, asks, signs and refuses."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec

from card_agent.console.person import Answer
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.registration.receipt import compose_receipt
from refusals import Refusal
from tests.support.card_in_memory import PivInMemory
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, TOWN, VILLAGE, WORKS
from tests.support.office import ANSWERS, CONTACT, GENERAL_AUTHENTICATE, Office, replace_person
from tests.support.scripted_person import ScriptedPerson
from tests.support.services.front_door import COMPANY, PASSWORD
from tests.support.tampering_proxy import altered_answer


@pytest.mark.requirement("REG-01")
@pytest.mark.requirement("CRD-01")
async def test_card_is_registered_from_choice_to_receipt(office: Office) -> None:
    result = await office.register()
    receipt = result.receipt
    assert receipt.registration.bidder_id == BIDDER
    assert receipt.registration.certificate_sha256 == office.card.sha256
    assert receipt.card_contact.person_name == "土木 一郎"
    assert receipt.representative_contact.person_name == "代表 花子"
    assert office.registrations() == 1
    assert office.signatures == 2
    assert office.unfinished.find(office.key) is None
    assert office.server.cards.sessions == {}


@pytest.mark.requirement("CRD-01")
async def test_pin_is_asked_for_once_and_forgotten_by_the_card_after_each_use(office: Office) -> None:
    await office.register()
    assert office.person.pins_asked == 1
    assert not office.piv.verified


@pytest.mark.requirement("CRD-01")
async def test_neither_the_pin_nor_the_private_key_leaves_the_agent(office: Office) -> None:
    await office.register()
    assert isinstance(office.card.key, ec.EllipticCurvePrivateKey)
    number = office.card.key.private_numbers().private_value
    secrets = [b"123456", number.to_bytes(32, "big"), f"{number:x}".encode(), str(number).encode()]
    sent = b"".join(request.SerializeToString() for request in office.proxy.requests)
    assert office.card.der in sent
    assert not [secret for secret in secrets if secret in sent]


@pytest.mark.requirement("CRD-02")
async def test_every_use_of_the_card_is_shown_as_busy(office: Office) -> None:
    await office.register()
    # Reading, log-in, act.
    assert office.person.times_busy == 3
    assert not office.person.is_busy


@pytest.mark.requirement("ENT-01")
async def test_only_categories_of_the_chosen_agency_are_offered(office: Office) -> None:
    await office.register()
    assert office.person.chosen_from["agency"] == [PREFECTURE, CITY, TOWN, VILLAGE]
    assert office.person.chosen_from["category"] == [WORKS, "goods"]
    village = Office(office.server, office.unfinished.directory)
    village.person = ScriptedPerson(
        {name: value for name, value in ANSWERS.items() if name != "category"} | {"agency": VILLAGE}
    )
    await village.register()
    assert village.person.chosen_from["category"] == [WORKS]


@pytest.mark.requirement("REG-04")
@pytest.mark.requirement("REG-09")
async def test_all_values_and_lines_of_the_act_are_shown_before_it_is_signed(office: Office) -> None:
    signature_counts: list[int] = []
    titles: list[list[str]] = []

    def record() -> None:
        signature_counts.append(office.signatures)
        titles.append(list(office.person.titles))
        office.person.titles.clear()

    office.person.before_confirming = record
    await office.register()
    assert signature_counts == [1, 1]
    values, act = titles
    assert values[-5:] == ["登録先", "ICカード情報", "企業情報", "代表窓口情報", "ICカード利用部署情報"]
    assert act == ["署名する内容"]
    person = office.person
    assert person.value("企業情報", "商号又は名称") == COMPANY
    assert set(dict(person.shown["ICカード利用部署情報"]).values()) >= set(CONTACT.values())
    assert "代表 花子" in dict(person.shown["代表窓口情報"]).values()
    assert person.value("登録先", person.place.bidder_id_label.ja) == BIDDER
    assert str(office.card.certificate.serial_number) in person.value("ICカード情報", "証明書シリアル番号")
    assert any(BIDDER in line and COMPANY in line for line in person.lines)
    assert any(str(office.card.certificate.serial_number) in line for line in person.lines)
    assert any("御社の企業名称である" in sentence for sentence in person.told)


@pytest.mark.requirement("REG-09")
async def test_act_is_shown_completely_with_its_details(office: Office) -> None:
    act: dict[str, Any] = {}
    office.proxy.answers["PrepareRegistration"] = altered_answer(
        lambda answer: act.update(json.loads(answer.purpose)) if answer.purpose else None
    )
    await office.register(details=True)
    shown = set(dict(office.person.shown["署名する内容"]).values())
    for name in ("instance", "agency", "category", "certificate_sha256", "bidder_id", "request_id", "request_sha256"):
        assert act[name] in shown
    assert office.person.lines == act["lines"]
    digest = sha256(act["request_id"].encode()).hexdigest()
    assert office.person.shown["履歴への記録"] == [("記録のSHA-256", digest)]


@pytest.mark.requirement("REG-06")
async def test_receipt_names_company_contacts_and_card(office: Office) -> None:
    result = await office.register()
    text = compose_receipt(result.receipt, result.instance, "ja")
    for part in (COMPANY, BIDDER, "代表 花子", "土木 一郎", "例示県", result.receipt.card.holder_name):
        assert part in text
    assert "null" not in text
    assert "None" not in text
    assert PASSWORD not in text
    # The proof comes seconds later, and is in the file of whoever fetches the receipt then.
    assert "履歴への記録の証明" not in text
    result.receipt.history_receipt = '{"position": 1}'
    assert compose_receipt(result.receipt, result.instance, "ja").endswith('【履歴への記録の証明】\n{"position": 1}\n')
    # Only a profile that asks for it has its users print the receipt.
    assert not [sentence for sentence in office.person.told if "印刷" in sentence]


@pytest.mark.requirement("REG-03")
async def test_representative_contact_is_asked_for_only_if_there_is_none(office: Office) -> None:
    await office.register()
    assert "representative_contact.department" in office.person.asked
    staged = next(iter(office.server.contacts.staged.values()))
    office.server.contacts.representatives[BIDDER, WORKS] = staged.representative_contact.contact
    second = Office(office.server, office.unfinished.directory)
    await second.register()
    assert not [path for path in second.person.asked if path.startswith("representative_contact")]
    assert "代表 花子" in dict(second.person.shown["代表窓口情報"]).values()


@pytest.mark.parametrize("confirmations", [[Answer.NO], [Answer.YES, Answer.NO]])
async def test_nothing_is_registered_without_agreement(office: Office, confirmations: list[Answer]) -> None:
    office.person.confirmations = confirmations
    assert (await office.refused()).reason == "REGISTRATION_GIVEN_UP"
    assert office.registrations() == 0
    assert office.signatures == 1
    assert office.server.cards.sessions == {}


@pytest.mark.requirement("REG-02")
async def test_only_wrong_fields_are_asked_for_again(office: Office) -> None:
    replace_person(
        office, **{"card_contact.telephone": ["０４８", "048-000-0000"], "card_contact.fax": ["x", "048-000-0001"]}
    )
    office.person.tries_again = lambda _refusal: True
    result = await office.register()
    (refused,) = office.person.refused
    assert {violation.field for violation in refused.violations} == {"card_contact.telephone", "card_contact.fax"}
    assert office.person.asked.count("card_contact.telephone") == 2
    assert office.person.asked.count("card_contact.department") == 1
    assert result.receipt.card_contact.telephone == "048-000-0000"


async def test_wrong_fields_are_refused_without_a_retry(office: Office) -> None:
    replace_person(office, **{"card_contact.telephone": "０４８"})
    refused = await office.refused()
    assert refused.reason == "FIELDS_INVALID"
    assert [violation.field for violation in refused.violations] == ["card_contact.telephone"]
    assert office.registrations() == 0


async def test_search_without_result_can_be_retried(office: Office) -> None:
    replace_person(office, **{"search.password": ["wr0ngPas", PASSWORD]})
    office.person.tries_again = lambda _refusal: True
    await office.register()
    assert [refusal.reason for refusal in office.person.refused] == ["BIDDER_NOT_FOUND"]


@pytest.mark.requirement("CRD-03")
async def test_wrong_pin_is_reported_with_the_tries_left_and_can_be_retried(office: Office) -> None:
    office.person.pins = ["000000", "123456"]
    office.person.tries_again = lambda _refusal: True
    await office.register()
    (refused,) = office.person.refused
    assert (refused.reason, refused.metadata["tries_left"]) == ("CARD_PIN_WRONG", "2")
    assert office.person.pins_asked == 2


@pytest.mark.requirement("CRD-03")
async def test_wrong_pin_is_never_resent_automatically(office: Office) -> None:
    office.person.pins = ["000000"]
    refused = await office.refused()
    assert (refused.reason, refused.metadata["tries_left"]) == ("CARD_PIN_WRONG", "2")
    assert office.piv.tries_left == 2


@pytest.mark.requirement("CRD-03")
async def test_refusal_of_a_blocked_card_is_explained_by_its_ca(office: Office) -> None:
    office.piv.tries_left = 1
    office.person.pins = ["000000"]
    refused = await office.refused()
    assert refused.reason == "CARD_PIN_BLOCKED"
    assert office.person.place.authority == "test-ca"


async def test_another_card_neither_receives_the_pin_nor_signs(office: Office) -> None:
    other = PivInMemory.of(office.server.card(), pin="654321")
    first_connection = office.card_in_memory.connection

    def swap(_answer: Any) -> None:
        office.card_in_memory.connection = other.connection

    office.proxy.answers["OpenSession"] = altered_answer(swap)
    assert (await office.refused()).reason == "CARD_CHANGED"
    assert other.connection.piv.tries_left == 3
    assert GENERAL_AUTHENTICATE not in other.connection.instructions
    assert first_connection.instructions.count(GENERAL_AUTHENTICATE) == 1
    assert office.registrations() == 0


@pytest.mark.requirement("CRD-09")
async def test_card_removed_before_the_act_can_be_reinserted(office: Office) -> None:
    def pull(_answer: Any) -> None:
        office.card_in_memory.connection.removed = True

    def put_back(refusal: Refusal) -> bool:
        office.card_in_memory.connection.removed = False
        return refusal.reason == "CARD_REMOVED"

    office.proxy.answers["OpenSession"] = altered_answer(pull)
    office.person.tries_again = put_back
    await office.register()
    assert office.person.pins_asked == 1
    assert office.registrations() == 1


@pytest.mark.requirement("CRD-08")
async def test_certificate_file_is_registered_like_a_card(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "card.p12"
    path.write_bytes(office.card.pkcs12(b"secret"))
    office.person.pins = ["wrong", "secret"]
    office.person.tries_again = lambda refusal: refusal.reason == "CARD_FILE_PASSWORD_WRONG"
    office.medium = Pkcs12File(path)
    await office.register()
    assert office.registrations() == 1
    assert office.person.pins_asked == 2


async def test_other_instance_than_expected_is_refused_before_the_card_is_used(office: Office) -> None:
    refused = await office.refused(instance_id="saitama")
    assert (refused.reason, refused.metadata) == ("INSTANCE_DIFFERS", {"found": "example", "expected": "saitama"})
    assert office.card_in_memory.connection.commands == []


def with_values(purpose: bytes, **changes: object) -> bytes:
    return rfc8785.dumps(json.loads(purpose) | changes)


LOG_IN_CHANGES: dict[str, dict[str, object]] = {
    "PURPOSE_FOR_ANOTHER_INSTANCE": {"instance": "another"},
    "PURPOSE_FOR_ANOTHER_AGENCY": {"agency": CITY},
    "PURPOSE_FOR_ANOTHER_CATEGORY": {"category": "goods"},
    "PURPOSE_OPERATION_UNKNOWN": {"operation": "withdrawal"},
    "PURPOSE_FOR_ANOTHER_OPERATION": {"operation": "change"},
    "PURPOSE_FOR_ANOTHER_CARD": {"certificate_sha256": "00" * 32},
    "PURPOSE_FOR_ANOTHER_TYPE": {
        **{
            "type": "act",
            "bidder_id": BIDDER,
            "request_id": str(UUID(int=1)),
            "request_sha256": "00" * 32,
            "lines": ["登録"],
        }
    },
    "PURPOSE_MALFORMED": {"note": "and also this"},
}


@pytest.mark.parametrize("reason", list(LOG_IN_CHANGES))
async def test_altered_log_in_is_not_signed(office: Office, reason: str) -> None:
    def alter(answer: Any) -> None:
        answer.purpose = with_values(answer.purpose, **LOG_IN_CHANGES[reason])

    office.proxy.answers["BeginRegistration"] = altered_answer(alter)
    assert (await office.refused()).reason == reason
    assert office.signatures == 0
    assert office.person.pins_asked == 0


ACT_CHANGES: dict[str, dict[str, object]] = {
    "PURPOSE_FOR_ANOTHER_BIDDER": {"bidder_id": "1000000002"},
    "PURPOSE_FOR_ANOTHER_REQUEST": {"request_sha256": "00" * 32},
    "PURPOSE_MALFORMED": {"lines": ["登録\x1b[2J"]},
}


@pytest.mark.parametrize("reason", list(ACT_CHANGES))
async def test_altered_act_is_not_signed(office: Office, reason: str) -> None:
    def alter(answer: Any) -> None:
        if answer.purpose:
            answer.purpose = with_values(answer.purpose, **ACT_CHANGES[reason])

    office.proxy.answers["PrepareRegistration"] = altered_answer(alter)
    assert (await office.refused()).reason == reason
    assert office.signatures == 1
    assert office.registrations() == 0


OTHER_BIDDER = "1000000002"


def answer_with_another_bidder(office: Office) -> None:
    """Has the front door act for another bidder than the one typed, in the search and in all that follows."""

    def search_another(request: Any, ask: Any) -> Any:
        answer = ask()
        answer.company.bidder_id = OTHER_BIDDER
        return answer

    office.proxy.answers["FindBidder"] = search_another


async def test_other_bidder_than_typed_is_refused_where_nobody_can_be_asked(office: Office) -> None:
    answer_with_another_bidder(office)
    office.person.is_present = False
    refused = await office.refused()
    assert (refused.reason, refused.metadata) == ("BIDDER_DIFFERS", {"typed": BIDDER, "found": OTHER_BIDDER})
    assert office.signatures == 1
    assert "PrepareRegistration" not in office.proxy.calls


async def test_other_bidder_than_typed_is_shown_beside_it_and_agreed_to(office: Office) -> None:
    answer_with_another_bidder(office)
    office.person.confirmations = [Answer.NO]
    assert (await office.refused()).reason == "REGISTRATION_GIVEN_UP"
    label = office.person.place.bidder_id_label.ja
    title = f"入力した{label}と見つかった{label}が異なります"
    assert office.person.value(title, f"入力した{label}") == BIDDER
    assert office.person.value(title, f"見つかった{label}") == OTHER_BIDDER
    assert office.person.value(title, "見つかった企業") == COMPANY
    assert office.signatures == 1


async def test_merged_number_is_registered_if_the_person_agrees(office: Office) -> None:
    office.proxy.answers["FindBidder"] = typed_number_was_merged
    replace_person(office, **{"search.bidder_id": OTHER_BIDDER})
    result = await office.register()
    assert result.receipt.registration.bidder_id == BIDDER
    assert len(office.person.confirmed) == 3


def typed_number_was_merged(request: Any, ask: Any) -> Any:
    request.bidder_id = BIDDER
    return ask()


ANSWER_CHANGES: dict[str, tuple[str, Callable[[Any], None]]] = {
    "bidder of the form": ("PURPOSE_FOR_ANOTHER_BIDDER", lambda answer: set_bidder(answer.form)),
    "bidder of the company": ("PURPOSE_FOR_ANOTHER_BIDDER", lambda answer: set_bidder(answer.company)),
    "contact of the form": ("PURPOSE_FOR_ANOTHER_REQUEST", lambda answer: answer.form.ClearField("card_contact")),
}


def set_bidder(message: Any) -> None:
    message.bidder_id = OTHER_BIDDER


@pytest.mark.parametrize("change", list(ANSWER_CHANGES))
async def test_act_that_comes_with_another_form_is_not_signed(office: Office, change: str) -> None:
    reason, alter = ANSWER_CHANGES[change]
    office.proxy.answers["PrepareRegistration"] = altered_answer(
        lambda answer: alter(answer) if answer.purpose else None
    )
    assert (await office.refused()).reason == reason
    assert office.signatures == 1
    assert office.registrations() == 0


async def test_act_with_other_contacts_than_typed_is_not_signed(office: Office) -> None:
    def change_contacts(request: Any, ask: Any) -> Any:
        request.card_contact.contact.mail_address = "thief@elsewhere.example"
        return ask()

    office.proxy.answers["PrepareRegistration"] = change_contacts
    assert (await office.refused()).reason == "PURPOSE_FOR_ANOTHER_REQUEST"
    assert office.signatures == 1


@pytest.mark.requirement("CRD-06")
async def test_card_registered_here_is_refused_right_after_the_pin(office: Office) -> None:
    await office.register()
    replace_person(office)
    assert (await office.refused()).reason == "CARD_ALREADY_REGISTERED"
    assert office.person.asked == []


@pytest.mark.requirement("CRD-06")
async def test_same_card_and_bidder_are_registered_at_a_further_agency(office: Office) -> None:
    await office.register()
    replace_person(office, agency=CITY)
    result = await office.register()
    assert result.receipt.registration.agency == CITY
    assert any("他の調達機関に登録済み" in sentence for sentence in office.person.told)
