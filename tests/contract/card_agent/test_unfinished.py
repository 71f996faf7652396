"""A registration whose answer was lost: repeated, fetched by the next run, and kept without what was typed."""

from typing import Any

import pytest

from card_agent.operation.sending import ATTEMPTS
from refusals import Refusal
from tests.support.example_profile import BIDDER
from tests.support.office import CONTACT, Office, replace_person
from tests.support.services.front_door import COMPANY, PASSWORD
from tests.support.tampering_proxy import lost_answers


@pytest.mark.requirement("REG-05")
@pytest.mark.parametrize("arrives", [True, False])
async def test_request_is_repeated_after_a_lost_answer_and_registers_once(office: Office, arrives: bool) -> None:
    office.proxy.answers["Register"] = lost_answers(ATTEMPTS - 1, arrives=arrives)
    result = await office.register()
    assert office.registrations() == 1
    assert result.receipt.registration.bidder_id == BIDDER
    assert office.proxy.calls["Register"] == ATTEMPTS
    assert office.unfinished.find(office.key) is None


@pytest.mark.requirement("REG-05")
async def test_next_run_fetches_the_receipt_of_a_lost_answer(office: Office) -> None:
    office.proxy.answers["Register"] = lost_answers(ATTEMPTS)
    assert (await office.refused()).reason == "PEER_UNREACHABLE"
    stored = office.unfinished.find(office.key)
    assert stored is not None
    office.proxy.answers.clear()
    replace_person(office)
    result = await office.register()
    assert office.registrations() == 1
    assert result.receipt.request_id == stored.request_id
    assert office.person.asked == []
    assert office.unfinished.find(office.key) is None


@pytest.mark.requirement("REG-05")
async def test_next_run_reuses_the_request_id_of_a_request_that_never_arrived(office: Office) -> None:
    office.proxy.answers["Register"] = lost_answers(ATTEMPTS, arrives=False)
    assert (await office.refused()).reason == "PEER_UNREACHABLE"
    stored = office.unfinished.find(office.key)
    assert stored is not None
    office.proxy.answers.clear()
    replace_person(office)
    result = await office.register()
    assert result.receipt.request_id == stored.request_id
    assert office.registrations() == 1


async def test_refusal_after_a_lost_answer_keeps_the_unfinished_registration(office: Office) -> None:
    lose = lost_answers(1)

    def lose_and_refuse(request: Any, ask: Any) -> Any:
        if office.proxy.calls["Register"] == 1:
            return lose(request, ask)
        raise Refusal("CARD_SESSION_EXPIRED")

    office.proxy.answers["Register"] = lose_and_refuse
    assert (await office.refused()).reason == "CARD_SESSION_EXPIRED"
    office.proxy.answers.clear()
    replace_person(office)
    await office.register()
    assert office.registrations() == 1
    assert office.person.asked == []


async def test_refused_registration_is_not_kept_as_unfinished(office: Office) -> None:
    def refuse(_request: Any, _ask: Any) -> Any:
        raise Refusal("CHALLENGE_EXPIRED")

    office.proxy.answers["Register"] = refuse
    assert (await office.refused()).reason == "CHALLENGE_EXPIRED"
    assert office.unfinished.find(office.key) is None


async def test_other_values_get_another_request_id(office: Office) -> None:
    office.proxy.answers["Register"] = lost_answers(ATTEMPTS, arrives=False)
    await office.refused()
    stored = office.unfinished.find(office.key)
    assert stored is not None
    office.proxy.answers.clear()
    replace_person(office, **{"card_contact.person_name": "建築 次郎"})
    result = await office.register()
    assert result.receipt.request_id != stored.request_id
    assert result.receipt.card_contact.person_name == "建築 次郎"


async def test_unfinished_registration_contains_no_typed_value_or_token(office: Office) -> None:
    office.proxy.answers["Register"] = lost_answers(ATTEMPTS)
    await office.refused()
    (file,) = office.unfinished.directory.iterdir()
    content = file.read_text("utf-8")
    for value in ("123456", PASSWORD, COMPANY, CONTACT["mail_address"], "土木"):
        assert value not in content
    tokens = [request.session_token for request in office.proxy.requests if hasattr(request, "session_token")]
    assert tokens
    assert not [token for token in tokens if token in content]
