"""Loading profiles: errors name file, line and key, and overlays are merged."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from instance_profile import ProfileError, load_profile
from instance_profile.__main__ import main, write_schema
from instance_profile.model import HolderRule, Profile

PROFILES = Path(__file__).parents[3] / "profiles"
SAITAMA = PROFILES / "saitama.yaml"


def problems_of(path: Path, overlay: Path | None = None) -> list[str]:
    with pytest.raises(ProfileError) as caught:
        load_profile(path, overlay)
    return caught.value.problems


def changed(folder: Path, before: str, after: str) -> Path:
    content = SAITAMA.read_text("utf-8")
    assert before in content
    file = folder / "saitama.yaml"
    file.write_text(content.replace(before, after, 1), "utf-8")
    return file


def line_of(file: Path, text: str) -> int:
    return next(number for number, line in enumerate(file.read_text("utf-8").splitlines(), 1) if text in line)


def overlay_of(folder: Path, text: str) -> Path:
    file = folder / "overlay.yaml"
    file.write_text(text, "utf-8")
    return file


def test_error_names_file_line_and_key(tmp_path: Path) -> None:
    file = changed(tmp_path, "categories: [works]", "categories: [works, potions]")
    line = line_of(file, "potions")
    assert problems_of(file) == [f"{file}:{line}: agencies[2].categories[1]: there is no category potions"]


def test_all_errors_are_reported_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = changed(tmp_path, "proof: card", "proof: smell")
    file.write_text(
        file.read_text("utf-8")
        .replace("most_characters: 13", "most_characters: many", 1)
        .replace('closes: "20:00"', 'closes: "25:99"')
        .replace("  window_minutes: 15", "  windows: 15"),
        "utf-8",
    )
    problems = problems_of(file)
    assert [int(problem.split(":")[1]) for problem in problems] == sorted(int(p.split(":")[1]) for p in problems)
    found = "\n".join(problems)
    for key in ("categories[0].proof", "contact_fields[4].most_characters", "opening_hours.closes", "password.windows"):
        assert key in found
    assert f":{line_of(file, 'windows: 15')}: password.windows: unknown key" in found


def test_missing_key_is_reported_at_its_mapping(tmp_path: Path) -> None:
    file = changed(tmp_path, "propagation: at_once\n", "")
    assert any(problem.endswith(": propagation: missing") for problem in problems_of(file))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("propagation: night\n", "needs the time of day at which the batch begins"),
        ('propagation: at_once\npropagation_at: "22:00"\n', "only propagation: night has a time of day"),
        ('propagation: none\npropagation_at: "22:00"\n', "only propagation: night has a time of day"),
        ('propagation: night\npropagation_at: "26:00"\n', "a time of the day itself, before 24:00"),
        ('propagation: night\npropagation_at: "25 o clock"\n', "a time of day is written as"),
    ],
)
def test_night_has_its_time_of_day_and_nothing_else_has_one(tmp_path: Path, content: str, problem: str) -> None:
    (found,) = problems_of(changed(tmp_path, "propagation: at_once\n", content))
    assert "propagation_at: " in found
    assert problem in found
    night = 'propagation: night\npropagation_at: "22:00"\n'
    assert load_profile(changed(tmp_path, "propagation: at_once\n", night)).propagation_at == timedelta(hours=22)


def test_registration_is_always_propagated(tmp_path: Path) -> None:
    file = changed(tmp_path, "propagation_chosen_at: [change, renewal]", "propagation_chosen_at: [registration]")
    (problem,) = problems_of(file)
    assert problem.endswith(
        "propagation_chosen_at: a registration always reaches the other agencies; leave registration out"
    )


def test_duplicate_key_is_refused(tmp_path: Path) -> None:
    file = changed(tmp_path, "propagation: at_once\n", "propagation: at_once\npropagation: night\n")
    line = line_of(file, "propagation: night")
    assert problems_of(file) == [f"{file}:{line}: propagation: is in line {line - 1} already"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ":1: the file is empty"),
        (b"# only words\n", ":1: the file is empty"),
        (b"id: [\n", ":2: "),
        (b"id: 'x\n", ":2: "),
        (b"- a\n- b\n", ":1: a profile is a mapping of keys to values"),
        (b"id: a\n---\nid: b\n", ":2: but found another document"),
        ("名前: 埼玉\n".encode("cp932"), ": not UTF-8 (byte 0)"),
        (b"id: !!python/object:os.system x\n", ":1: id: the tag tag:yaml.org,2002:python/object:os.system is not"),
        (b"id: &a [*a]\n", ": nested too deeply"),
        (b"id: x\x00y\n", "special characters are not allowed"),
        (b"? [a, b]\n: c\n", ":1: : a key has to be a string"),
    ],
)
def test_invalid_file_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(content)
    problems = problems_of(file)
    assert len(problems) == 1
    assert problems[0].startswith(str(file))
    assert expected in problems[0]
    assert "\n" not in problems[0]


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "none.yaml") == [
        f"{tmp_path / 'none.yaml'}: can't be read: No such file or directory"
    ]


def test_overlay_merges_keys_and_replaces_lists(tmp_path: Path) -> None:
    overlay = overlay_of(
        tmp_path,
        """
opening_hours: {opens: "0:00", closes: "24:00", weekdays: [0, 1, 2, 3, 4, 5, 6], year_end: null}
help_desk: {telephone: 048-111-2222}
""",
    )
    before, after = load_profile(SAITAMA), load_profile(SAITAMA, overlay)
    assert after.opening_hours.weekdays == tuple(range(7))
    assert after.opening_hours.year_end is None
    assert after.opening_hours.closed_on_public_holidays
    assert after.help_desk.telephone == "048-111-2222"
    assert after.help_desk.mail_address == before.help_desk.mail_address


def test_overlay_merges_entries_by_code_or_name(tmp_path: Path) -> None:
    overlay = overlay_of(
        tmp_path,
        """
agencies:
  - {code: kawagoe-city, categories: [works]}
  - code: chichibu-city
    name: {ja: 秩父市, en: Chichibu City}
    categories: [works]
    company_match: required
    holder: contract_party
    new_card_during_review: false
roster_mappings:
  - {name: saitama-goods, encoding: cp932}
categories:
  - code: works
    search_fields: [{field: name, most_characters: 40}]
""",
    )
    before, after = load_profile(SAITAMA), load_profile(SAITAMA, overlay)
    assert after.agency("kawagoe-city").categories == ("works",)
    assert after.agency("kawagoe-city").name.ja == "川越市"
    assert [agency.code for agency in after.agencies] == [*(a.code for a in before.agencies), "chichibu-city"]
    assert after.mapping("saitama-goods").encoding == "cp932"
    assert after.mapping("saitama-goods").company_name == "商号又は名称"
    assert [rule.most_characters for rule in after.category("works").search_fields] == [40, 10, 8]


def test_error_of_an_overlay_is_reported_in_the_overlay(tmp_path: Path) -> None:
    overlay = overlay_of(tmp_path, "agencies:\n  - code: kawagoe-city\n    categories: [works, potions]\n")
    expected = f"{overlay}:3: agencies[1].categories[1]: there is no category potions"
    assert problems_of(SAITAMA, overlay) == [expected]


def test_inconsistency_caused_by_an_overlay_is_reported_in_the_overlay(tmp_path: Path) -> None:
    overlay = overlay_of(tmp_path, 'password: {length: 8}\nopening_hours:\n  closes: "8:00"\n')
    (problem,) = problems_of(SAITAMA, overlay)
    assert problem.startswith(f"{overlay}:2: opening_hours: closes has to come after opens")
    # A key missing from the merged profile is reported for the profile.
    file = changed(tmp_path, "propagation: at_once\n", "")
    assert problems_of(file, overlay_of(tmp_path, "password: {length: 8}\n"))[0].startswith(f"{file}:")


def test_duplicates_in_an_overlay_are_not_hidden_by_merging(tmp_path: Path) -> None:
    agencies = yaml.safe_load(SAITAMA.read_text("utf-8"))["agencies"][:1] * 2
    overlay = overlay_of(tmp_path, yaml.safe_dump({"agencies": agencies}, allow_unicode=True))
    assert any("agencies[1].code: saitama-prefecture is there twice" in p for p in problems_of(SAITAMA, overlay))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("code: kumagaya-city", "code: kawagoe-city", "agencies[2].code: kawagoe-city is there twice"),
        ("    category: goods\n", "    category: food\n", "roster_mappings[2].category: there is no category food"),
        ("code: kumagaya-city", "code: operator", "agencies[2].code: operator is reserved for the operator"),
        (
            "    responsible_agency: saitama-prefecture\n    category: goods\n",
            "    responsible_agency: atlantis-city\n    category: goods\n",
            "roster_mappings[2].responsible_agency: there is no agency atlantis-city, and it is not operator",
        ),
        (
            "    responsible_agency: saitama-prefecture\n    category: goods\n",
            "    category: goods\n",
            "roster_mappings[2].responsible_agency: missing",
        ),
        ("    roster: saitama-goods\n", "", "roster_mappings[2].roster: missing"),
        (
            "    roster: saitama-goods\n",
            "    roster: saitama-works\n",
            "roster_mappings[2].category: saitama-standard brings lists of the same roster, and says works",
        ),
        (
            "    roster: chugoku-construction\n",
            "    roster: saitama-works\n",
            "roster_mappings[3].bidder_id: saitama-standard brings lists of the same roster: both need a column",
        ),
        ("kumagaya-city]", "atlantis-city]", "roster_mappings[3].agencies[4]: there is no agency atlantis-city"),
        ('assigned_prefix: "90"', 'assigned_prefix: "X0"', "bidder_id: assigned numbers such as X000000000 do not fit"),
        ('pattern: "[0-9]{10}"', 'pattern: "[0-9{10}"', "bidder_id.pattern: not a regular expression"),
        ('closes: "20:00"', 'closes: "8:30"', "opening_hours: closes has to come after opens"),
        ("year_end: [12-29, 01-03]", "year_end: [12-32, 01-03]", "opening_hours.year_end[0]:"),
        ("field: person_name", "field: shoe_size", "contact_fields[3].field:"),
        ("field: fax", "field: telephone", "contact_fields[5].field: telephone is there twice"),
        ("    agencies_column: 申請自治体\n", "", "roster_mappings[0]: give either agencies_column or agencies"),
        (
            "  - operation: change\n    name",
            "  - operation: renewal\n    name",
            "operations[2].operation: renewal is",
        ),
        ("code: goods\n", "code: Goods\n", "categories[1].code:"),
    ],
)
def test_inconsistencies_are_refused(tmp_path: Path, before: str, after: str, expected: str) -> None:
    assert any(expected in problem for problem in problems_of(changed(tmp_path, before, after)))


def test_roster_can_be_the_operators(tmp_path: Path) -> None:
    before = "    responsible_agency: saitama-prefecture\n    category: goods\n"
    file = changed(tmp_path, before, before.replace("saitama-prefecture", "operator"))
    assert load_profile(file).mapping("saitama-goods").responsible_agency == "operator"


def test_roster_without_bidder_ids_needs_ids_to_assign(tmp_path: Path) -> None:
    file = changed(tmp_path, '  assigned_prefix: "90"\n  assigned_length: 10\n', "")
    assert any("roster_mappings[3].bidder_id: the file has no bidder ids" in problem for problem in problems_of(file))


def test_company_match_off_requires_a_password_in_the_search(tmp_path: Path) -> None:
    content = SAITAMA.read_text("utf-8").replace(
        "most_characters: 8\n    search_title", "most_characters: 8\n        required: false\n    search_title"
    )
    file = tmp_path / "saitama.yaml"
    file.write_text(content, "utf-8")
    problems = problems_of(file)
    assert any(
        "agencies[0].company_match: off needs a search with a password, and works has none" in p for p in problems
    )
    overlay = overlay_of(
        tmp_path,
        yaml.safe_dump(
            {
                "agencies": [
                    {"code": a["code"], "required_search_fields": ["password"]}
                    for a in yaml.safe_load(content)["agencies"]
                ]
            }
        ),
    )
    assert load_profile(file, overlay).agencies[0].required_search_fields == ("password",)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (
            "{category: goods, company_match: required}",
            "agencies[0].company_match: off needs a search with a password, and works has none",
        ),
        (
            "{category: works, company_match: 'off'}",
            "agencies[0].in_category[0].company_match: off needs a search with a password, and works has none",
        ),
        (
            "{category: works, required_search_fields: [user_id]}",
            "in_category[0].required_search_fields[0]: the search of",
        ),
        ("{category: potions}", "in_category[0].category: saitama-prefecture does not offer the category potions"),
        ("{category: works}, {category: works}", "agencies[0].in_category[1].category: works is there twice"),
    ],
)
def test_rules_in_one_category_are_checked(tmp_path: Path, rules: str, expected: str) -> None:
    content = SAITAMA.read_text("utf-8").replace(
        "most_characters: 8\n    search_title", "most_characters: 8\n        required: false\n    search_title"
    )
    file = tmp_path / "saitama.yaml"
    file.write_text(content, "utf-8")
    overlay = overlay_of(tmp_path, f"agencies:\n  - code: saitama-prefecture\n    in_category: [{rules}]\n")
    assert any(expected in problem for problem in problems_of(file, overlay)), problems_of(file, overlay)


def test_overlay_changes_one_key_of_an_agency_in_one_category(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    works_only = "{category: works, holder: not_compared, holder_note: {ja: 代表者, en: head}}"
    own = f"{works_only}, {{category: goods, company_match: required}}"
    before = "    new_card_during_review: true\n"
    file = changed(folder, before, f"{before}    in_category: [{own}]\n")
    overlay = overlay_of(
        tmp_path,
        "agencies:\n  - code: saitama-prefecture\n    in_category: [{category: works, search_text: {ja: 文, en: x}}]\n",
    )
    profile = load_profile(file, overlay)
    works, goods = (profile.agencies[0].find_rules(category) for category in profile.categories)
    assert (works.holder_text.ja, works.search_text and works.search_text.ja) == ("代表者", "文")
    assert (works.company_match, goods.company_match) == ("off", "required")
    assert (goods.holder, goods.search_text) == (HolderRule.OR_REPRESENTATIVE, None)
    assert "「法人の代表者」名義でも" in goods.holder_text.ja


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("    search_title: *search_title\n", "", "categories[1].search_title: missing"),
        ("    company_fields: *company_fields\n", "", "categories[1].company_fields: missing"),
        (
            "    contact_sections: *contact_sections\n",
            "",
            "categories[1].contact_sections: has no section representative",
        ),
        (
            "      - section: card\n",
            "      - section: requester\n",
            "categories[0].contact_sections: has no section card",
        ),
        (
            "{field: postal_code, label: {ja: 企業",
            "{field: name, label: {ja: 企業",
            "company_fields[1].field: name is there",
        ),
    ],
)
def test_category_with_cards_has_all_that_its_screens_show(
    tmp_path: Path, before: str, after: str, expected: str
) -> None:
    assert any(expected in problem for problem in problems_of(changed(tmp_path, before, after)))


def test_schema_describes_every_key_in_english() -> None:
    schema = Profile.model_json_schema()
    parts = {"Profile": schema, **schema["$defs"]}
    keys = {
        f"{part}.{key}": rule.get("description", "")
        for part, content in parts.items()
        for key, rule in content.get("properties", {}).items()
    }
    assert len(keys) > 150
    # A sentence, with Japanese words in it, but not in Japanese.
    sentence = re.compile(r"[A-Z].{10,}[.)]", re.DOTALL)
    assert [key for key, text in keys.items() if not sentence.fullmatch(text) or not re.search("[a-z]{4}", text)] == []
    assert [part for part, content in parts.items() if not content.get("description")] == []


def test_committed_schema_is_up_to_date() -> None:
    expected = (PROFILES / "schema.json").read_text("utf-8")
    assert write_schema() == expected, "run: python -m instance_profile schema profiles/schema.json"


def test_command_reports_all_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(SAITAMA)]) == 0
    assert "13 agencies, 2 categories" in capsys.readouterr().out
    file = changed(tmp_path, "propagation: at_once", "propagation: sometimes")
    assert main(["check", str(file)]) == 1
    assert f"{file}:{line_of(file, 'sometimes')}: propagation: " in capsys.readouterr().err
    assert main(["schema", str(tmp_path / "schema.json")]) == 0
    assert (tmp_path / "schema.json").read_text("utf-8") == write_schema()
