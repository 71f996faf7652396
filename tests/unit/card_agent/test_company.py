"""企業情報 by the labels of the instance, with the branch to which bidding is delegated (QUA-07)."""

from collections.abc import Sequence

import pytest

from card_agent.console.place import Place
from card_agent.console.words import say
from card_agent.operation.company import list_company_rows, name_company
from toroku.frontdoor.v1 import front_door_pb2
from toroku.qualification.v1 import bidder_pb2

COMPANY = bidder_pb2.CompanyProfile(
    bidder_id="1000000001",
    name="株式会社〇〇建設",
    address="埼玉県",
    branch="さいたま支店",
    grades=[bidder_pb2.Grade(kind="土木工事業", grade="A"), bidder_pb2.Grade(kind="測量")],
)


def rows(fields: Sequence[str], company: bidder_pb2.CompanyProfile, kinds: Sequence[str] = ()) -> list[str]:
    category = front_door_pb2.Category(
        company_fields=[
            front_door_pb2.CompanyField(field=field, label=front_door_pb2.Text(ja=field, en=field)) for field in fields
        ],
        grade_kinds=[front_door_pb2.GradeKind(kind=kind) for kind in kinds],
    )
    shown = list_company_rows(company, Place(category=category))
    return [f"{label.ja}={say(value, 'ja')}" for label, value in shown]


def test_branch_belongs_to_the_name_as_the_manual_prints_it() -> None:
    assert name_company(COMPANY) == "株式会社〇〇建設　さいたま支店"
    assert name_company(bidder_pb2.CompanyProfile(name="株式会社〇〇建設")) == "株式会社〇〇建設"


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        (["address", "name"], ["address=埼玉県", "name=株式会社〇〇建設　さいたま支店"]),
        (["name", "branch"], ["name=株式会社〇〇建設　さいたま支店", "branch=さいたま支店"]),
        # Nobody is shown a company without its branch.
        (["address"], ["address=埼玉県", "支店名等=さいたま支店"]),
        (["name", "region"], ["name=株式会社〇〇建設　さいたま支店", "region=（記載なし）"]),
        (["name", "from_a_newer_server"], ["name=株式会社〇〇建設　さいたま支店"]),
    ],
)
def test_exactly_the_profiles_fields_are_shown_in_its_order(fields: list[str], shown: list[str]) -> None:
    assert rows(fields, COMPANY) == shown


def test_kinds_that_are_always_shown_come_first_and_without_a_grade_as_none() -> None:
    company = bidder_pb2.CompanyProfile(grades=COMPANY.grades)
    assert rows(["grades"], company, ["測量", "造園工事業"]) == [
        "grades=測量　無し",
        "grades=造園工事業　無し",
        "grades=土木工事業　A",
    ]
    assert rows(["grades"], company) == ["grades=土木工事業　A", "grades=測量"]
    assert rows(["grades"], bidder_pb2.CompanyProfile()) == ["grades=（記載なし）"]


def test_profile_without_fields_gets_the_usual_labels() -> None:
    company = bidder_pb2.CompanyProfile(bidder_id="1000000001", name="登録建設", region="県内", permit_number="7")
    shown = rows([], company)
    assert shown[1] == "商号又は名称=登録建設"
    assert shown[-3:] == ["資格の種類（等級）=（記載なし）", "地域区分=県内", "入札参加許可番号=7"]
    assert not [row for row in rows([], COMPANY) if "地域区分" in row]
