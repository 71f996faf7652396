"""What a mapping and a card say while changed company data are under review (QUA-08)."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from instance_profile.roster_mapping import Review
from qualification_registry.domain.bidders import Company, Qualification
from qualification_registry.domain.certificate_names import (
    CompanyComparison,
    HolderComparison,
    compare_company,
    compare_holder,
)
from qualification_registry.domain.roster_cells import NULL
from qualification_registry.domain.roster_review import convert_reviews, find_review_error
from qualification_registry.domain.search import find_compared_name

OLD, NEW = "株式会社見本建設", "株式会社新見本建設"
COMPANY = Company(
    bidder_id="1000000001",
    name=OLD,
    representative_name="見本　太郎",
    grades=(),
    **dict.fromkeys(
        (
            "postal_code",
            "address",
            "contract_party_name",
            "representative_title",
            "telephone",
            "fax",
            "department",
            "branch",
            "region",
            "permit_number",
            "corporate_number",
        )
    ),
)
QUALIFICATION = Qualification(
    COMPANY, frozenset(), None, None, replace(COMPANY, name=NEW, representative_name="見本　花子")
)


def test_words_of_the_mapping_say_whether_a_row_is_under_review() -> None:
    mapping = Review(column="審査", under_review=("審査中", "受付"), done=("審査済",))
    cells = ["審査中", " 受付　", "審査済", "", "　", "不明"]
    assert list(convert_reviews(mapping, cells)) == ["under_review", "under_review", NULL, NULL, NULL, ""]
    assert find_review_error("不明" * 30)[1]["word"].startswith("不明")


@pytest.mark.parametrize(
    "words", [{"under_review": []}, {"under_review": ["中", "済"], "done": ["済"]}, {"under_review": [" "]}]
)
def test_mapping_whose_words_can_not_be_told_apart_is_refused(words: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationError):
        Review.model_validate({"column": "審査"} | words)


def test_card_of_the_company_before_or_after_the_review_is_the_companys() -> None:
    names = [company.name for company in QUALIFICATION.companies]
    assert {compare_company(name, names) for name in (OLD, NEW)} == {CompanyComparison.SAME}
    assert compare_company("SHIN MIHON", names) is CompanyComparison.UNREADABLE
    assert compare_company("株式会社例示組", names) is CompanyComparison.DIFFERENT
    assert compare_company(NEW, names[:1]) is CompanyComparison.DIFFERENT
    holders = {compare_holder(name, QUALIFICATION.companies) for name in ("見本太郎", "見本花子")}
    assert holders == {HolderComparison.CONTRACT_PARTY}
    assert compare_holder("見本花子", [COMPANY]) is HolderComparison.DIFFERENT


def test_name_is_compared_with_the_new_one_only_where_it_is_that_one() -> None:
    assert find_compared_name(NEW, QUALIFICATION) == NEW
    assert [find_compared_name(name, QUALIFICATION) for name in (OLD, "株式会社例示組", "")] == [OLD] * 3
