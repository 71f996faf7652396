"""A renewal whose answer was lost, or which ended at any of its steps: the next run finds what came of it (REN-01)."""

import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from card_agent.console import renewal_words
from card_agent.operation.progress import Outcome
from card_agent.operation.sending import ATTEMPTS
from card_agent.operation.session_keeping import SessionKeeping
from refusals import Refusal
from tests.support.card_in_memory import CardInMemory, PivInMemory, piv_of
from tests.support.example_profile import example_profile
from tests.support.office import GENERAL_AUTHENTICATE
from tests.support.reader_in_memory import PlacesInMemory, ReaderInMemory
from tests.support.renewal_office import NEW_PIN, OLD_PIN, RenewalOffice
from tests.support.services.front_door import COMPANY, running_front_door
from tests.support.tampering_proxy import lost_answers

STEPS = [
    "BeginRenewal",
    "OpenRenewalSession",
    "PrepareSuccession",
    "PrepareRenewal",
]
SELDOM = SessionKeeping(interval_seconds=1000)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[RenewalOffice]:
    async with running_front_door(example_profile(), tmp_path) as server:
        office = RenewalOffice(server, tmp_path)
        await office.register_old()
        yield office


def begin_next_run(office: RenewalOffice) -> None:
    """Sends another person, who finds the new card in the reader."""
    office.proxy.answers.clear()
    office.person = office.make_person()
    office.person.hands[renewal_words.INSERT_NEW.ja] = lambda: office.reader.put(office.new_piv)
    office.person.pins = [NEW_PIN]


@pytest.mark.parametrize("arrives", [True, False])
async def test_request_is_repeated_after_a_lost_answer_and_renews_once(office: RenewalOffice, arrives: bool) -> None:
    office.proxy.answers["Renew"] = lost_answers(ATTEMPTS - 1, arrives=arrives)
    await office.renew()
    assert office.renewals == 1
    assert office.proxy.calls["Renew"] == ATTEMPTS
    assert office.unfinished.find(office.key) is None
    assert office.progress.outcome is Outcome.DONE


async def test_next_run_fetches_the_result_with_the_new_card_at_any_hour(office: RenewalOffice) -> None:
    office.proxy.answers["Renew"] = lost_answers(ATTEMPTS)
    assert (await office.refused()).reason == "PEER_UNREACHABLE"
    assert office.progress.outcome is Outcome.UNKNOWN
    stored = office.unfinished.find(office.key)
    assert stored is not None
    begin_next_run(office)
    office.server.clock.japan(21, 0)
    done = await office.renew()
    assert done.result.request_id == stored.request_id
    assert office.renewals == 1
    assert office.person.pins_asked == 1
    assert office.person.confirmed == []
    assert office.unfinished.find(office.key) is None
    assert office.server.cards.sessions == {} or all(
        session.card.certificate_sha256 != office.new.sha256 for session in office.server.cards.sessions.values()
    )


async def test_next_run_asks_for_the_new_card_where_the_old_one_is_inserted(office: RenewalOffice) -> None:
    office.proxy.answers["Renew"] = lost_answers(ATTEMPTS)
    await office.refused()
    begin_next_run(office)
    office.person.hands[renewal_words.INSERT_NEW.ja] = lambda: office.reader.put(office.old_piv)
    done = await office.renew()
    assert done.result.new_card.certificate_sha256 == office.new.sha256
    assert office.person.told.count(renewal_words.SWAP_CARDS.ja) == 1
    assert office.renewals == 1


async def test_next_run_finds_the_new_card_in_the_second_reader(office: RenewalOffice) -> None:
    office.places = PlacesInMemory(office.reader, ReaderInMemory(office.new_piv))
    office.proxy.answers["Renew"] = lost_answers(ATTEMPTS)
    await office.refused()
    begin_next_run(office)
    office.reader.put(office.old_piv)
    office.person.hands.clear()
    await office.renew()
    assert office.renewals == 1
    assert office.person.confirmed == []


async def test_next_run_starts_over_where_nothing_arrived(office: RenewalOffice) -> None:
    office.proxy.answers["Renew"] = lost_answers(ATTEMPTS, arrives=False)
    assert (await office.refused()).reason == "PEER_UNREACHABLE"
    stored = office.unfinished.find(office.key)
    assert stored is not None
    begin_next_run(office)
    office.person.hands[renewal_words.IS_THE_NEW_CARD.ja] = lambda: office.reader.put(office.old_piv)
    office.person.pins = [NEW_PIN, OLD_PIN, NEW_PIN]
    done = await office.renew()
    assert renewal_words.NOT_RENEWED_BEFORE.ja in office.person.told
    assert done.result.request_id != stored.request_id
    assert office.renewals == 1


async def test_unfinished_renewal_of_other_cards_does_not_hinder(office: RenewalOffice) -> None:
    office.proxy.answers["Renew"] = lost_answers(ATTEMPTS)
    await office.refused()
    stored = office.unfinished.find(office.key)
    other = RenewalOffice(office.server, office.folder)
    await other.register_old()
    other.person.hands[renewal_words.INSERT_NEW.ja] = lambda: None
    await other.renew()
    assert other.renewals == 2
    assert office.unfinished.find(office.key) == stored


async def test_renewal_that_never_arrived_is_not_begun_anew_outside_opening_hours(office: RenewalOffice) -> None:
    office.proxy.answers["Renew"] = lost_answers(ATTEMPTS, arrives=False)
    await office.refused()
    begin_next_run(office)
    office.server.clock.japan(21, 0)
    assert (await office.refused()).reason == "OUTSIDE_OPENING_HOURS"
    assert office.progress.outcome is Outcome.NOT_DONE


@pytest.mark.parametrize("method", STEPS)
async def test_call_without_network_can_be_tried_again(office: RenewalOffice, method: str) -> None:
    office.proxy.answers[method] = lost_answers(1, arrives=False)
    office.person.tries_again = lambda _refusal: True
    await office.renew()
    assert office.renewals == 1
    assert [refusal.reason for refusal in office.person.refused] == ["PEER_UNREACHABLE"]


@pytest.mark.parametrize("method", STEPS)
async def test_renewal_that_ends_before_it_was_sent_leaves_nothing_and_can_be_begun_anew(
    office: RenewalOffice, method: str
) -> None:
    office.proxy.answers[method] = lost_answers(1)
    assert (await office.refused()).reason == "PEER_UNREACHABLE"
    assert office.progress.outcome is Outcome.NOT_DONE
    assert office.unfinished.find(office.key) is None
    office.proxy.answers.clear()
    office.person = office.make_person()
    await office.renew()
    assert office.renewals == 1


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("PrepareSuccession", "CARD_SESSION_EXPIRED"),
        ("PrepareRenewal", "CARD_SESSION_UNKNOWN"),
        ("Renew", "CARD_SESSION_EXPIRED"),
    ],
)
async def test_session_that_ended_starts_over_with_both_cards(office: RenewalOffice, method: str, reason: str) -> None:
    office.proxy.refuse(method, reason, times=1)
    office.person.tries_again = lambda refusal: refusal.reason == reason
    office.person.pins = [OLD_PIN] if method == "PrepareSuccession" else [OLD_PIN, NEW_PIN]
    office.person.pins += [OLD_PIN, NEW_PIN]
    await office.renew(session_keeping=SELDOM)
    assert office.renewals == 1
    assert office.person.told.count(renewal_words.STARTING_AGAIN.ja) == 1


async def test_new_act_that_waited_too_long_is_signed_anew_without_the_old_card(office: RenewalOffice) -> None:
    office.proxy.refuse("Renew", "CHALLENGE_EXPIRED", times=1)
    office.person.tries_again = lambda _refusal: True
    await office.renew()
    assert office.renewals == 1
    assert office.signatures(office.old_piv) == 2
    assert office.signatures(office.new_piv) == 3
    assert len(office.person.confirmed) == 2


async def test_refusal_after_a_lost_answer_asks_for_the_result_with_the_new_card(office: RenewalOffice) -> None:
    lose = lost_answers(1)

    def lose_and_refuse(request: Any, ask: Any) -> Any:
        if office.proxy.calls["Renew"] == 1:
            return lose(request, ask)
        raise Refusal("CARD_SESSION_EXPIRED")

    office.proxy.answers["Renew"] = lose_and_refuse
    office.person.tries_again = lambda refusal: refusal.reason == "CARD_SESSION_EXPIRED"
    office.person.pins = [OLD_PIN, NEW_PIN, NEW_PIN]
    office.person.hands[renewal_words.INSERT_NEW.ja] = lambda: office.reader.put(office.new_piv)
    done = await office.renew(session_keeping=SELDOM)
    assert done.result.new_card.certificate_sha256 == office.new.sha256
    assert office.renewals == 1


async def test_unfinished_renewal_contains_no_key_token_pin_or_name(office: RenewalOffice) -> None:
    office.proxy.answers["Renew"] = lost_answers(ATTEMPTS)
    await office.refused()
    (file,) = office.unfinished.directory.iterdir()
    content = file.read_text("utf-8")
    request = next(each for each in office.proxy.requests if type(each).__name__ == "RenewRequest")
    for value in (OLD_PIN, NEW_PIN, COMPANY, request.old_session_token, request.new_session_token):
        assert value not in content
    assert request.form.successor_key.hex() not in content
    assert request.successor_signature.hex() not in content
    assert office.old.sha256.hex() in content


class PulledAtSignature(CardInMemory):
    """A card that is pulled instead of its signature with this number, once."""

    at: int = 0

    @override
    def transmit(self, command: bytes) -> bytes:
        answer = super().transmit(command)
        if command[1] == GENERAL_AUTHENTICATE and self.instructions.count(GENERAL_AUTHENTICATE) == self.at:
            self.removed = True
            raise Refusal("CARD_REMOVED")
        return answer


@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize("at", [1, 2])
async def test_card_that_is_pulled_at_a_signature_is_put_back_and_signs(
    office: RenewalOffice, is_new: bool, at: int
) -> None:
    pin = NEW_PIN if is_new else OLD_PIN
    pulled = PulledAtSignature(piv_of(office.new if is_new else office.old, pin=pin))
    pulled.at = at
    piv = PivInMemory(pulled)
    if is_new:
        office.new_piv = piv
    else:
        office.old_piv = piv

    def put_back(refusal: Refusal) -> bool:
        pulled.removed = False
        return refusal.reason == "CARD_REMOVED"

    office.person.tries_again = put_back
    office.person.pins = [OLD_PIN, OLD_PIN, NEW_PIN] if not is_new and at == 1 else [OLD_PIN, NEW_PIN, NEW_PIN]
    await office.renew()
    assert office.renewals == 1
    assert [refusal.reason for refusal in office.person.refused] == ["CARD_REMOVED"]


@pytest.mark.parametrize("is_new", [False, True])
async def test_card_that_is_pulled_for_good_leaves_nothing(office: RenewalOffice, is_new: bool) -> None:
    pulled = PulledAtSignature(piv_of(office.new if is_new else office.old, pin=NEW_PIN if is_new else OLD_PIN))
    pulled.at = 2
    office.new_piv, office.old_piv = (
        (PivInMemory(pulled), office.old_piv)
        if is_new
        else (
            office.new_piv,
            PivInMemory(pulled),
        )
    )
    assert (await office.refused()).reason == "CARD_REMOVED"
    assert office.renewals == 0
    assert office.progress.outcome is Outcome.NOT_DONE
    assert office.unfinished.find(office.key) is None
    assert office.server.cards.sessions == {}


@pytest.mark.requirement("ENT-07")
async def test_both_sessions_live_while_a_person_thinks(office: RenewalOffice) -> None:
    used = threading.Condition()
    tokens: set[str] = set()

    def use(request: Any, ask: Any) -> Any:
        answer = ask()
        with used:
            tokens.add(request.session_token)
            used.notify_all()
        return answer

    def think() -> None:
        with used:
            tokens.clear()
            assert used.wait_for(lambda: len(tokens) == 2, 10)

    office.proxy.answers["CheckSession"] = use
    office.person.before_confirming = think
    await office.renew(session_keeping=SessionKeeping(interval_seconds=0.005))
    assert office.renewals == 1
