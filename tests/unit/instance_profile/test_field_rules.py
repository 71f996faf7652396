"""Field rules of contacts and searches, and that violations reveal nothing else."""

import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instance_profile import load_draft, load_profile
from instance_profile.characters import (
    count_characters,
    find_unusable,
    is_full_width,
    is_half_width,
    is_invisible,
    replace_invisible,
)
from instance_profile.field_rules import check_contact, check_search, refuse_violations
from instance_profile.model import Category
from refusals import Refusal, Violation
from refusals.catalogue import catalogue, explain

PROFILE = load_profile(Path(__file__).parents[3] / "profiles" / "saitama.yaml")
WORKS = PROFILE.category("works")
AOMORI = load_draft(Path(__file__).parent / "other_systems" / "aomori.yaml").profile


@dataclass(frozen=True, slots=True)
class Contact:
    department: str = "□□課"
    postal_code: str = "123-4567"
    address: str = "埼玉県さいたま市浦和区高砂３－１５－１"
    person_name: str = "△△　太郎"
    telephone: str = "048-000-0000"
    fax: str = "048-000-0001"
    mail_address: str = "test@test.co.jp"


def violations_of(contact: Contact, again: str | None = "", category: Category = WORKS) -> dict[str, Violation]:
    again = contact.mail_address if again == "" else again
    found = check_contact(category, contact, mail_address_again=again, path="card_contact")
    assert len({violation.field for violation in found}) == len(found)
    return {violation.field.removeprefix("card_contact."): violation for violation in found}


def violation_of(field: str, value: str) -> Violation | None:
    return violations_of(replace(Contact(), **{field: value})).get(field)


def reason_of(field: str, value: str) -> str | None:
    violation = violation_of(field, value)
    return violation.reason if violation else None


def test_example_of_the_manual_is_valid() -> None:
    assert violations_of(Contact()) == {}


def test_everything_is_required() -> None:
    empty = Contact("", "", "", "", "", "", "")
    assert {field: violation.reason for field, violation in violations_of(empty).items()} == dict.fromkeys(
        ("department", "postal_code", "address", "person_name", "telephone", "fax", "mail_address"), "FIELD_REQUIRED"
    )
    assert reason_of("person_name", "　 　") == "FIELD_REQUIRED"
    assert check_contact(WORKS, {}, mail_address_again=None, path="x")[0] == Violation("x.department", "FIELD_REQUIRED")


@pytest.mark.parametrize(
    ("field", "most"),
    [("department", 60), ("address", 60), ("person_name", 20)],
)
def test_limits_count_characters_as_people_do(field: str, most: int) -> None:
    # A character outside the BMP, one with a variation selector, and one with a separate voiced mark count as one each.
    for character in ("亜", "𠮷", "葛\U000e0100", "か\u3099", "神"):
        assert reason_of(field, character * most) is None
        violation = violation_of(field, character * (most + 1))
        assert violation is not None
        assert (violation.reason, violation.metadata) == (
            "FIELD_TOO_LONG",
            {"most": str(most), "actual": str(most + 1)},
        )


def test_many_combining_marks_exceed_the_limit() -> None:
    assert reason_of("person_name", "あ" + "\u3099" * 100) == "FIELD_TOO_LONG"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("330-9301", None),
        ("3309301", "POSTAL_CODE_INVALID"),
        ("330-930", "POSTAL_CODE_INVALID"),
        ("330-93011", "FIELD_TOO_LONG"),
        ("33-09301", "POSTAL_CODE_INVALID"),
        ("330 9301", "POSTAL_CODE_INVALID"),
        ("３３０－９３０１", "FIELD_NOT_HALF_WIDTH"),
        ("330－9301", "FIELD_NOT_HALF_WIDTH"),
        ("٣٣٠-٩٣٠١", "FIELD_NOT_HALF_WIDTH"),
        ("330-9301\n", "FIELD_HAS_CONTROL_CHARACTERS"),
    ],
)
def test_postal_codes(value: str, reason: str | None) -> None:
    assert reason_of("postal_code", value) == reason


@pytest.mark.parametrize("field", ["telephone", "fax"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("03-0000-0000", None),
        ("048-000-0000", None),
        ("0480-00-0000", None),
        ("04992-0-0000", None),
        ("090-0000-0000", None),
        ("050-0000-0000", None),
        ("0120-000-000", None),
        ("0800-000-0000", None),
        ("0312345678", "TELEPHONE_INVALID"),
        ("03-0000-000", "TELEPHONE_INVALID"),
        ("3-0000-00000", "TELEPHONE_INVALID"),
        ("+81-3-0000-00", "TELEPHONE_INVALID"),
        ("03(0000)0000", "TELEPHONE_INVALID"),
        ("03-0000-0000 ", "TELEPHONE_INVALID"),
        ("000000-0-0000", "TELEPHONE_INVALID"),
        ("03-0000-0000 内線1", "FIELD_TOO_LONG"),
        ("０３－００００－００００", "FIELD_NOT_HALF_WIDTH"),
        ("03ー0000ー0000", "FIELD_NOT_HALF_WIDTH"),
        ("03‐0000‐0000", "FIELD_NOT_HALF_WIDTH"),
    ],
)
def test_telephone_numbers(field: str, value: str, reason: str | None) -> None:
    assert reason_of(field, value) == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("a@b.example", None),
        ("first.last+tag@sub.example.co.jp", None),
        ("a" * 60 + "@" + "b" * 30 + ".example", None),
        ("a" * 60 + "@" + "b" * 33 + ".exampl", "FIELD_TOO_LONG"),
        ("a@xn--eckwd4c7cu47r2wf.example", None),
        ("no at sign", "MAIL_ADDRESS_INVALID"),
        ("a@localhost", "MAIL_ADDRESS_INVALID"),
        ("a@b@c.example", "MAIL_ADDRESS_INVALID"),
        ("a@[192.0.2.1]", "MAIL_ADDRESS_INVALID"),
        ('"a b"@c.example', "MAIL_ADDRESS_INVALID"),
        ("Taro <a@b.example>", "MAIL_ADDRESS_INVALID"),
        ("a@b.example,c@d.example", "MAIL_ADDRESS_INVALID"),
        (" a@b.example", "MAIL_ADDRESS_INVALID"),
        ("a..b@c.example", "MAIL_ADDRESS_INVALID"),
        ("太郎@example.jp", "FIELD_NOT_HALF_WIDTH"),
        ("a@例え.example", "FIELD_NOT_HALF_WIDTH"),
        ("ａ@b.example", "FIELD_NOT_HALF_WIDTH"),
        ("a@b.example\r\nBcc: c@d.example", "FIELD_HAS_CONTROL_CHARACTERS"),
    ],
)
def test_mail_addresses(value: str, reason: str | None) -> None:
    assert reason_of("mail_address", value) == reason


def test_mail_address_is_required_twice_where_the_profile_says_so() -> None:
    once = WORKS.model_copy(update={"mail_address_typed_twice": False})
    twice = WORKS.model_copy(update={"mail_address_typed_twice": True})
    for again in (None, ""):
        found = check_contact(twice, Contact(), mail_address_again=again, path="card_contact")
        assert found == [Violation("card_contact.mail_address_again", "MAIL_ADDRESS_AGAIN_REQUIRED")]
        assert check_contact(once, Contact(), mail_address_again=again, path="card_contact") == []
    # If given it is compared, even where it is not required.
    for category in (twice, once):
        found = check_contact(category, Contact(), mail_address_again="Test@test.co.jp", path="card_contact")
        assert found == [Violation("card_contact.mail_address_again", "MAIL_ADDRESSES_DIFFER")]


@pytest.mark.parametrize(
    "character",
    [
        "\x00",
        "\t",
        "\r",
        "\n",
        "\x1b",
        "\x7f",
        "\x85",
        "\u00ad",
        "\u200b",
        "\u200d",
        "\u200f",
        "\u2028",
        "\u202e",
        "\u2066",
        "\ufeff",
        "\u3164",
        "\u034f",
        "\ue000",
        "\uffff",
        "\ud800",
        "\U000e0041",
        "\U0010fffd",
    ],
)
def test_invisible_and_control_characters_are_refused(character: str) -> None:
    for field in ("department", "address", "person_name", "telephone", "mail_address"):
        violation = violation_of(field, f"あ{character}い")
        assert violation is not None
        assert violation.reason == "FIELD_HAS_CONTROL_CHARACTERS"
        assert violation.metadata == {"characters": f"U+{ord(character):04X}"}


def test_variation_selectors_are_accepted() -> None:
    for name in ("葛\U000e0101城", "辻\ufe00", "𠮷野", "﨑山", "神田", "髙橋", "Ŝmidt", "①②"):
        assert reason_of("person_name", name) is None


def test_field_that_the_category_does_not_have_must_be_empty() -> None:
    category = WORKS.model_copy(
        update={"contact_fields": tuple(rule for rule in WORKS.contact_fields if rule.field != "fax")}
    )
    found = check_contact(category, Contact(), mail_address_again="test@test.co.jp", path="card_contact")
    assert found == [Violation("card_contact.fax", "FIELD_NOT_ASKED")]
    assert violations_of(replace(Contact(), fax=""), category=category) == {}


SEARCH = {"name": "株式会社見本建設", "bidder_id": "1100000001", "password": "aB3dE6gH"}


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("name", "", "FIELD_REQUIRED"),
        ("name", "㈱見本建設", "LEGAL_FORM_ABBREVIATED"),
        ("name", "（株）見本建設", "LEGAL_FORM_ABBREVIATED"),
        ("name", "(株)見本建設", "LEGAL_FORM_ABBREVIATED"),
        ("name", "(株) 見本建設", "LEGAL_FORM_ABBREVIATED"),
        ("name", "見本建設〔株〕", "LEGAL_FORM_ABBREVIATED"),
        ("name", "株式会社 見本建設", "FIELD_NOT_FULL_WIDTH"),
        ("name", "株式会社ﾐﾎﾝ", "FIELD_NOT_FULL_WIDTH"),
        ("name", "株式会社ABC", "FIELD_NOT_FULL_WIDTH"),
        ("name", "株式会社　ＡＢＣ・ミホン―工業", None),
        ("name", "株式会社葛\U000e0100城", None),
        # What a Mac, Windows and word processors make of the same keys.
        *(("name", f"株式会社見本{sign}テック", None) for sign in "\u2212\uff0d\u2010\u2011\u2012\u2013\u2014\u2015"),
        *(("name", f"見本{sign}例示", None) for sign in "\u301c\uff5e\u2016\u2225¢￠£￡¬￢"),
        ("name", "株式会社見本-テック", "FIELD_NOT_FULL_WIDTH"),
        ("name", "株" * 61, "FIELD_TOO_LONG"),
        ("name", "株式会社\u202e見本", "FIELD_HAS_CONTROL_CHARACTERS"),
        ("bidder_id", "", "FIELD_REQUIRED"),
        ("bidder_id", "110000001", "FIELD_PATTERN_DIFFERS"),
        ("bidder_id", "11000000012", "FIELD_TOO_LONG"),
        ("bidder_id", "110000000a", "FIELD_PATTERN_DIFFERS"),
        ("bidder_id", "１１０００００００１", "FIELD_NOT_HALF_WIDTH"),
        ("password", "", "FIELD_REQUIRED"),
        ("password", "aB3dE6g", "FIELD_PATTERN_DIFFERS"),
        ("password", "aB3dE6g!", "FIELD_PATTERN_DIFFERS"),
        ("password", "ａB3dE6gH", "FIELD_NOT_HALF_WIDTH"),
        ("password", "aB3dE6g\x00", "FIELD_HAS_CONTROL_CHARACTERS"),
    ],
)
def test_search_fields(field: str, value: str, reason: str | None) -> None:
    found = check_search(WORKS, SEARCH | {field: value})
    assert [(violation.field, violation.reason) for violation in found] == ([(field, reason)] if reason else [])


def test_search_check_reveals_only_the_form() -> None:
    # Any input of the right form passes, known or not, and no violation contains the input.
    assert (
        check_search(WORKS, SEARCH)
        == check_search(WORKS, SEARCH | {"bidder_id": "9999999999", "password": "zzzzzzzz"})
        == []
    )
    found = check_search(WORKS, {"name": "㈱秘密", "bidder_id": "himitsu", "password": "himitsu"})
    assert len(found) == 3
    for violation in found:
        assert "秘密" not in str(violation)
        assert "himitsu" not in str(violation)


def test_agency_may_require_an_optional_search_field() -> None:
    category, agency = AOMORI.category("goods"), AOMORI.agencies[0]
    typed = {"name": "（株）テスト商会０１", "bidder_id": "990000001"}
    assert check_search(category, typed) == []
    assert check_search(category, typed, agency=agency, path="search") == [
        Violation("search.user_id", "FIELD_REQUIRED"),
        Violation("search.password", "FIELD_REQUIRED"),
    ]
    (violation,) = check_search(category, typed | {"user_id": "a" * 21})
    assert (violation.reason, violation.metadata["hint_ja"]) == ("FIELD_PATTERN_DIFFERS", "半角英数20文字以下")


@pytest.mark.parametrize(
    ("code", "required"), [("goods", ("bidder_id", "name", "user_id", "password")), ("works", ("bidder_id", "name"))]
)
def test_agency_requires_only_fields_that_the_category_has(code: str, required: tuple[str, ...]) -> None:
    category = AOMORI.category(code)
    if code == "works":
        kept = tuple(rule for rule in category.search_fields if rule.field not in ("user_id", "password"))
        category = category.model_copy(update={"search_fields": kept})
    assert AOMORI.agencies[0].find_rules(category).required_search_fields == required


def test_violations_become_one_refusal() -> None:
    refuse_violations([])
    with pytest.raises(Refusal) as caught:
        refuse_violations([Violation("card_contact.fax", "FIELD_REQUIRED")])
    assert caught.value.reason == "FIELDS_INVALID"
    assert caught.value.violations == (Violation("card_contact.fax", "FIELD_REQUIRED"),)


def test_every_violation_fills_the_placeholders_of_its_words() -> None:
    examples = [
        *violations_of(Contact("", "x", "あ" * 61, "\x00", "１", "03-0000", "@")).values(),
        *violations_of(Contact(), again=None, category=AOMORI.category("goods")).values(),
        *violations_of(Contact(), again="x@y.example").values(),
        *check_search(WORKS, {"name": "株式会社x", "bidder_id": "x", "password": ""}),
        *check_search(WORKS, {"name": "（株）", "bidder_id": "x" * 11, "password": "x"}),
        *check_contact(WORKS.model_copy(update={"contact_fields": ()}), Contact(), path="c"),
        Violation("postal_code", reason_of("postal_code", "1") or ""),
        Violation("mail_address", reason_of("mail_address", "1") or ""),
    ]
    reasons = {violation.reason for violation in examples}
    ours = {
        reason
        for reason in catalogue()
        if reason.startswith(("FIELD_", "MAIL_ADDRESS", "POSTAL", "TELEPHONE", "LEGAL"))
    }
    assert reasons >= ours
    for violation in examples:
        words = explain(violation.reason, violation.metadata)
        assert words.ja.what
        assert "―" not in f"{words.ja}{words.en}", violation


TEXT = st.text(max_size=80)


@given(TEXT, TEXT, TEXT)
def test_any_input_is_checked_without_failure(name: str, telephone: str, mail: str) -> None:
    contact = Contact(person_name=name, telephone=telephone, mail_address=mail)
    found = violations_of(contact, again=mail)
    for field, value, most in (("person_name", name, 20), ("telephone", telephone, 13), ("mail_address", mail, 100)):
        if field not in found:
            assert value.strip()
            assert find_unusable(value) == []
            assert count_characters(value) <= most
            assert field == "person_name" or is_half_width(value)


def test_printable_characters_are_judged_like_all_others() -> None:
    """A text of printable characters is not looked at one by one; one with a NUL is."""
    for character in map(chr, range(1, 0x20000)):
        assert find_unusable(character) == find_unusable(f"{character}\0")[:-1], hex(ord(character))
        assert (replace_invisible(character, "") == "") is is_invisible(character), hex(ord(character))


@given(TEXT)
def test_counting_does_not_depend_on_composition(text: str) -> None:
    counts = {count_characters(unicodedata.normalize(form, text)) for form in ("NFD", "NFC")}
    assert counts == {count_characters(text)}
    assert not (text and is_half_width(text) and is_full_width(text))
