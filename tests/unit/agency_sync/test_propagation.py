"""To which agencies a registration is propagated, and the result at each of them."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from agency_sync.domain.intention import Intention, OpenIntention
from agency_sync.domain.propagation import (
    Answer,
    Propagation,
    PropagationState,
    add_planned,
    judge_pairs,
    make_plan,
    select_answered,
)
from servicekit.versions import Version

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
OFFERING = {"works": ["prefecture", "city", "town"], "goods": ["prefecture", "city"]}


def intention(agency: str = "prefecture", category: str = "works", bidder_id: str = "1") -> Intention:
    return Intention(uuid4(), agency, category, bidder_id, Version(1, 1))


@pytest.mark.requirement("SYN-01")
def test_plan_names_every_other_agency_of_the_category() -> None:
    here, there, goods = intention(), intention("city"), intention(category="goods")
    qualified = {("works", "1"): {"prefecture", "city", "village"}, ("goods", "1"): {"prefecture", "city"}}
    plan = make_plan([here, there, goods], offering=OFFERING, qualified=qualified)
    assert plan.requested == {
        "city": [here.registration_id, goods.registration_id],
        "prefecture": [there.registration_id],
    }
    assert list(plan.not_qualified) == [(here.registration_id, "town"), (there.registration_id, "town")]


def test_registration_of_a_bidder_without_qualification_is_refused_everywhere() -> None:
    plan = make_plan([intention()], offering=OFFERING, qualified={})
    assert plan.requested == {}
    assert len(plan.not_qualified) == 2


def test_registration_of_a_removed_category_is_not_propagated() -> None:
    removed = intention(category="gone")
    plan = make_plan([removed], offering=OFFERING, qualified={("gone", "1"): {"city"}})
    assert (plan.requested, list(plan.not_qualified)) == ({}, [])
    assert select_answered([removed], plan, {}) == [removed]


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


@pytest.mark.requirement("SYN-05")
def test_recorded_propagation_replaces_the_planned_one() -> None:
    registration_id = uuid4()
    done = Propagation(registration_id, "city", PropagationState.DONE, "", uuid4(), NOW)
    planned = OpenIntention("prefecture", "works", NOW)
    shown = add_planned(registration_id, [done], intention=planned, offering=OFFERING)
    assert [(propagation.agency, propagation.state) for propagation in shown] == [("city", "done"), ("town", "planned")]


def test_nothing_is_planned_once_the_intention_is_done() -> None:
    assert add_planned(uuid4(), [], intention=None, offering=OFFERING) == []
