"""DescribeInstance over gRPC: every text that a screen needs, as the profile has it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from instance_profile import Profile, load_profile
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from simulators.instance_overlay import card_authority
from tests.support.example_profile import CITY, GOODS, PREFECTURE, VILLAGE, WORKS, example_profile
from tests.support.services.front_door import RunningFrontDoor, running_front_door
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import front_door_pb2

SAITAMA = Path(__file__).parents[3] / "profiles" / "saitama.yaml"


def words(ja: str) -> dict[str, str]:
    return {"ja": ja, "en": f"{ja} (en)"}


def other_profile() -> Profile:
    """An instance whose labels are all its own."""
    example = example_profile().model_dump()
    works, goods = example["categories"]
    own: dict[str, Any] = {
        "operations": ["registration", "change"],
        "search_title": words("資格審査情報の検索"),
        "search_checks": [words("業者番号は9文字ですか。"), words("調達機関は正しいですか。")],
        "search_fields": [
            {"field": "bidder_id", "label": words("業者番号"), "hint": words("9文字"), "pattern": "[0-9A-Z]{9}"},
            {"field": "name", "label": words("商号"), "hint": words("全角"), "full_width": True, "most_characters": 40},
            {"field": "password", "label": words("パスワード"), "hint": words("任意"), "required": False},
        ],
        "company_fields": [
            {"field": "permit_number", "label": words("入札参加許可番号")},
            {"field": "name", "label": words("企業名称")},
            {"field": "grades", "label": words("資格の種類")},
        ],
        "grade_kinds": [{"kind": "物品の販売", "grades": ["A", "B", "無し"]}],
        "contact_sections": [
            {"section": "card", "heading": words("カードの部署"), "note": words("入札書等提出時の連絡先")},
            {"section": "representative", "heading": words("代表窓口連絡先情報"), "note": words("指名")},
        ],
        "representative_contact": "always",
        "mail_address_typed_twice": True,
        "card_display": {"fields": ["holder_name", "company_address"], "serial_number": ["decimal", "hexadecimal"]},
        "receipts": [
            {"operation": "registration", "title": words("登録の控え"), "must_print": True},
            {"operation": "change", "title": words("変更の控え")},
        ],
        "reissue": {"summary": words("窓口で再発行を受けてください。")},
    }
    for agency in example["agencies"]:
        agency |= {"company_match": "required", "holder_note": words("契約者"), "search_text": words("共通の文言")}
    example["agencies"][1]["in_category"] = [
        {"category": GOODS, "holder_note": words("代表者"), "search_text": words("物品の文言")},
        {"category": WORKS, "required_search_fields": ["password"]},
    ]
    authority = card_authority(CertificateAuthority.create(key=new_ec_key()))
    return example_profile(
        categories=[works | own, goods | own],
        agencies=example["agencies"],
        card_authorities=[authority | {"unlocking": words("10回で止まります。再発行をお申し込みください。")}],
        bidder_id={"label": words("業者番号"), "pattern": "[0-9A-Z]{9}"},
        opening_hours=example["opening_hours"] | {"closes": "26:00", "weekdays": [0, 2]},
        propagation="none",
        propagation_chosen_at=["change"],
        renewal_differences=[{key: words(key) for key in ("aspect", "registration", "renewal")}],
        help_desk=example["help_desk"] | {"chat_url": "https://chat.example.lg.jp/"},
        neighbouring_systems=[{"name": words("入札情報公開システム"), "hours": words("24時間")}],
        operations=[
            {"operation": "registration", "name": words("登録"), "what_for": words("新しいカード")},
            {"operation": "change", "name": words("変更"), "what_for": words("連絡先")},
        ],
    )


async def description_of(profile: Profile, folder: Path) -> front_door_pb2.Instance:
    async with running_front_door(profile, folder) as running:
        return await running.contractor().describe()


@pytest.fixture(scope="module")
def saitama(tmp_path_factory: pytest.TempPathFactory) -> front_door_pb2.Instance:
    return asyncio.run(description_of(load_profile(SAITAMA), tmp_path_factory.mktemp("saitama")))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> front_door_pb2.Instance:
    return asyncio.run(description_of(other_profile(), tmp_path_factory.mktemp("other")))


@pytest.fixture
async def front_door(tmp_path: Path) -> AsyncIterator[RunningFrontDoor]:
    async with running_front_door(example_profile(), tmp_path) as running:
        yield running


def rules_at(instance: front_door_pb2.Instance, agency: str, category: str) -> front_door_pb2.AgencyRules:
    (found,) = (
        rules
        for described in instance.agencies
        if described.code == agency
        for rules in described.rules
        if rules.category == category
    )
    return found


@pytest.mark.requirement("ENT-01")
@pytest.mark.requirement("ENT-02")
@pytest.mark.requirement("ENT-03")
@pytest.mark.requirement("ENT-08")
def test_saitama_names_its_agencies_categories_and_help_desk(saitama: front_door_pb2.Instance) -> None:
    assert saitama.name.ja == "埼玉県電子入札共同システム"
    assert [category.name.ja for category in saitama.categories] == [
        "建設工事、設計・調査・測量、土木施設維持管理",
        "物品等",
    ]
    names = {agency.code: agency.name.ja for agency in saitama.agencies}
    assert names["saitama-prefecture"] == "埼玉県"
    assert {agency.code: list(agency.categories) for agency in saitama.agencies}["kumagaya-city"] == ["works"]
    assert saitama.bidder_id_label.ja == "ユーザID"
    assert (saitama.help_desk.name.ja, saitama.help_desk.chat_url) == ("電子入札ヘルプデスク", "")
    assert saitama.opening.hours.ja == "平日8時30分～20時00分"
    assert saitama.opening.hours.en == "weekdays 8:30 to 20:00"
    assert [(system.name.ja, system.hours.ja) for system in saitama.neighbouring_systems] == [
        ("入札情報公開システム", "24時間（早朝を除く）"),
        ("競争入札参加資格申請受付システム", "8時30分～23時00分"),
    ]
    assert saitama.propagation == front_door_pb2.PROPAGATION_TIME_AT_ONCE


@pytest.mark.requirement("ENT-06")
def test_saitama_menu_has_what_can_be_used_and_what_it_is_for(saitama: front_door_pb2.Instance) -> None:
    registration, change, renewal = saitama.operations
    assert registration.operation == card_pb2.OPERATION_REGISTRATION
    assert registration.name.ja == "登録"
    assert registration.what_for.ja.startswith("新しく取得したICカードを登録するとき、")
    assert not registration.HasField("not_for")
    assert (change.operation, change.name.ja) == (card_pb2.OPERATION_CHANGE, "変更")
    assert change.what_for.ja.startswith("担当者が交代したときや、")
    assert (renewal.operation, renewal.name.ja) == (card_pb2.OPERATION_RENEWAL, "ICカード更新")
    assert renewal.what_for.ja.startswith("※通常は使用しない機能です。※")
    assert "「登録」（または「変更」）で操作してください。" in renewal.not_for.ja
    for case in ("更新漏れ", "権限委譲", "会社の合併", "資格の失効", "有効期限が切れている", "認証局が異なる"):
        assert case in renewal.not_for.ja
    assert all(guide.what_for.en for guide in saitama.operations)
    for category in saitama.categories:
        assert list(category.operations) == [
            card_pb2.OPERATION_REGISTRATION,
            card_pb2.OPERATION_CHANGE,
            card_pb2.OPERATION_RENEWAL,
        ]
        assert (category.evidence, category.stages) == (
            front_door_pb2.BIDDER_EVIDENCE_CARD,
            front_door_pb2.REGISTRATION_STAGES_ONE,
        )


@pytest.mark.requirement("ENT-06")
def test_saitama_says_how_registration_and_renewal_differ(saitama: front_door_pb2.Instance) -> None:
    differences = {difference.aspect.ja: difference for difference in saitama.renewal_differences}
    assert len(differences) == 5
    other_card = differences["有効期間が残っている別のICカードが登録されている場合"]
    assert other_card.registration.ja == "別のICカードも有効期間中は利用可能。"
    assert other_card.renewal.ja == "ICカード更新により旧ICカードは利用できなくなる。"
    assert all(text.en for each in differences.values() for text in (each.aspect, each.registration, each.renewal))


@pytest.mark.requirement("CHG-02")
@pytest.mark.requirement("REN-04")
def test_saitama_lets_the_user_choose_whether_the_other_agencies_follow(saitama: front_door_pb2.Instance) -> None:
    assert list(saitama.propagation_chosen_at) == [card_pb2.OPERATION_CHANGE, card_pb2.OPERATION_RENEWAL]


@pytest.mark.requirement("REN-01")
def test_saitama_renewal_asks_for_both_pins_and_shows_serials_in_both_forms(saitama: front_door_pb2.Instance) -> None:
    for category in saitama.categories:
        assert category.renewal_pins == front_door_pb2.RENEWAL_PINS_BOTH
        display = category.card_display
        assert (display.serial_decimal_in_renewal, display.serial_hexadecimal_in_renewal) == (True, True)


@pytest.mark.requirement("QUA-01")
@pytest.mark.requirement("QUA-02")
def test_saitama_search_has_the_manuals_title_hints_and_checks(saitama: front_door_pb2.Instance) -> None:
    for category in saitama.categories:
        assert category.search_title.ja == "競争入札参加資格審査情報検索"
        assert [field.label.ja for field in category.search_fields] == ["商号又は名称", "ユーザID", "パスワード"]
        # Word for word the manual's, one check each.
        assert [check.ja for check in category.search_checks] == [
            "まず、正しい調達機関を選択しているか、または工事・物品の選択は間違っていないかご確認ください。",
            "上記を参考に、正しい情報を入力しているかご確認ください。",
            "「商号又は名称」以外は、すべて半角英数字です。全角文字を入れると進めません。",
            "パスワードの入力は間違えていませんか。（大文字・小文字、数字の0（ゼロ）と大文字のO（オー）、"
            "数字の1（イチ）と小文字のl（エル）と大文字のI（アイ）の間違いは大丈夫ですか）",
            "パスワードの更新は行っていませんか。パスワードの更新を行うと、更新した当日は利用者登録は行えません。",
        ]
        assert all(check.en for check in category.search_checks)
        name, bidder_id, password = category.search_fields
        assert (name.full_width, name.most_characters, name.pattern) == (True, 60, "")
        assert (bidder_id.pattern, bidder_id.most_characters) == ("[0-9]{10}", 10)
        assert (password.secret, password.pattern) == (True, "[0-9A-Za-z]{8}")
    assert "支店名等は入力しないでください" in saitama.categories[0].search_fields[0].hint.ja
    assert "受付票" in saitama.categories[1].search_fields[1].hint.ja


@pytest.mark.requirement("CRD-10")
@pytest.mark.requirement("QUA-16")
def test_saitama_rules_of_each_agency_in_each_category(saitama: front_door_pb2.Instance) -> None:
    for agency in saitama.agencies:
        assert [rules.category for rules in agency.rules] == list(agency.categories)
        for rules in agency.rules:
            assert rules.required_search_fields == ["name", "bidder_id", "password"]
            assert not rules.HasField("search_text")
    assert "「法人の代表者」名義でも登録できます。" in rules_at(saitama, "saitama-prefecture", WORKS).holder_rule.ja
    assert "この調達機関に確認してください。" in rules_at(saitama, "kawagoe-city", GOODS).holder_rule.ja


@pytest.mark.requirement("QUA-07")
@pytest.mark.requirement("REG-02")
@pytest.mark.requirement("REG-03")
@pytest.mark.requirement("REG-10")
def test_saitama_form_has_the_manuals_labels_and_notes(saitama: front_door_pb2.Instance) -> None:
    for category in saitama.categories:
        assert {field.field: field.label.ja for field in category.company_fields} == {
            "name": "業者名",
            "postal_code": "企業郵便番号",
            "address": "企業住所",
            "representative_name": "代表者等氏名",
            "representative_title": "代表者等役職",
            "telephone": "代表者等電話番号",
            "fax": "代表者等FAX番号",
            "department": "部署名",
        }
        representative, card = category.contact_sections
        assert (representative.section, representative.heading.ja) == ("representative_contact", "代表窓口情報")
        assert (card.section, card.heading.ja) == ("card_contact", "ICカード利用部署情報")
        for section in (representative, card):
            assert "実際に連絡が取れる連絡先を入力してください。" in section.note.ja
            assert section.note.ja.endswith("メールアドレスの確認を必ず行ってください！")
        assert "このメールアドレスに指名をお知らせするメールが送られます。" in representative.note.ja
        assert "落札時の連絡メール等が送られます。" in card.note.ja
        # The manual asks in words to check the address; it is typed once.
        assert not category.mail_address_typed_twice
        assert category.representative_contact == front_door_pb2.REPRESENTATIVE_CONTACT_RULE_FIRST_REGISTRATION
        assert {field.field: (field.label.ja, field.kind) for field in category.contact_fields} == {
            "department": ("連絡先名称(部署名等)", "text"),
            "postal_code": ("連絡先郵便番号", "postal_code"),
            "address": ("連絡先住所", "text"),
            "person_name": ("連絡先氏名", "text"),
            "telephone": ("連絡先電話番号", "telephone"),
            "fax": ("連絡先FAX番号", "telephone"),
            "mail_address": ("連絡先メールアドレス", "mail_address"),
        }
        department = category.contact_fields[0]
        assert department.hint.ja == "60文字以内。部署が無い場合は会社名等でも問題ありません。"
        assert (department.most_characters, department.required) == (60, True)


@pytest.mark.requirement("CRD-04")
@pytest.mark.requirement("REG-06")
def test_saitama_shows_no_company_address_of_a_card_and_prints_two_receipts(
    saitama: front_door_pb2.Instance,
) -> None:
    for category in saitama.categories:
        display = category.card_display
        assert list(display.fields) == ["company_name", "holder_name", "holder_address"]
        assert (display.serial_decimal, display.serial_hexadecimal) == (True, False)
        assert [(receipt.operation, receipt.must_print, receipt.title.ja) for receipt in category.receipts] == [
            (card_pb2.OPERATION_REGISTRATION, True, "利用者情報"),
            (card_pb2.OPERATION_CHANGE, False, "利用者情報"),
        ]


@pytest.mark.requirement("QUA-14")
def test_saitama_says_how_an_id_or_password_is_issued_anew(saitama: front_door_pb2.Instance) -> None:
    works, goods = (category.reissue for category in saitama.categories)
    for reissue in (works, goods):
        assert "パスワードが分からない場合は、「競争入札参加資格申請受付システム」より再発行を行ってください。" in (
            reissue.summary.ja
        )
    (form,) = works.forms
    assert form.document.ja == "ユーザID・パスワード再交付申請書（押印）"
    assert [enclosure.ja for enclosure in form.enclosures] == ["代表者印の印鑑証明（原本）"]
    assert form.receiver.ja == "埼玉県入札審査課"
    (form,) = goods.forms
    assert (form.document.ja, list(form.enclosures)) == ("パスワード再交付申請書（押印）", [])
    assert "ユーザIDが分からない場合は、埼玉県入札審査課に御照会ください。" in goods.summary.ja


def test_another_profile_has_its_own_words_everywhere(other: front_door_pb2.Instance) -> None:
    works = other.categories[0]
    assert other.bidder_id_label.ja == "業者番号"
    assert works.search_title == front_door_pb2.Text(ja="資格審査情報の検索", en="資格審査情報の検索 (en)")
    assert [check.ja for check in works.search_checks] == ["業者番号は9文字ですか。", "調達機関は正しいですか。"]
    assert [(field.field, field.label.ja) for field in works.search_fields] == [
        ("bidder_id", "業者番号"),
        ("name", "商号"),
        ("password", "パスワード"),
    ]
    assert [(field.field, field.label.ja) for field in works.company_fields] == [
        ("permit_number", "入札参加許可番号"),
        ("name", "企業名称"),
        ("grades", "資格の種類"),
    ]
    assert [(kind.kind, list(kind.grades)) for kind in works.grade_kinds] == [("物品の販売", ["A", "B", "無し"])]
    assert [(section.section, section.heading.ja, section.note.ja) for section in works.contact_sections] == [
        ("card_contact", "カードの部署", "入札書等提出時の連絡先"),
        ("representative_contact", "代表窓口連絡先情報", "指名"),
    ]
    assert works.mail_address_typed_twice
    assert works.representative_contact == front_door_pb2.REPRESENTATIVE_CONTACT_RULE_ALWAYS
    assert list(works.card_display.fields) == ["holder_name", "company_address"]
    assert (works.card_display.serial_decimal, works.card_display.serial_hexadecimal) == (True, True)
    assert [(receipt.title.ja, receipt.must_print) for receipt in works.receipts] == [
        ("登録の控え", True),
        ("変更の控え", False),
    ]
    assert [guide.name.ja for guide in other.operations] == ["登録", "変更"]
    assert list(works.operations) == [card_pb2.OPERATION_REGISTRATION, card_pb2.OPERATION_CHANGE]
    # What only a renewal needs is not in it, where there is none; nor a choice, where nothing propagates.
    assert works.renewal_pins == front_door_pb2.RENEWAL_PINS_UNSPECIFIED
    assert list(other.renewal_differences) == []
    assert list(other.propagation_chosen_at) == []
    assert works.reissue.summary.ja == "窓口で再発行を受けてください。"
    assert other.help_desk.chat_url == "https://chat.example.lg.jp/"
    assert other.opening.hours.ja == "月・水曜日（祝日を除く）8時30分～翌日2時00分"
    assert other.opening.hours.en == "Mon, Wed (except public holidays) 8:30 to 2:00 of the next day"
    (authority,) = other.card_authorities
    assert (authority.id, authority.name.ja) == ("test-ca", "登録試験認証局")
    assert authority.unlocking.ja == "10回で止まります。再発行をお申し込みください。"
    assert [(system.name.ja, system.hours.ja) for system in other.neighbouring_systems] == [
        ("入札情報公開システム", "24時間")
    ]
    assert other.propagation == front_door_pb2.PROPAGATION_TIME_NONE


@pytest.mark.requirement("QUA-16")
def test_an_agency_has_its_own_rules_in_one_category(other: front_door_pb2.Instance) -> None:
    assert rules_at(other, PREFECTURE, GOODS).holder_rule.ja == "契約者"
    assert rules_at(other, PREFECTURE, GOODS).search_text.ja == "共通の文言"
    assert rules_at(other, PREFECTURE, GOODS).required_search_fields == ["bidder_id", "name"]
    assert rules_at(other, CITY, GOODS).holder_rule.ja == "代表者"
    assert rules_at(other, CITY, GOODS).search_text.ja == "物品の文言"
    assert rules_at(other, CITY, GOODS).required_search_fields == ["bidder_id", "name"]
    # Only the keys that are given take the agency's place.
    assert rules_at(other, CITY, WORKS).holder_rule.ja == "契約者"
    assert rules_at(other, CITY, WORKS).search_text.ja == "共通の文言"
    assert rules_at(other, CITY, WORKS).required_search_fields == ["bidder_id", "name", "password"]
    assert [rules.category for agency in other.agencies if agency.code == VILLAGE for rules in agency.rules] == [WORKS]


@pytest.mark.requirement("ENT-05")
async def test_instance_is_described_anew_only_in_its_opening_state(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    front_door.clock.japan(7, 59)
    before = await contractor.describe()
    front_door.clock.japan(8, 31)
    conversions: list[str] = []

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and "/front_door/convert/" in frame.f_code.co_filename:
            conversions.append(frame.f_code.co_name)

    sys.setprofile(watch)
    try:
        after = await contractor.describe()
    finally:
        sys.setprofile(None)
    assert (before.opening.open, after.opening.open) == (False, True)
    assert after.opening.now.ToDatetime(UTC) == front_door.clock.now
    assert after.opening.closes_next.ToJsonString() == "2026-11-27T11:00:00Z"
    assert after.opening.opens_next.ToJsonString() == "2026-11-29T23:30:00Z"
    # Nothing is converted for each agency, category or field.
    assert conversions == ["at", "_opening"]
    for instance in (before, after):
        instance.ClearField("opening")
    assert before == after
