"""A registration whose session ends, or is kept while a person types; opening hours; lost calls."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from typing_extensions import override

from card_agent.operation.progress import Outcome
from card_agent.operation.sending import ATTEMPTS
from card_agent.operation.session_keeping import SessionKeeping
from tests.support.office import Office, replace_person
from tests.support.scripted_person import ScriptedPerson
from tests.support.tampering_proxy import altered_answer, lost_answers

OFTEN = SessionKeeping(interval_seconds=0.005)
SELDOM = SessionKeeping(interval_seconds=1000)


class SlowPerson(ScriptedPerson):
    """Needs 9 minutes for each field of the card contact, and the session is used meanwhile."""

    def __init__(self, office: Office) -> None:
        super().__init__(dict(office.person.answers))
        self.office = office
        self.use = threading.Condition()
        self.used_at = office.server.clock.now
        office.proxy.answers["CheckSession"] = self._use

    def _use(self, _request: Any, ask: Any) -> Any:
        # A call that is on its way while the clock is set forward may count for the time before.
        asked_at = self.office.server.clock.now
        answer = ask()
        with self.use:
            self.used_at = asked_at
            self.use.notify_all()
        return answer

    @override
    def ask(self, question: Any) -> str:
        if question.path in ("card_contact.department", "card_contact.address"):
            nine_minutes_later = self.office.server.clock.now + timedelta(minutes=9)
            self.office.server.clock.now = nine_minutes_later
            with self.use:
                assert self.use.wait_for(lambda: self.used_at >= nine_minutes_later, 10)
        return super().ask(question)


@pytest.mark.requirement("ENT-07")
async def test_session_lives_while_a_person_types(office: Office) -> None:
    office.person = SlowPerson(office)
    await office.register(session_keeping=OFTEN)
    assert office.registrations() == 1
    assert office.person.pins_asked == 1


@pytest.mark.requirement("ENT-07")
@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("FindBidder", "CARD_SESSION_EXPIRED"),
        ("PrepareRegistration", "CARD_SESSION_UNKNOWN"),
        ("PrepareRegistration", "BIDDER_PROOF_EXPIRED"),
        ("Register", "CARD_SESSION_EXPIRED"),
    ],
)
async def test_typed_values_outlive_their_session(office: Office, method: str, reason: str) -> None:
    office.proxy.refuse(method, reason, times=1)
    office.person.tries_again = lambda refusal: refusal.reason == reason
    result = await office.register(session_keeping=SELDOM)
    person = office.person
    assert result.receipt.card_contact.person_name == "土木 一郎"
    assert person.pins_asked == 2
    assert person.asked.count("search.password") == 2
    assert person.asked.count("card_contact.department") == 1
    assert "search.name" in person.previous
    assert person.previous["search.name"] == office.person.answers["search.name"]
    assert "search.password" not in person.previous
    assert office.server.cards.sessions == {}


async def test_expired_session_is_refused_where_nobody_tries_again(office: Office) -> None:
    office.proxy.refuse("FindBidder", "CARD_SESSION_EXPIRED")
    assert (await office.refused(session_keeping=SELDOM)).reason == "CARD_SESSION_EXPIRED"
    assert office.person.pins_asked == 1


async def test_act_that_waited_too_long_is_made_and_agreed_to_anew(office: Office) -> None:
    office.proxy.refuse("Register", "CHALLENGE_EXPIRED", times=1)
    office.person.tries_again = lambda _refusal: True
    await office.register()
    assert office.registrations() == 1
    assert office.person.asked.count("search.name") == 1
    assert len(office.person.confirmed) == 3
    assert office.signatures == 3


@pytest.mark.parametrize("method", ["DescribeInstance", "BeginRegistration", "OpenSession", "FindBidder"])
async def test_call_without_network_can_be_tried_again(office: Office, method: str) -> None:
    office.proxy.answers[method] = lost_answers(1, arrives=False)
    office.person.tries_again = lambda _refusal: True
    await office.register()
    assert [refusal.reason for refusal in office.person.refused] == ["PEER_UNREACHABLE"]
    assert office.person.asked.count("search.name") == 1
    assert office.person.pins_asked == 1


@pytest.mark.requirement("REG-05")
async def test_registration_without_answer_is_sent_again_as_long_as_the_person_wants(office: Office) -> None:
    office.proxy.answers["Register"] = lost_answers(ATTEMPTS + 1, arrives=False)
    office.person.tries_again = lambda _refusal: True
    await office.register()
    assert office.registrations() == 1
    assert len(office.person.refused) == 2


@pytest.mark.requirement("ENT-05")
async def test_nothing_is_asked_outside_opening_hours(office: Office) -> None:
    office.server.clock.japan(21, 0)
    refused = await office.refused()
    assert refused.reason == "OUTSIDE_OPENING_HOURS"
    assert refused.metadata["opens_next_ja"] == "2026年11月30日(月) 8時30分"
    assert refused.metadata["opens_next_en"] == "Mon 2026-11-30 08:30 (Japan time)"
    assert office.person.chosen_from == {}
    assert office.card_in_memory.connection.commands == []
    assert dict(office.proxy.calls) == {"DescribeInstance": 1}


@pytest.mark.requirement("REG-05")
async def test_lost_receipt_is_fetched_at_any_hour(office: Office) -> None:
    office.proxy.answers["Register"] = lost_answers(ATTEMPTS)
    assert (await office.refused()).reason == "PEER_UNREACHABLE"
    assert office.progress.outcome is Outcome.UNKNOWN
    office.proxy.answers.clear()
    replace_person(office)
    office.server.clock.japan(21, 0)
    await office.register()
    assert office.registrations() == 1
    assert office.person.asked == []


@pytest.mark.requirement("ENT-05")
async def test_other_card_is_refused_outside_opening_hours_before_its_pin(office: Office) -> None:
    office.proxy.answers["Register"] = lost_answers(ATTEMPTS)
    await office.refused()
    office.server.clock.japan(21, 0)
    other = Office(office.server, office.unfinished.directory.parent)
    assert (await other.refused()).reason == "OUTSIDE_OPENING_HOURS"
    assert other.person.pins_asked == 0
    assert other.progress.outcome is Outcome.NOT_DONE


async def test_outcome_of_an_earlier_run_stays_unknown_until_its_card_is_read(office: Office) -> None:
    office.proxy.answers["Register"] = lost_answers(ATTEMPTS)
    await office.refused()
    office.card_in_memory.connection.removed = True
    assert (await office.refused()).reason == "CARD_REMOVED"
    assert office.progress.outcome is Outcome.UNKNOWN


@pytest.mark.requirement("ENT-05")
async def test_registration_that_never_arrived_is_not_begun_anew_outside_opening_hours(office: Office) -> None:
    office.proxy.answers["Register"] = lost_answers(ATTEMPTS, arrives=False)
    await office.refused()
    office.proxy.answers.clear()
    replace_person(office)
    office.server.clock.japan(21, 0)
    assert (await office.refused()).reason == "OUTSIDE_OPENING_HOURS"
    assert office.person.asked == []
    assert office.progress.outcome is Outcome.NOT_DONE


def without_registration(*positions: int) -> Any:
    def change(answer: Any) -> None:
        for position in positions:
            del answer.instance.categories[position].operations[:]

    return altered_answer(change)


async def test_category_without_registration_is_not_offered(office: Office) -> None:
    office.proxy.answers["DescribeInstance"] = without_registration(1)
    await office.register()
    assert office.person.chosen_from["category"] == ["works"]


async def test_instance_without_registration_is_refused(office: Office) -> None:
    office.proxy.answers["DescribeInstance"] = without_registration(0, 1)
    refused = await office.refused()
    assert refused.reason == "OPERATION_NOT_OFFERED"
    assert refused.metadata["category_ja"] == "例示県"
    assert office.card_in_memory.connection.commands == []
