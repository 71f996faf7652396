"""A change that another one came before, that lost its session or its answer, or that was stopped."""

from collections.abc import Callable
from typing import Any

import pytest

from card_agent.console import change_words
from card_agent.console.person import Answer
from card_agent.operation.progress import Outcome
from card_agent.operation.sending import ATTEMPTS
from refusals import Code, Refusal
from tests.support.changing_office import REPRESENTATIVE, REPRESENTATIVE_CONTACT, ChangingOffice
from tests.support.example_profile import BIDDER, WORKS
from tests.support.office import CONTACT
from tests.support.tampering_proxy import lost_answers

NAME, FAX = f"{REPRESENTATIVE_CONTACT}.person_name", f"{REPRESENTATIVE_CONTACT}.fax"
ANOTHER_CARD = bytes(32)
# What another card made of the representative contact while this one's person was typing.
THEIRS = REPRESENTATIVE | {"person_name": "別人 三郎", "fax": "048-777-0000"}


@pytest.fixture(name="office")
def office_of_this_file(changing_office: ChangingOffice) -> ChangingOffice:
    """The office, whose card is registered, with a person who changes the representative contact."""
    changing_office.send_person(change=REPRESENTATIVE_CONTACT, **{NAME: "窓口 次郎"})
    return changing_office


def change_first(office: ChangingOffice, method: str, *, brought_by: bytes = ANOTHER_CARD) -> None:
    """Has another card change the representative contact before the first call of a method arrives."""

    def answer(_request: Any, ask: Callable[[], Any]) -> Any:
        if office.proxy.calls[method] == 1:
            office.put_contact(REPRESENTATIVE_CONTACT, THEIRS, brought_by=brought_by)
        return ask()

    office.proxy.answers[method] = answer


@pytest.mark.parametrize("method", ["PrepareChange", "SubmitChange"])
async def test_second_person_sees_what_changed_and_by_whom_and_goes_on(office: ChangingOffice, method: str) -> None:
    change_first(office, method)
    person = office.person
    result = await office.change_done()
    title = "先に変更された内容：代表窓口情報"
    assert person.value(title, "変更したICカード") == "御社の別のICカード"
    assert person.value(title, "代表窓口情報　person_name") == "代表 花子　→　別人 三郎（入力中の内容：窓口 次郎）"
    assert person.value(title, "代表窓口情報　fax") == "048-000-0001　→　048-777-0000"
    assert change_words.CONFIRM_AFTER_OTHERS.ja in person.confirmed
    # What was typed is kept and not asked for again; what was not typed is as the other person left it.
    assert person.asked.count(NAME) == 1
    contact = office.newest(REPRESENTATIVE_CONTACT)
    assert (contact.person_name, contact.fax) == ("窓口 次郎", "048-777-0000")
    assert list(result.receipt.changed_fields) == [NAME]
    assert person.shown["変更する項目"] == [("代表窓口情報　person_name", "別人 三郎　→　窓口 次郎")]
    assert office.changes == 1


async def test_change_of_the_same_card_elsewhere_is_said_to_be_its_own(office: ChangingOffice) -> None:
    change_first(office, "PrepareChange", brought_by=office.card.sha256)
    await office.change_done()
    assert office.person.value("先に変更された内容：代表窓口情報", "変更したICカード") == "このICカード"


async def test_nothing_is_changed_over_another_change_without_a_person(office: ChangingOffice) -> None:
    change_first(office, "PrepareChange")
    office.person.is_present = False
    refused = await office.change_refused()
    assert (refused.reason, office.changes, office.signed) == ("CONTACT_CHANGED_MEANWHILE", 0, 1)


async def test_person_may_stop_when_another_change_came_first(office: ChangingOffice) -> None:
    change_first(office, "PrepareChange")
    office.person.confirmations = [Answer.NO]
    assert (await office.change_refused()).reason == "CHANGE_GIVEN_UP"
    assert office.changes == 0


async def test_same_change_by_another_card_leaves_nothing_to_change(office: ChangingOffice) -> None:
    def answer(_request: Any, ask: Callable[[], Any]) -> Any:
        office.put_contact(
            REPRESENTATIVE_CONTACT, REPRESENTATIVE | {"person_name": "窓口 次郎"}, brought_by=ANOTHER_CARD
        )
        return ask()

    office.proxy.answers["PrepareChange"] = answer
    assert await office.change() is None
    assert change_words.NOTHING_DIFFERS.ja in office.person.told


@pytest.mark.parametrize("method", ["PrepareChange", "SubmitChange"])
async def test_lost_session_keeps_what_was_typed(office: ChangingOffice, method: str) -> None:
    office.proxy.refuse(method, "CARD_SESSION_EXPIRED", times=1)
    office.person.tries_again = lambda _refusal: True
    await office.change_done()
    assert office.person.asked.count(NAME) == 1
    assert office.person.pins_asked == 2
    assert change_words.LOGGING_IN_AGAIN.ja in office.person.told
    assert office.changes == 1


@pytest.mark.parametrize("arrives", [True, False])
async def test_request_is_repeated_after_a_lost_answer_and_changes_once(office: ChangingOffice, arrives: bool) -> None:
    office.proxy.answers["SubmitChange"] = lost_answers(ATTEMPTS - 1, arrives=arrives)
    await office.change_done()
    assert (office.changes, len(office.server.contacts.versions[BIDDER, WORKS])) == (1, 2)
    assert office.proxy.calls["SubmitChange"] == ATTEMPTS
    assert office.unfinished.find(office.change_key) is None


async def test_next_run_fetches_the_receipt_of_a_lost_answer(office: ChangingOffice) -> None:
    office.proxy.answers["SubmitChange"] = lost_answers(ATTEMPTS)
    assert (await office.change_refused()).reason == "PEER_UNREACHABLE"
    stored = office.unfinished.find(office.change_key)
    assert stored is not None
    assert office.change_progress.outcome is Outcome.UNKNOWN
    office.proxy.answers.clear()
    # At any hour.
    office.server.clock.japan(22, 0)
    office.send_person()
    result = await office.change_done()
    assert (result.receipt.request_id, office.changes) == (stored.request_id, 1)
    assert office.person.asked == []
    assert office.unfinished.find(office.change_key) is None


async def test_next_run_reuses_the_request_id_of_a_request_that_never_arrived(office: ChangingOffice) -> None:
    office.proxy.answers["SubmitChange"] = lost_answers(ATTEMPTS, arrives=False)
    await office.change_refused()
    stored = office.unfinished.find(office.change_key)
    assert stored is not None
    office.proxy.answers.clear()
    office.send_person(change=REPRESENTATIVE_CONTACT, **{NAME: "窓口 次郎"})
    result = await office.change_done()
    assert change_words.NOT_CHANGED_BEFORE.ja in office.person.told
    assert (result.receipt.request_id, office.changes) == (stored.request_id, 1)


async def test_other_values_than_in_the_lost_request_get_another_request_id(office: ChangingOffice) -> None:
    office.proxy.answers["SubmitChange"] = lost_answers(ATTEMPTS, arrives=False)
    await office.change_refused()
    stored = office.unfinished.find(office.change_key)
    assert stored is not None
    office.proxy.answers.clear()
    office.send_person()
    result = await office.change_done()
    assert result.receipt.request_id != stored.request_id


async def test_who_leaves_after_a_request_that_never_arrived_is_not_asked_about_it_again(
    office: ChangingOffice,
) -> None:
    office.proxy.answers["SubmitChange"] = lost_answers(ATTEMPTS, arrives=False)
    await office.change_refused()
    office.proxy.answers.clear()
    office.send_person(change="nothing")
    assert await office.change() is None
    assert office.unfinished.find(office.change_key) is None


async def test_act_that_was_used_up_without_a_change_is_signed_anew_under_the_same_request_id(
    office: ChangingOffice,
) -> None:
    """certificate-registry proves the act, and the answer is lost before the commit."""

    async def fail_once() -> None:
        office.server.cards.before_answer = None
        raise Refusal("DATABASE_UNAVAILABLE", Code.UNAVAILABLE)

    office.server.cards.before_answer = fail_once
    await office.change_done()
    assert change_words.SIGNING_ANEW.ja in office.person.told
    assert (office.changes, office.signed, office.person.pins_asked) == (1, 3, 1)
    assert len(office.server.contacts.commits) == 1
    request_ids = {request.form.request_id for request in submitted(office)}
    assert (len(request_ids), len(submitted(office))) == (1, 3)


async def test_change_that_arrived_after_all_is_not_taken_for_another_persons(office: ChangingOffice) -> None:
    """The commit is on its way while the same request is refused, and done before it is prepared anew."""
    held: list[Any] = []

    def submit(request: Any, ask: Callable[[], Any]) -> Any:
        calls = office.proxy.calls["SubmitChange"]
        if calls == 1:
            held.append(ask)
            raise Refusal("PEER_UNREACHABLE")
        if calls == 2:
            raise Refusal("CHALLENGE_USED")
        return ask()

    def prepare(request: Any, ask: Callable[[], Any]) -> Any:
        if held and not request.validate_only:
            held.pop()()
        return ask()

    office.proxy.answers |= {"SubmitChange": submit, "PrepareChange": prepare}
    result = await office.change_done()
    assert result.receipt.representative_contact.person_name == "窓口 次郎"
    assert (office.changes, office.signed) == (1, 2)
    assert office.unfinished.find(office.change_key) is None


def submitted(office: ChangingOffice) -> list[Any]:
    return [request for request in office.proxy.requests if type(request).__name__ == "SubmitChangeRequest"]


async def test_refused_change_is_not_kept_as_unfinished(office: ChangingOffice) -> None:
    office.proxy.refuse("SubmitChange", "CARD_SUSPENDED")
    assert (await office.change_refused()).reason == "CARD_SUSPENDED"
    assert office.unfinished.find(office.change_key) is None
    assert office.change_progress.outcome is Outcome.NOT_DONE


async def test_unfinished_change_contains_no_typed_value_or_token(office: ChangingOffice) -> None:
    office.proxy.answers["SubmitChange"] = lost_answers(ATTEMPTS)
    await office.change_refused()
    (file,) = office.unfinished.directory.iterdir()
    content = file.read_text("utf-8")
    tokens = [request.session_token for request in office.proxy.requests if hasattr(request, "session_token")]
    assert tokens
    assert not [value for value in ("123456", "窓口", CONTACT["mail_address"], *tokens) if value in content]


async def test_nobody_waits_for_the_card_outside_opening_hours(office: ChangingOffice) -> None:
    office.server.clock.japan(22, 0)
    assert (await office.change_refused()).reason == "OUTSIDE_OPENING_HOURS"
    assert office.card_in_memory.connection.commands == []
