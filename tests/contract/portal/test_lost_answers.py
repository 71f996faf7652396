"""A signed act comes through once, whatever is lost on the way: two replicas, a killed one, an answer that is lost."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text

from refusals import Code, Refusal
from servicekit.statements import Statement
from tests.support.person_in_memory import PersonInMemory, write_contacts, write_search
from tests.support.services.portal import RunningPortal

# As half a minute later.
_RELEASE = Statement(text("UPDATE draft SET busy_until = busy_until - interval '31 seconds'"))


async def go_to_check(portal: RunningPortal) -> PersonInMemory:
    """Returns a new person at the check of a registration."""
    contractor, person = portal.front_door.contractor(), await portal.come()
    await person.log_in("registration", contractor)
    await person.send(write_search(contractor))
    await person.send(write_contacts())
    return person


async def go_to_act(portal: RunningPortal) -> PersonInMemory:
    """Returns a new person before the signature of a registration."""
    person = await go_to_check(portal)
    await person.send()
    return person


def lose_answers(portal: RunningPortal) -> None:
    """Has every answer of certificate-registry to an act be lost, after it took effect."""

    def lose() -> None:
        raise Refusal("INTERNAL_FAILURE", Code.INTERNAL, {"trace_id": "none"})

    portal.front_door.cards.before_answer = lose


async def test_lost_answer_is_asked_for_again_and_is_the_one_receipt(portal: RunningPortal) -> None:
    person = await go_to_act(portal)
    lose_answers(portal)
    page = await person.sign()

    assert "結果をまだ確認できていません" in page.read()
    portal.front_door.cards.before_answer = None
    page = await person.send()
    assert "登録が完了しました。" in page.read()
    assert len(portal.front_door.cards.outcomes) == 1


async def test_after_ten_minutes_a_new_log_in_finds_the_receipt_of_the_act_that_came_through(
    portal: RunningPortal,
) -> None:
    person = await go_to_act(portal)
    lose_answers(portal)
    await person.sign()
    portal.front_door.cards.before_answer = None
    portal.front_door.clock.japan(10, 15)
    await person.look()
    card = person.card
    assert card is not None
    await person.use_card(card)
    page = await person.sign()

    assert "登録が完了しました。" in page.read()
    assert len(portal.front_door.cards.outcomes) == 1


async def test_replica_that_was_killed_at_work_leaves_the_act_to_the_other_one(portal: RunningPortal) -> None:
    person = await go_to_act(portal)
    reached, answer = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        reached.set()
        await answer.wait()

    portal.front_door.cards.before_answer = hang
    killed = asyncio.create_task(person.sign())
    await asyncio.wait_for(reached.wait(), 10)
    killed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killed
    portal.front_door.cards.before_answer = None
    answer.set()
    async with portal.database.single_change() as connection:
        await connection.change(_RELEASE)
    page = await person.look()

    assert "結果をまだ確認できていません" in page.read()
    page = await person.send()
    assert "登録が完了しました。" in page.read()
    assert len(portal.front_door.cards.outcomes) == 1


async def test_form_that_is_sent_to_both_replicas_at_once_is_one_act(portal: RunningPortal) -> None:
    person = await go_to_check(portal)
    fields = person.page.list_values() | {"answer": "ok"}
    address = person.page.find_action()
    pages = await asyncio.gather(*(person.browser.post(address, fields) for _ in range(4)))

    assert {page.address.rpartition("/")[2] for page in pages} == {"act"}
    assert portal.front_door.cards.calls["CreateActChallenge"] == 1


async def test_answer_of_the_agent_that_is_sent_twice_at_once_is_one_act(portal: RunningPortal) -> None:
    person = await go_to_act(portal)
    answer = person.sign_purpose()
    pages = await asyncio.gather(*(replace(person).bring(answer) for _ in range(3)))

    assert all("登録が完了しました。" in page.read() for page in pages)
    assert portal.front_door.cards.calls["Register"] == 1


async def test_front_door_that_is_away_is_said_with_a_number_and_costs_nothing(portal: RunningPortal) -> None:
    person = await go_to_check(portal)
    portal.front_door.cards.failing = True
    page = await person.send()

    assert page.address.endswith("/check")
    assert "照会番号" in page.read()
    portal.front_door.cards.failing = False
    assert (await person.send()).address.endswith("/act")
