"""All that a contractor reads during 登録 is called what the instance's profile calls it, in one language."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from card_agent.console import words
from card_agent.console.words import to_words
from card_agent.registration.in_progress import RegistrationResult
from card_agent.registration.receipt import compose_receipt
from refusals import Refusal
from refusals.catalogue import catalogue
from refusals.language import Language
from simulators.certificate_authorities import IssuedCard
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from tests.support.marked_profile import list_texts_of_a_registration, marked_profile
from tests.support.office import ANSWERS, CONTACT, Office
from tests.support.reading_person import ReadingPerson
from tests.support.services.front_door import COMPANY, PASSWORD, running_front_door

TYPED: dict[str, str | list[str]] = ANSWERS | {
    "card_contact.mail_address_again": CONTACT["mail_address"],
    "representative_contact.mail_address_again": CONTACT["mail_address"],
    "person_in_charge": "受付 花子",
    "predecessor_serial": "",
}
HEXADECIMAL = re.compile("[0-9a-fA-F]{32,}")


# The forms are for who fills them in; a message has the summary, which says what to do.
NOT_FOR_THE_AGENT = re.compile(r"reissue\.forms")


@dataclass
class Contractor:
    """A contractor who has registered a card, and remembers all that was to be read."""

    person: ReadingPerson
    result: RegistrationResult
    card: IssuedCard


async def _register(folder: Path, language: Language) -> Contractor:
    async with running_front_door(marked_profile(), folder) as server:
        company = server.bidders.companies[BIDDER]
        company.branch, company.region, company.permit_number = "さいたま支店", "県内に本店を有する", "第123号"
        company.grades.add(kind="物品の販売", grade="A")
        company.grades.add(kind="役務の提供", grade="B")
        office = Office(server, folder)
        mistakes = {
            "search.password": ["wr0ngPas", PASSWORD],
            "representative_contact.postal_code": ["330", "330-9301"],
        }
        office.person = person = ReadingPerson(TYPED | mistakes, pins=["000000", "123456"], language=language)
        person.tries_again = lambda _refusal: True
        result = await office.register()
    return Contractor(person, result, office.card)


@pytest.fixture(scope="module", params=get_args(Language))
def contractor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Contractor:
    return asyncio.run(_register(tmp_path_factory.mktemp(request.param), request.param))


@pytest.fixture(scope="module")
def japanese(tmp_path_factory: pytest.TempPathFactory) -> Contractor:
    return asyncio.run(_register(tmp_path_factory.mktemp("japanese"), "ja"))


@pytest.mark.requirement("ENT-06")
@pytest.mark.requirement("ENT-08")
@pytest.mark.requirement("CRD-10")
@pytest.mark.requirement("QUA-16")
def test_every_text_of_the_instance_is_read_in_the_persons_language_and_in_no_other(contractor: Contractor) -> None:
    person, instance = contractor.person, contractor.result.instance
    refused = ReadingPerson({}, place=person.place, language=person.language)
    for reason in catalogue():
        refused.read_refusal(Refusal(reason))
    read = "\n".join(person.read + refused.read)
    texts = [to_words(text) for text in list_texts_of_a_registration(instance)]
    assert len(texts) > 50
    expected = [text.say(person.language) for text in texts]
    assert [text for text in expected if not NOT_FOR_THE_AGENT.search(text) and text not in read] == []
    other = "<" if person.language == "ja" else "〈"
    assert other not in read


async def test_second_section_of_the_profile_takes_over_the_first_ones_values(tmp_path: Path) -> None:
    async with running_front_door(marked_profile(), tmp_path) as server:
        office = Office(server, tmp_path)
        typed = {path: value for path, value in TYPED.items() if not path.startswith("representative_contact")}
        office.person = person = ReadingPerson(typed, takes_over=True)
        receipt = (await office.register()).receipt
    assert person.offered == ["representative_contact"]
    assert receipt.representative_contact == receipt.card_contact
    assert receipt.card_contact.person_name == CONTACT["person_name"]
    assert (
        "〈.categories.0.contact_sections.1.heading〉は、〈.categories.0.contact_sections.0.heading〉と同じ"
        in "".join(person.read)
    )


def test_no_label_of_the_agents_own_stands_where_the_instance_has_one(contractor: Contractor) -> None:
    own = [*words.COMPANY_FIELDS.values(), *words.CONTACT_FIELDS.values(), *words.SEARCH_FIELDS.values()]
    own += [words.CARD_CONTACT, words.REPRESENTATIVE_CONTACT, words.SEARCH, words.RECEIPT]
    language = contractor.person.language
    assert {label.say(language) for label in own} & set(contractor.person.read) == set()
    headings = [heading.say(language) for heading in (words.CARD_CONTACT, words.REPRESENTATIVE_CONTACT)]
    assert not [text for text in contractor.person.read if any(heading in text for heading in headings)]


@pytest.mark.requirement("ENT-08")
def test_greeting_has_the_servers_clock_and_the_help_desk_with_its_number_and_hours(japanese: Contractor) -> None:
    instance = japanese.result.instance
    desk = instance.help_desk
    (system,) = instance.neighbouring_systems
    assert japanese.person.shown[instance.name.ja] == [
        ("日時", "2026年11月27日 10時00分"),
        ("受付時間", instance.opening.hours.ja),
        ("ヘルプデスク", f"{desk.name.ja}（電話：{desk.telephone}、{desk.hours.ja}）"),
        ("ヘルプデスクのメールアドレス", desk.mail_address),
        ("ヘルプデスクのホームページ", desk.url),
        ("ヘルプデスクのチャット", "https://chat.example.lg.jp/"),
        (system.name.ja, system.hours.ja),
    ]


@pytest.mark.requirement("QUA-16")
def test_search_wants_what_the_category_or_the_agency_wants(japanese: Contractor) -> None:
    search = {path: wanted for path, wanted in japanese.person.required.items() if path.startswith("search.")}
    assert search == {"search.name": True, "search.bidder_id": False, "search.password": True}


@pytest.mark.requirement("QUA-07")
def test_company_is_shown_with_the_profiles_fields_and_its_branch(japanese: Contractor) -> None:
    labels = {
        field.field: field.label.ja
        for category in japanese.result.instance.categories
        if category.code == WORKS
        for field in category.company_fields
    }
    rows = [
        (labels["permit_number"], "第123号"),
        (labels["name"], f"{COMPANY}　さいたま支店"),
        (labels["grades"], "物品の製造　無し"),
        (labels["grades"], "物品の販売　A"),
        (labels["grades"], "役務の提供　B"),
        (labels["region"], "県内に本店を有する"),
        (labels["address"], "埼玉県"),
    ]
    assert japanese.person.shown["企業情報"] == rows


@pytest.mark.requirement("CRD-04")
def test_card_is_shown_with_the_profiles_fields(japanese: Contractor) -> None:
    certificate = japanese.card.certificate
    rows = japanese.person.shown["ICカード情報"]
    assert [label for label, _ in rows] == [
        "ICカード取得者氏名",
        "ICカード企業住所",
        "証明書シリアル番号",
        "証明書発行者",
        "証明書有効期限",
    ]
    serial = certificate.serial_number
    assert dict(rows)["証明書シリアル番号"] == f"{serial} (10進) / {serial:040X} (16進)"


@pytest.mark.requirement("CRD-01")
@pytest.mark.requirement("REG-09")
def test_what_a_card_signs_is_shown_by_names_without_codes_and_hashes(japanese: Contractor) -> None:
    person, instance = japanese.person, japanese.result.instance
    names = [text.ja for text in (instance.agencies[0].name, instance.categories[0].name)]
    label = instance.bidder_id_label.ja
    assert person.shown["署名する内容"] == [
        ("種別", "利用者登録"),
        ("調達機関", names[0]),
        ("業務区分", names[1]),
        (label, BIDDER),
    ]
    before_pin = person.read_before_pin
    signed = before_pin[before_pin.index("署名する内容") :]
    assert signed == ["署名する内容", "種別", "ICカードの確認", "調達機関", names[0], "業務区分", names[1]]
    serial = japanese.card.certificate.serial_number
    for text in person.read:
        assert not HEXADECIMAL.search(text.replace(f"{serial:040X}", "").replace(str(serial), ""))
        assert text not in (PREFECTURE, WORKS, instance.id)


def test_lines_of_the_act_are_shown_in_one_language(contractor: Contractor) -> None:
    assert len(contractor.person.lines) >= 7
    japanese = [line for line in contractor.person.lines if "登録" in line.replace(COMPANY, "")]
    assert bool(japanese) is (contractor.person.language == "ja")


@pytest.mark.requirement("CRD-03")
@pytest.mark.requirement("REG-02")
def test_mistakes_are_explained_where_they_were_made(japanese: Contractor) -> None:
    assert [refusal.reason for refusal in japanese.person.refused] == [
        "CARD_PIN_WRONG",
        "BIDDER_NOT_FOUND",
        "FIELDS_INVALID",
    ]
    category = japanese.result.instance.categories[0]
    read = "\n".join(japanese.person.read)
    assert "あと2回" in read
    assert "\n".join(f"・{check.ja}" for check in category.search_checks) in read
    labels = {field.field: field.label.ja for field in category.contact_fields}
    headings = {section.section: section.heading.ja for section in category.contact_sections}
    assert f"{headings['representative_contact']}　{labels['postal_code']}" in japanese.person.read
    assert "representative_contact." not in read


@pytest.mark.requirement("REG-06")
def test_receipt_has_the_sections_and_labels_of_the_profile(contractor: Contractor) -> None:
    result, language = contractor.result, contractor.person.language
    category = result.instance.categories[0]
    paper = compose_receipt(result.receipt, result.instance, language)
    contact_labels = [field.label for field in category.contact_fields]
    sections = {section.section: section.heading for section in category.contact_sections}
    expected = [
        to_words(category.receipts[0].title),
        *map(to_words, [result.instance.name, result.instance.agencies[0].name, category.name]),
        to_words(result.instance.bidder_id_label),
        words.REQUEST_ID,
        words.PERSON_IN_CHARGE,
        words.COMPANY,
        *(to_words(field.label) for field in category.company_fields),
        *map(to_words, [sections["representative_contact"], *contact_labels]),
        *map(to_words, [sections["card_contact"]]),
        *[words.HOLDER_NAME, words.CARD_COMPANY_ADDRESS],
        *map(to_words, contact_labels),
    ]
    at = 0
    for text in expected:
        at = paper.index(text.say(language), at) + 1
    for part in (f"{COMPANY}　さいたま支店", "受付 花子", result.receipt.request_id, BIDDER, "県内に本店を有する"):
        assert part in paper
    assert str(contractor.card.certificate.serial_number) not in paper
    assert ("登録日時" in paper) is (language == "ja")
    assert ("2026年11月27日 10時00分" in paper) is (language == "ja")
    assert words.MUST_PRINT.say(language) in contractor.person.read


@pytest.mark.requirement("CRD-03", "met")
async def test_blocked_card_names_its_ca_and_what_that_ca_does_about_it(tmp_path: Path) -> None:
    async with running_front_door(marked_profile(), tmp_path) as server:
        office = Office(server, tmp_path)
        office.person = person = ReadingPerson(TYPED, pins=["000000"])
        office.piv.tries_left = 1
        refused = await office.refused()
        described = await server.contractor().describe()
    assert refused.reason == "CARD_PIN_BLOCKED"
    person.read.clear()
    person.read_refusal(refused)
    (explained,) = person.read
    authority = described.card_authorities[0]
    assert authority.name.ja in explained
    assert authority.unlocking.ja in explained
    assert authority.help.ja in explained
    assert "CN=" not in explained
