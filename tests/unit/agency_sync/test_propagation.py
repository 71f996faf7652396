"""To which agencies a registration is propagated, and the result at each of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from agency_sync.domain.bidder_state import BidderState
from agency_sync.domain.card_state import (
    AgencyRegistration,
    CompanyComparison,
    HolderComparison,
    Origin,
    Proven,
    RegistrationState,
)
from agency_sync.domain.intention import Intention, IntentionState, KeptIntention, ListedIntention
from agency_sync.domain.offers import AgencyRule, list_rules_by_category
from agency_sync.domain.propagation import (
    Answer,
    Propagation,
    PropagationState,
    add_planned,
    find_refusal,
    judge_pairs,
    make_plan,
    refuse_void,
    select_answered,
    split_stopped,
)
from instance_profile.model import CompanyMatch, HolderRule
from servicekit.versions import Version
from tests.support.example_profile import CITY, GOODS, PREFECTURE, TOWN, VILLAGE, WORKS, example_profile

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
OFFERING = {
    "works": [
        AgencyRule(agency, False, CompanyMatch.OFF, HolderRule.NOT_COMPARED)
        for agency in ("prefecture", "city", "town")
    ],
    "goods": [
        AgencyRule(agency, False, CompanyMatch.OFF, HolderRule.NOT_COMPARED) for agency in ("prefecture", "city")
    ],
}
ALL_PROVEN = Proven(True, CompanyComparison.SAME, HolderComparison.CONTRACT_PARTY)


def intention(
    agency: str = "prefecture",
    category: str = "works",
    bidder_id: str = "1",
    proven: Proven = ALL_PROVEN,
    registrations: Mapping[str, AgencyRegistration] = {},
    bidder: BidderState | None = None,
) -> Intention:
    return Intention(
        registration_id=uuid4(),
        agency=agency,
        category=category,
        bidder_id=bidder_id,
        epoch=1,
        card_version=Version(1, 1),
        proven=proven,
        registrations=registrations,
        certificate_sha256=bytes(32),
        bidder=bidder,
    )


def test_plan_names_every_other_agency_of_the_category() -> None:
    here, there, goods = intention(), intention("city"), intention(category="goods")
    qualified = {("works", "1"): {"prefecture", "city", "village"}, ("goods", "1"): {"prefecture", "city"}}
    plan = make_plan([here, there, goods], offering=OFFERING, qualified=qualified)
    assert plan.requested == {
        "city": [here.registration_id, goods.registration_id],
        "prefecture": [there.registration_id],
    }
    assert plan.settled == {
        (here.registration_id, "town"): Answer("BIDDER_NOT_QUALIFIED", None),
        (there.registration_id, "town"): Answer("BIDDER_NOT_QUALIFIED", None),
    }


def test_registration_of_a_bidder_without_qualification_is_refused_everywhere() -> None:
    plan = make_plan([intention()], offering=OFFERING, qualified={})
    assert plan.requested == {}
    assert len(plan.settled) == 2


def test_registration_of_a_removed_category_is_not_propagated() -> None:
    removed = intention(category="gone")
    plan = make_plan([removed], offering=OFFERING, qualified={("gone", "1"): {"city"}})
    assert (plan.requested, plan.settled) == ({}, {})
    assert select_answered([removed], plan, {}) == [removed]


@pytest.mark.parametrize("password", [True, False])
@pytest.mark.parametrize("requires_password", [True, False])
@pytest.mark.parametrize(
    ("match", "company", "reason"),
    [
        (CompanyMatch.OFF, CompanyComparison.SAME, ""),
        (CompanyMatch.OFF, CompanyComparison.UNREADABLE, ""),
        (CompanyMatch.OFF, CompanyComparison.DIFFERENT, ""),
        (CompanyMatch.REQUIRED, CompanyComparison.SAME, ""),
        (CompanyMatch.REQUIRED, CompanyComparison.UNREADABLE, "COMPANY_NEEDS_OFFICER"),
        (CompanyMatch.REQUIRED, CompanyComparison.DIFFERENT, "COMPANY_DIFFERS_FROM_CARD"),
        (CompanyMatch.OFFICER, CompanyComparison.SAME, ""),
        (CompanyMatch.OFFICER, CompanyComparison.UNREADABLE, "COMPANY_NEEDS_OFFICER"),
        (CompanyMatch.OFFICER, CompanyComparison.DIFFERENT, "COMPANY_NEEDS_OFFICER"),
    ],
)
def test_rule_is_held_against_what_was_proven(
    match: CompanyMatch, company: CompanyComparison, reason: str, requires_password: bool, password: bool
) -> None:
    if requires_password and not password:
        reason = "PASSWORD_NOT_PROVEN"
    rule = AgencyRule("city", requires_password, match, HolderRule.NOT_COMPARED)
    assert find_refusal(rule, Proven(password, company, HolderComparison.DIFFERENT)) == reason


@pytest.mark.parametrize(
    ("rule", "accepted"),
    [
        (HolderRule.CONTRACT_PARTY, {HolderComparison.CONTRACT_PARTY}),
        (HolderRule.OR_REPRESENTATIVE, {HolderComparison.CONTRACT_PARTY, HolderComparison.REPRESENTATIVE}),
        (HolderRule.NOT_COMPARED, {*HolderComparison}),
    ],
)
def test_holder_that_an_agency_does_not_take_needs_its_officer(
    rule: HolderRule, accepted: set[HolderComparison]
) -> None:
    agency = AgencyRule("city", False, CompanyMatch.REQUIRED, rule)
    found = {holder: find_refusal(agency, Proven(True, CompanyComparison.SAME, holder)) for holder in HolderComparison}
    assert found == {holder: "" if holder in accepted else "HOLDER_NEEDS_OFFICER" for holder in HolderComparison}


def test_approval_lifts_what_it_is_of_and_no_refused_company() -> None:
    agency = AgencyRule("city", False, CompanyMatch.REQUIRED, HolderRule.CONTRACT_PARTY)
    proven = Proven(True, CompanyComparison.UNREADABLE, HolderComparison.DIFFERENT)
    assert find_refusal(agency, proven, is_holder_approved=True) == "COMPANY_NEEDS_OFFICER"
    assert find_refusal(agency, proven, is_company_approved=True) == "HOLDER_NEEDS_OFFICER"
    assert find_refusal(agency, proven, is_company_approved=True, is_holder_approved=True) == ""
    other = Proven(True, CompanyComparison.DIFFERENT, HolderComparison.CONTRACT_PARTY)
    assert find_refusal(agency, other, is_company_approved=True) == "COMPANY_DIFFERS_FROM_CARD"


def test_each_agency_is_judged_by_its_own_rule() -> None:
    offering = {
        "works": [
            AgencyRule("prefecture", False, CompanyMatch.REQUIRED, HolderRule.NOT_COMPARED),
            AgencyRule("city", True, CompanyMatch.OFF, HolderRule.NOT_COMPARED),
            AgencyRule("town", False, CompanyMatch.OFF, HolderRule.NOT_COMPARED),
        ]
    }
    qualified = {("works", "1"): {"prefecture", "city", "town"}}
    one = intention("village", proven=Proven(False, CompanyComparison.DIFFERENT, HolderComparison.CONTRACT_PARTY))
    plan = make_plan([one], offering=offering, qualified=qualified)
    assert plan.requested == {"town": [one.registration_id]}
    assert plan.settled == {
        (one.registration_id, "prefecture"): Answer("COMPANY_DIFFERS_FROM_CARD", None),
        (one.registration_id, "city"): Answer("PASSWORD_NOT_PROVEN", None),
    }


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (RegistrationState.GOOD, ""),
        (RegistrationState.SUSPENDED, ""),
        (RegistrationState.REPLACED, "CARD_NOT_GOOD"),
        (RegistrationState.ENDED, "CARD_NOT_GOOD"),
    ],
)
def test_agency_where_the_card_has_a_registration_is_settled(state: RegistrationState, reason: str) -> None:
    existing = AgencyRegistration(uuid4(), state, Origin.PROPAGATION)
    one = intention(
        proven=Proven(False, CompanyComparison.DIFFERENT, HolderComparison.CONTRACT_PARTY),
        registrations={"city": existing},
    )
    plan = make_plan([one], offering=OFFERING, qualified={("works", "1"): {"city"}})
    assert plan.requested == {}
    assert plan.settled[one.registration_id, "city"] == Answer(reason, None if reason else existing.registration_id)


def test_rules_are_those_of_the_profile() -> None:
    agencies = [agency.model_dump() for agency in example_profile().agencies]
    agencies[1] |= {"company_match": "required", "holder": "contract_party"}
    agencies[2] |= {"company_match": "off", "required_search_fields": ["password"]}
    search_fields = [rule.model_dump() for rule in example_profile().categories[0].search_fields]
    for rule in search_fields:
        rule["required"] = rule["field"] != "password"
    agencies[0] |= {"company_match": "required"}
    agencies[3] |= {"company_match": "required"}
    agencies[2]["in_category"] = [
        {"category": GOODS, "company_match": "required", "holder": "or_representative", "required_search_fields": []}
    ]
    profile = example_profile(category={"search_fields": search_fields}, agencies=agencies)
    works = [
        AgencyRule(PREFECTURE, False, CompanyMatch.REQUIRED, HolderRule.NOT_COMPARED),
        AgencyRule(CITY, False, CompanyMatch.REQUIRED, HolderRule.CONTRACT_PARTY),
        AgencyRule(TOWN, True, CompanyMatch.OFF, HolderRule.NOT_COMPARED),
        AgencyRule(VILLAGE, False, CompanyMatch.REQUIRED, HolderRule.NOT_COMPARED),
    ]
    goods = [*works[:2], AgencyRule(TOWN, False, CompanyMatch.REQUIRED, HolderRule.OR_REPRESENTATIVE)]
    assert list_rules_by_category(profile) == {WORKS: works, GOODS: goods}
    asked_by_the_category = list_rules_by_category(example_profile())
    assert all(rule.requires_password for rules in asked_by_the_category.values() for rule in rules)


def test_every_answer_becomes_a_state() -> None:
    one, two = intention(), intention()
    plan = make_plan([one, two], offering=OFFERING, qualified={("works", "1"): {"city"}})
    target = uuid4()
    answers = {
        (one.registration_id, "city"): Answer("", target),
        (two.registration_id, "city"): Answer("CARD_NOT_GOOD", None),
    }
    states = {
        (propagation.registration_id, propagation.agency): (
            propagation.state,
            propagation.reason,
            propagation.target_id,
        )
        for propagation in judge_pairs(plan, answers, NOW)
    }
    assert states == {
        (one.registration_id, "city"): (PropagationState.DONE, "", target),
        (two.registration_id, "city"): (PropagationState.REFUSED, "CARD_NOT_GOOD", None),
        (one.registration_id, "town"): (PropagationState.REFUSED, "BIDDER_NOT_QUALIFIED", None),
        (two.registration_id, "town"): (PropagationState.REFUSED, "BIDDER_NOT_QUALIFIED", None),
    }


def test_intention_without_all_answers_is_not_finished() -> None:
    one, two = intention(), intention()
    plan = make_plan([one, two], offering=OFFERING, qualified={("works", "1"): {"city", "town"}})
    answers = {
        (one.registration_id, "city"): Answer("", None),
        (one.registration_id, "town"): Answer("", None),
        (two.registration_id, "city"): Answer("", None),
    }
    assert select_answered([one, two], plan, answers) == [one]
    assert (two.registration_id, "town") not in {
        (propagation.registration_id, propagation.agency) for propagation in judge_pairs(plan, answers, NOW)
    }


def test_intention_whose_card_is_found_not_good_is_not_finished() -> None:
    one, two, three = intention(), intention(), intention()
    answers = {
        (one.registration_id, "city"): Answer("", uuid4()),
        (two.registration_id, "city"): Answer("CARD_NOT_GOOD", None),
        (three.registration_id, "city"): Answer("REGISTRATION_UNKNOWN", None),
    }
    assert split_stopped([one, two, three], answers) == ([one, three], [two])


def test_void_intention_is_refused_at_every_other_agency() -> None:
    card = (b"\x01" * 32, "works")
    void = KeptIntention(uuid4(), card, "city", 1, IntentionState.DONE)
    waiting = KeptIntention(uuid4(), card, "city", 1, IntentionState.WAITING)
    refused = refuse_void([void, waiting], followed={}, offering=OFFERING, now=NOW)
    assert refused == [
        Propagation(void.registration_id, agency, PropagationState.REFUSED, "CARD_NOT_GOOD", None, NOW)
        for agency in ("prefecture", "town")
    ]


@pytest.mark.parametrize(
    ("state", "reason"), [(IntentionState.OPEN, ""), (IntentionState.WAITING, "PROPAGATION_SUSPENDED")]
)
def test_recorded_propagation_replaces_the_planned_one(state: IntentionState, reason: str) -> None:
    registration_id = uuid4()
    done = Propagation(registration_id, "city", PropagationState.DONE, "", uuid4(), NOW)
    planned = ListedIntention(
        registration_id=registration_id,
        agency="prefecture",
        category="works",
        state=state,
        planned_at=NOW,
        made_at=NOW,
        refused_for="",
    )
    shown = add_planned([done], intention=planned, offering=OFFERING)
    assert [(propagation.agency, propagation.state, propagation.reason) for propagation in shown] == [
        ("city", "done", ""),
        ("town", "planned", reason),
    ]


def test_nothing_is_planned_once_the_intention_is_done() -> None:
    finished = ListedIntention(
        registration_id=uuid4(),
        agency="prefecture",
        category="works",
        state=IntentionState.DONE,
        planned_at=NOW,
        made_at=NOW,
        refused_for="",
    )
    assert add_planned([], intention=finished, offering=OFFERING) == []
