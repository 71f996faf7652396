"""Where a registration goes, and what becomes of it there."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from agency_sync.domain import (
    Answer,
    Intention,
    Propagation,
    PropagationState,
    Version,
    answered,
    judge,
    plan,
    with_planned,
)

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
OFFERING = {"works": ["prefecture", "city", "town"], "goods": ["prefecture", "city"]}


def intention(agency: str = "prefecture", category: str = "works", bidder_id: str = "1") -> Intention:
    return Intention(uuid4(), agency, category, bidder_id, Version(1, 1))


@pytest.mark.requirement("SYN-01")
def test_a_plan_names_every_other_agency_of_the_category() -> None:
    here, there, goods = intention(), intention("city"), intention(category="goods")
    qualified = {("works", "1"): {"prefecture", "city", "village"}, ("goods", "1"): {"prefecture", "city"}}
    made = plan([here, there, goods], offering=OFFERING, qualified=qualified)
    assert made.wanted == {
        "city": [here.registration_id, goods.registration_id],
        "prefecture": [there.registration_id],
    }
    assert list(made.not_qualified) == [(here.registration_id, "town"), (there.registration_id, "town")]


def test_a_bidder_qualified_nowhere_any_more_goes_nowhere() -> None:
    made = plan([intention()], offering=OFFERING, qualified={})
    assert made.wanted == {}
    assert len(made.not_qualified) == 2


def test_a_category_that_the_profile_does_not_have_any_more_goes_nowhere() -> None:
    gone = intention(category="gone")
    made = plan([gone], offering=OFFERING, qualified={("gone", "1"): {"city"}})
    assert (made.wanted, list(made.not_qualified)) == ({}, [])
    assert answered([gone], made, {}) == [gone]


def test_every_answer_becomes_a_state() -> None:
    one, two = intention(), intention()
    made = plan([one, two], offering=OFFERING, qualified={("works", "1"): {"city"}})
    target = uuid4()
    answers = {
        (one.registration_id, "city"): Answer("", target),
        (two.registration_id, "city"): Answer("CARD_NOT_GOOD", None),
    }
    states = {
        (found.registration_id, found.agency): (found.state, found.reason, found.target_id)
        for found in judge(made, answers, NOW)
    }
    assert states == {
        (one.registration_id, "city"): (PropagationState.DONE, "", target),
        (two.registration_id, "city"): (PropagationState.REFUSED, "CARD_NOT_GOOD", None),
        (one.registration_id, "town"): (PropagationState.REFUSED, "BIDDER_NOT_QUALIFIED", None),
        (two.registration_id, "town"): (PropagationState.REFUSED, "BIDDER_NOT_QUALIFIED", None),
    }


def test_without_an_answer_an_intention_is_not_finished() -> None:
    one, two = intention(), intention()
    made = plan([one, two], offering=OFFERING, qualified={("works", "1"): {"city", "town"}})
    answers = {
        (one.registration_id, "city"): Answer("", None),
        (one.registration_id, "town"): Answer("", None),
        (two.registration_id, "city"): Answer("", None),
    }
    assert answered([one, two], made, answers) == [one]
    assert (two.registration_id, "town") not in {
        (found.registration_id, found.agency) for found in judge(made, answers, NOW)
    }


@pytest.mark.requirement("SYN-05")
def test_what_is_known_is_shown_before_what_is_planned() -> None:
    registration_id = uuid4()
    done = Propagation(registration_id, "city", PropagationState.DONE, "", uuid4(), NOW)
    shown = with_planned(registration_id, [done], own_agency="prefecture", offering=OFFERING["works"], planned_at=NOW)
    assert [(found.agency, found.state) for found in shown] == [("city", "done"), ("town", "planned")]


def test_nothing_is_planned_any_more_once_the_intention_is_done() -> None:
    assert with_planned(uuid4(), [], own_agency="", offering=OFFERING["works"], planned_at=None) == []
