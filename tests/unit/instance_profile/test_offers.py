"""Offers of agencies, and the refusals of other agencies and categories."""

import pytest

from instance_profile.offers import require_agency, require_category, require_offer
from refusals import Code, Refusal
from refusals.catalogue import explain_refusal
from tests.support.example_profile import CITY, PREFECTURE, WORKS, example_profile


def test_offered_category_is_an_offer() -> None:
    offer = require_offer(example_profile(), PREFECTURE, WORKS)
    assert (offer.agency.code, offer.category.code) == (PREFECTURE, WORKS)


@pytest.mark.parametrize(
    ("agency", "category", "reason", "field"),
    [
        ("atlantis", WORKS, "AGENCY_UNKNOWN", "agency"),
        (PREFECTURE, "services", "CATEGORY_UNKNOWN", "category"),
    ],
)
def test_unknown_code_is_not_found_and_names_its_field(agency: str, category: str, reason: str, field: str) -> None:
    with pytest.raises(Refusal) as raised:
        require_offer(example_profile(), agency, category)
    assert (raised.value.reason, raised.value.code) == (reason, Code.NOT_FOUND)
    assert [violation.field for violation in raised.value.violations] == [field]


def test_category_not_offered_is_refused_with_all_placeholders_filled() -> None:
    profile = example_profile()
    pairs = [
        (agency.code, category.code)
        for agency in profile.agencies
        for category in profile.categories
        if category.code not in agency.categories
    ]
    assert pairs
    for agency, category in pairs:
        with pytest.raises(Refusal) as raised:
            require_offer(profile, agency, category)
        assert raised.value.reason == "CATEGORY_NOT_OFFERED"
        explanation = explain_refusal(raised.value)
        assert "―" not in f"{explanation.ja} {explanation.en}"


@pytest.mark.parametrize("require", [require_agency, require_category])
def test_refusal_quotes_at_most_40_visible_characters(require: object) -> None:
    assert callable(require)
    with pytest.raises(Refusal) as raised:
        require(example_profile(), "\u202e\n" + "x" * 100)
    assert list(raised.value.metadata.values()) == ["x" * 40]


def test_city_offers_only_its_own_categories() -> None:
    profile = example_profile()
    offered = {category for category in profile.agency(CITY).categories}
    for category in profile.categories:
        if category.code in offered:
            assert require_offer(profile, CITY, category.code).agency.code == CITY
