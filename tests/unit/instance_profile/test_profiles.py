"""The Saitama profile agrees with its manual and examples, and the model fits the other three systems."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from stdnum.jp import cn

from instance_profile import load_draft, load_profile
from instance_profile.characters import count_characters
from instance_profile.display import CardField, CompanyField, ContactSection, RenewalPins, SerialNumberForm
from instance_profile.model import (
    HolderRule,
    NameStrictness,
    Operation,
    Profile,
    Proof,
    Propagation,
    RepresentativeContact,
    RosterMapping,
    SearchField,
    Stages,
)
from instance_profile.name_key import name_key
from tests.support.japanese_text import broken_rules

PROFILES = Path(__file__).parents[3] / "profiles"
SYSTEMS = Path(__file__).parent / "other_systems"
EXAMPLES = {"saitama-works.csv": "saitama-standard", "saitama-goods.csv": "saitama-goods"}


@pytest.fixture(scope="module")
def saitama() -> Profile:
    return load_profile(PROFILES / "saitama.yaml")


def rows_of(file: str) -> list[dict[str, str]]:
    with (PROFILES / "examples" / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def japanese_texts(node: object) -> Iterator[str]:
    """Every text that the profile gives in two languages; the mails are the manual's, word for word."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == "ja":
            yield value
        else:
            yield from japanese_texts(value)


def columns_of(mapping: RosterMapping) -> list[str]:
    single = [
        mapping.bidder_id,
        mapping.company_name,
        mapping.corporate_number,
        mapping.postal_code,
        mapping.representative_name,
        mapping.contract_party_name,
        mapping.representative_title,
        mapping.telephone,
        mapping.fax,
        mapping.department,
        mapping.branch,
        mapping.agencies_column,
        mapping.valid_from,
        mapping.valid_until,
    ]
    address = (mapping.address,) if isinstance(mapping.address, str) else mapping.address or ()
    return [*filter(None, single), *address, *(grade.column for grade in mapping.grades)]


def test_saitama_agencies_offer_their_categories(saitama: Profile) -> None:
    names = [category.name.ja for category in saitama.categories]
    assert names == ["建設工事、設計・調査・測量、土木施設維持管理", "物品等"]
    assert saitama.agency("saitama-prefecture").categories == ("works", "goods")
    offering_goods = [agency for agency in saitama.agencies if "goods" in agency.categories]
    assert 1 < len(offering_goods) < len(saitama.agencies)
    assert all("works" in agency.categories for agency in saitama.agencies)


def test_saitama_guides_explain_each_operation(saitama: Profile) -> None:
    guides = {guide.operation: guide for guide in saitama.operations}
    assert [guide.name.ja for guide in saitama.operations] == ["登録", "変更", "ICカード更新"]
    renewal = guides[Operation.RENEWAL].not_for
    assert renewal is not None
    for case in ("更新漏れ", "権限委譲", "会社の合併", "資格の失効", "企業情報", "有効期限が切れ", "認証局が異なる"):
        assert case in renewal.ja
    assert "「登録」（または「変更」）で操作" in renewal.ja
    assert renewal.ja.endswith("新しいICカードも使用できなくなります。")
    what_for = guides[Operation.RENEWAL].what_for.ja
    assert what_for.startswith("※通常は使用しない機能です。※")
    assert what_for.endswith("どちらの操作がよいか分からないときは、ICカード更新ではなく「登録」を選んでください。")


def test_saitama_compares_registration_and_renewal_as_the_manual_does(saitama: Profile) -> None:
    assert [difference.aspect.ja for difference in saitama.renewal_differences] == [
        "用途",
        "条件（制限事項）",
        "有効期間が残っている別のICカードが登録されている場合",
        "操作時の担当者・連絡先の入力作業",
        "複数の調達機関に入札参加資格がある場合",
    ]
    assert saitama.list_propagation_choices() == (Operation.CHANGE, Operation.RENEWAL)


def test_nothing_is_chosen_where_nothing_propagates(saitama: Profile) -> None:
    assert saitama.model_copy(update={"propagation": Propagation.NONE}).list_propagation_choices() == ()


def test_saitama_follows_the_rules_of_writing() -> None:
    own = yaml.safe_load((PROFILES / "saitama.yaml").read_text("utf-8"))
    # The words of the manual's screens stand as it prints them.
    own.pop("screens")
    for part in (*own["operations"], *own["neighbouring_systems"]):
        part.pop("menu", None)
        part.pop("purposes", None)
    texts = list(japanese_texts(own))
    assert len(texts) > 80
    assert {text: broken for text in texts if (broken := broken_rules(text))} == {}


def test_saitama_search_asks_for_name_number_and_password(saitama: Profile) -> None:
    for category in saitama.categories:
        rules = {rule.field: rule for rule in category.search_fields}
        assert set(rules) == {SearchField.NAME, SearchField.BIDDER_ID, SearchField.PASSWORD}
        assert all(rule.required for rule in rules.values())
        assert rules[SearchField.NAME].full_width
        assert category.name_strictness is NameStrictness.SPELLED_OUT


def test_saitama_prefecture_accepts_representatives_and_cards_under_review(saitama: Profile) -> None:
    prefecture, *municipalities = saitama.agencies
    (category, *_) = saitama.categories
    at_prefecture = prefecture.find_rules(category)
    assert at_prefecture.holder is HolderRule.OR_REPRESENTATIVE
    assert "法人の代表者」名義でも" in at_prefecture.holder_text.ja
    assert prefecture.new_card_during_review
    for city in municipalities:
        rules = city.find_rules(category)
        assert rules.holder is HolderRule.CONTRACT_PARTY
        assert rules.holder_text.ja.endswith("この調達機関に確認してください。")
        assert not city.new_card_during_review


def test_contact_sections_explain_their_purpose(saitama: Profile) -> None:
    for category in saitama.categories:
        assert category.representative_contact is RepresentativeContact.FIRST_REGISTRATION
        notes = {rule.section: rule.note.ja for rule in category.contact_sections}
        assert "指名" in notes[ContactSection.REPRESENTATIVE]
        assert "落札時" in notes[ContactSection.CARD]


def test_saitama_mail_is_that_of_the_manual(saitama: Profile) -> None:
    mail = saitama.mails.registration
    assert mail.subject == "利用者登録のお知らせ"
    assert mail.body.startswith("利用者が以下のように登録されましたのでお知らせ致します。\n")
    for line in (
        "調達機関 : {agency}",
        "企業名称 : {company_name}",
        "連絡先氏名 : {contact_name}",
        "連絡先住所 : {contact_address}",
        "※このメールはシステムが自動送信しています。",
        "***** 埼玉県電子入札共同システム *****",
    ):
        assert line in mail.body.splitlines()
    # The notice goes out at the very first card too, so it must not speak of a further one.
    notice = saitama.mails.registration_notice
    assert notice is not None
    assert "追加" not in notice.subject
    assert "{bidder_id_label}で、次のICカードの利用者登録が行われました" in notice.body
    # And shows the entry of the act.
    assert "記録番号 : {entry_position}\n記録の指紋 : {entry_digest}\n封印 : {entry_head}\n" in notice.body


def test_committed_profiles_trust_no_card_ca(saitama: Profile) -> None:
    assert saitama.card_authorities == ()


@pytest.mark.parametrize("file", EXAMPLES)
def test_example_rosters_fit_their_mappings(saitama: Profile, file: str) -> None:
    mapping, rows = saitama.mapping(EXAMPLES[file]), rows_of(file)
    assert set(columns_of(mapping)) == set(rows[0])
    agencies = {agency.name.ja: agency for agency in saitama.agencies}
    ids, keys = set(), set()
    for row in rows:
        assert saitama.bidder_id.assigned_prefix != row["ユーザID"][:2]
        ids.add(row["ユーザID"])
        keys.add(name_key(row["商号又は名称"]))
        for name in row["申請自治体"].split(mapping.agencies_separator):
            assert mapping.category in agencies[name].categories
        assert not row["法人番号"] or cn.is_valid(row["法人番号"])
        assert count_characters(row["住所"]) <= 60
    assert len(ids) == len(rows) == len(keys)


def test_example_corporate_numbers_belong_to_no_registry_office() -> None:
    # The twelve digits after the check digit begin with the registry office's code, which is never 9999.
    numbers = {row["法人番号"] for file in EXAMPLES for row in rows_of(file)} - {""}
    assert all(number[1:5] == "9999" for number in numbers)


def test_some_example_bidders_are_qualified_in_both_categories() -> None:
    works, goods = ({row["ユーザID"]: row["商号又は名称"] for row in rows_of(file)} for file in EXAMPLES)
    both = works.keys() & goods.keys()
    assert len(both) >= 3
    assert all(works[bidder] == goods[bidder] for bidder in both)


def test_aomori_fits_the_model() -> None:
    profile = load_draft(SYSTEMS / "aomori.yaml").profile
    category, agency = profile.category("goods"), profile.agencies[0]
    assert [rule.field for rule in category.search_fields if not rule.required] == ["user_id", "password"]
    assert agency.required_search_fields == ("user_id", "password")
    assert agency.search_text is not None
    assert category.representative_contact is RepresentativeContact.SHOWN
    assert category.mail_address_typed_twice
    assert CardField.COMPANY_ADDRESS in category.card_display.fields
    assert category.card_display.serial_number_in_renewal == (SerialNumberForm.DECIMAL,)
    assert category.renewal.pins is RenewalPins.ONE_WHERE_EQUAL
    assert [kind.grades for kind in category.grade_kinds] == [("A", "B", "C", "D", "無し")] * 4
    assert profile.company_id is not None
    assert profile.company_id.digits == 15
    assert not profile.bidder_id.is_assigned
    edited = {rule.field for rule in category.company_fields if Operation.CHANGE in rule.editable_at}
    assert edited == {CompanyField.TELEPHONE, CompanyField.FAX, CompanyField.BRANCH}


def test_nagano_fits_the_model() -> None:
    profile = load_draft(SYSTEMS / "nagano.yaml").profile
    goods, small = profile.categories
    assert (goods.proof, goods.stages, goods.operations) == (
        Proof.CARD,
        Stages.PROVISIONAL_THEN_FULL,
        (Operation.REGISTRATION,),
    )
    assert (small.proof, small.operations) == (Proof.PASSWORD, (Operation.CHANGE,))
    assert [rule.section for rule in small.contact_sections] == [
        ContactSection.REPRESENTATIVE,
        ContactSection.REQUESTER,
    ]
    assert {rule.field for rule in goods.company_fields} >= {CompanyField.REGION, CompanyField.PERMIT_NUMBER}
    assert profile.help_desk.chat_url
    assert profile.propagation is Propagation.NONE


def test_niigata_fits_the_model() -> None:
    profile = load_draft(SYSTEMS / "niigata.yaml").profile
    desk = profile.application_desk
    assert desk is not None
    assert desk.payment is not None
    assert [role.ja for role in desk.orderer_roles] == ["主任監督員", "監督員"]
    assert desk.user_id_suffix_pattern == "[a-z]{3}"
    assert profile.categories[0].stages is Stages.CONFIRMED_THEN_STARTED
