"""Which agency and category an operation may begin at (ENT-01 to 04)."""

import pytest

from front_door.domain.contact import requires_representative_contact
from instance_profile.model import Operation, RepresentativeContact
from instance_profile.offers import require_operation
from refusals import Refusal
from refusals.catalogue import explain
from refusals.status import to_status
from tests.support.example_profile import GOODS, PREFECTURE, VILLAGE, WORKS, example_profile


def refusal_of(agency: str, category: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        require_operation(example_profile(), agency, category, Operation.REGISTRATION)
    return caught.value


def test_offered_category_of_an_agency_is_accepted() -> None:
    offer = require_operation(example_profile(), PREFECTURE, WORKS, Operation.REGISTRATION)
    assert (offer.agency.code, offer.category.code) == (PREFECTURE, WORKS)


@pytest.mark.parametrize("agency", ["", "nowhere", "Prefecture", "例示県"])
def test_unknown_agency_is_refused_at_its_field(agency: str) -> None:
    refusal = refusal_of(agency, WORKS)
    assert (refusal.reason, [violation.field for violation in refusal.violations]) == ("AGENCY_UNKNOWN", ["agency"])


def test_unknown_category_is_refused_at_its_field() -> None:
    refusal = refusal_of(PREFECTURE, "potions")
    assert (refusal.reason, [violation.field for violation in refusal.violations]) == ("CATEGORY_UNKNOWN", ["category"])


def test_refused_category_names_the_agencies_that_offer_it() -> None:
    refusal = refusal_of(VILLAGE, GOODS)
    words = explain(refusal.reason, refusal.metadata)
    assert refusal.reason == "CATEGORY_NOT_OFFERED"
    assert words.ja.what == "例示村では、「物品等」は電子入札に対応していません。"
    assert "例示県、例示市、例示町" in words.ja.next
    assert "例示村" not in words.ja.next
    assert "―" not in f"{words.ja}{words.en}"


def test_refusal_of_an_instance_with_many_agencies_fits_into_grpc_headers() -> None:
    example = example_profile().model_dump()
    offering = [
        example["agencies"][0]
        | {"code": f"city-{number}", "name": {"ja": "とても長い名前の広域連合" * 2, "en": "An inter-municipal union"}}
        for number in range(80)
    ]
    profile = example_profile(agencies=[*offering, example["agencies"][3]])
    with pytest.raises(Refusal) as caught:
        require_operation(profile, VILLAGE, GOODS, Operation.REGISTRATION)
    status = to_status(caught.value)
    # The message travels percent-encoded, three bytes for each; the details in base64.
    assert len(status.message.encode()) * 3 + len(status.SerializeToString()) * 4 / 3 < 8 * 1024
    assert "ほか76機関" in caught.value.metadata["offered_by_ja"]


@pytest.mark.parametrize("offered", [["registration"], ["registration", "change"]])
def test_operation_that_the_category_does_not_offer_is_refused(offered: list[str]) -> None:
    profile = example_profile(category={"operations": offered, "receipts": []})
    with pytest.raises(Refusal) as caught:
        require_operation(profile, PREFECTURE, WORKS, Operation.RENEWAL)
    refusal = caught.value
    assert refusal.reason == "OPERATION_NOT_OFFERED"
    assert "―" not in str(explain(refusal.reason, refusal.metadata).ja)


@pytest.mark.parametrize(
    ("rule", "exists", "required"),
    [
        (RepresentativeContact.FIRST_REGISTRATION, False, True),
        (RepresentativeContact.FIRST_REGISTRATION, True, False),
        (RepresentativeContact.SHOWN, False, False),
        (RepresentativeContact.SHOWN, True, False),
        (RepresentativeContact.ALWAYS, False, True),
        (RepresentativeContact.ALWAYS, True, True),
    ],
)
def test_profile_decides_when_the_representative_contact_is_required(
    rule: RepresentativeContact, exists: bool, required: bool
) -> None:
    assert requires_representative_contact(rule, exists=exists) is required
