"""A profile that asks for what nothing carries out stops a service's start, and the check of a draft says so."""

import logging
from pathlib import Path

import pytest

from instance_profile import ProfileError, load_draft, load_profile
from instance_profile.__main__ import main
from instance_profile.load import load_for_service
from instance_profile.unbuilt import UNBUILT

SAITAMA = Path(__file__).parents[3] / "profiles" / "saitama.yaml"
SYSTEMS = Path(__file__).parent / "other_systems"

USER_ID = "{field: user_id, label: {ja: ユーザID, en: User ID}, hint: {ja: '', en: ''}, required: false}"
COMPANY_RULE = "{field: fax, label: {ja: FAX, en: Fax}, editable_at: [change]}"
QUALIFICATION_NAME = "{field: qualification_name, label: {ja: 商号, en: Name}}"
REQUESTER = "{section: requester, heading: {ja: ID登録依頼者連絡先情報, en: Requester}, note: {ja: '', en: ''}}"
DESK = """
  application_form_url: https://form.example/
  terms_of_use_url: https://terms.example/
  orderer_roles: []
  contractor_role: {ja: 現場代理人, en: Agent}
  case_label: {ja: 工事件名, en: Works}
  confirmation_mail: &mail {subject: 確認, body: 確認}
  credentials_mail: *mail
  start_of_use_mail: *mail
"""

# By the place in the table: an overlay that asks for it, the key's path in the profile, and words of the message.
REFUSED = {
    ("Category", "stages"): (
        "categories: [{code: works, stages: provisional_then_full}]",
        "categories[0].stages",
        "write one",
    ),
    ("Category", "proof"): (
        "categories: [{code: goods, proof: password}]",
        "categories[1].proof",
        "leave the category out",
    ),
    ("SearchFieldRule", "field"): (
        f"categories: [{{code: works, search_fields: [{USER_ID}]}}]",
        "categories[0].search_fields[3].field",
        "leave it out",
    ),
    ("Agency", "required_search_fields"): (
        f"categories: [{{code: works, search_fields: [{USER_ID}]}}]\n"
        "agencies: [{code: kawagoe-city, required_search_fields: [user_id]}]",
        "agencies[1].required_search_fields",
        "leave it out",
    ),
    ("RulesInCategory", "required_search_fields"): (
        f"categories: [{{code: works, search_fields: [{USER_ID}]}}]\n"
        "agencies: [{code: kawagoe-city, in_category: [{category: works, required_search_fields: [user_id]}]}]",
        "agencies[1].in_category[0].required_search_fields",
        "leave it out",
    ),
    ("CompanyFieldRule", "field"): (
        f"categories: [{{code: works, company_fields: [{QUALIFICATION_NAME}]}}]",
        "categories[0].company_fields[8].field",
        "leave the field out",
    ),
    ("CompanyFieldRule", "editable_at"): (
        f"categories: [{{code: works, company_fields: [{COMPANY_RULE}]}}]",
        "categories[0].company_fields[6].editable_at",
        "leave the key out",
    ),
    ("Profile", "propagation_chosen_at"): (
        "propagation_chosen_at: [registration]",
        "propagation_chosen_at",
        "leave registration out",
    ),
    ("ContactSectionRule", "section"): (
        f"categories: [{{code: works, contact_sections: [{REQUESTER}]}}]",
        "categories[0].contact_sections[2].section",
        "leave the section out",
    ),
    ("Profile", "propagation"): ("propagation: night", "propagation", "write at_once or none"),
    ("Profile", "company_id"): (
        "company_id: {label: {ja: 企業ID, en: Company ID}, digits: 15}",
        "company_id",
        "leave the key out",
    ),
    ("Profile", "application_desk"): (f"application_desk: {DESK}", "application_desk", "leave the key out"),
}


@pytest.mark.parametrize(
    ("part", "key"), [(unbuilt.part.__name__, unbuilt.key) for unbuilt in UNBUILT if unbuilt.prevents_start]
)
def test_service_does_not_start_with_what_nothing_carries_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], part: str, key: str
) -> None:
    content, path, advice = REFUSED[part, key]
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(f"# The differences of one deployment.\n{content}\n", "utf-8")
    # The last line of an example is where it asks.
    line = 2 if key == "application_desk" else len(content.splitlines()) + 1
    start = f"{overlay}:{line}: {path}: not carried out yet: "
    with pytest.raises(ProfileError) as caught:
        load_for_service(SAITAMA, overlay)
    (problem,) = (problem for problem in caught.value.problems if problem.startswith(start))
    assert problem.endswith(advice)
    assert all(": not carried out yet: " in problem for problem in caught.value.problems)
    # So it is for programs that run no service, such as the operator's command.
    with pytest.raises(ProfileError) as caught:
        load_profile(SAITAMA, overlay)
    assert problem in caught.value.problems
    # The check of a draft says the same, and that it is one.
    assert main(["check", str(SAITAMA), "--overlay", str(overlay)]) == 0
    out = capsys.readouterr().out
    assert problem in out.splitlines()
    assert "so no service starts" in out


def test_what_prepares_a_later_operation_is_named_once_at_the_start(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        load_for_service(SAITAMA)
    (record,) = caplog.records
    _, _, keys = record.getMessage().partition(": ")
    assert keys.split(", ") == ["categories.card_outlives_lapse"]
    assert main(["check", str(SAITAMA)]) == 0
    lines = capsys.readouterr().out.splitlines()
    number = 1 + SAITAMA.read_text("utf-8").splitlines().index("    card_outlives_lapse: true")
    assert (
        f"{SAITAMA}:{number}: categories[0].card_outlives_lapse: not in force yet: "
        "a bidder that officers make the successor of another one gets none of its cards yet" in lines
    )
    assert not any("no service starts" in line for line in lines)


def test_every_prepared_key_is_found_where_a_profile_gives_it() -> None:
    uses = {
        line.split(": ")[1].rsplit(".", 1)[-1]
        for file in (SAITAMA, SYSTEMS / "aomori.yaml")
        for line in load_draft(file).not_in_force
    }
    assert uses == {unbuilt.key for unbuilt in UNBUILT if not unbuilt.prevents_start}


def test_key_without_a_value_asks_for_nothing(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("company_id: null\npropagation_chosen_at: []\napplication_desk: null\n", "utf-8")
    assert load_draft(SAITAMA, overlay).not_carried_out == []


@pytest.mark.parametrize("system", ["aomori", "nagano", "niigata"])
def test_other_systems_are_drafts(system: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = SYSTEMS / f"{system}.yaml"
    with pytest.raises(ProfileError):
        load_profile(file)
    assert main(["check", str(file)]) == 0
    assert f"{file}: a draft: " in capsys.readouterr().out
