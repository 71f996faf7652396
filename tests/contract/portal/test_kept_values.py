"""What was typed is kept: while a person types, when the log-in ends, and against a step that is being made."""

import asyncio
import json

from sqlalchemy import text

from servicekit.statements import Statement
from tests.support.example_profile import CITY
from tests.support.person_in_memory import PersonInMemory, write_contacts, write_search
from tests.support.services.portal import RunningPortal

_SIZE = Statement(text("SELECT max(length(sealed)) AS size FROM draft"))


async def go_to_form(portal: RunningPortal) -> PersonInMemory:
    """Returns a new person at the form of a registration."""
    contractor, person = portal.front_door.contractor(), await portal.come()
    await person.log_in("registration", contractor)
    await person.send(write_search(contractor))
    return person


async def keep(person: PersonInMemory, **typed: str) -> int:
    """Sends what is typed so far, as the page does; returns the seconds that are left."""
    address = person.page.find_action().rpartition("/")[0] + "/keep"
    fields = {"version": person.page.list_values()["version"]} | typed
    answer = await person.browser.post(address, fields)
    assert answer.status == 200, answer.body
    seconds: int = json.loads(answer.body)["ends_in_seconds"]
    return seconds


async def test_ten_minutes_at_the_telephone_cost_nothing_that_was_typed(portal: RunningPortal) -> None:
    person = await go_to_form(portal)
    await keep(person, **{"card_contact.telephone": "048-111-2222"})
    portal.front_door.clock.japan(10, 15)
    page = await person.look()

    assert page.address.endswith("/card")
    assert "入力した内容は残っています。" in page.read()
    card = person.card
    assert card is not None
    await person.use_card(card)
    page = await person.sign()
    assert page.address.endswith("/form")
    assert page.list_values()["card_contact.telephone"] == "048-111-2222"


async def test_typing_keeps_the_log_in_alive(portal: RunningPortal) -> None:
    person = await go_to_form(portal)
    for minute in (9, 18, 27):
        portal.front_door.clock.japan(10, minute)
        assert await keep(person) == 580

    assert (await person.send(write_contacts())).address.endswith("/check")


async def test_last_words_are_kept_after_the_end_of_the_log_in(portal: RunningPortal) -> None:
    person = await go_to_form(portal)
    portal.front_door.clock.japan(10, 15)

    assert await keep(person, **{"card_contact.telephone": "048-111-2222"}) == 0
    await person.look()
    card = person.card
    assert card is not None
    await person.use_card(card)
    page = await person.sign()
    assert page.list_values()["card_contact.telephone"] == "048-111-2222"


async def test_box_that_was_emptied_stays_empty(portal: RunningPortal) -> None:
    contractor, person = portal.front_door.contractor(), await portal.come()
    await portal.front_door.register(contractor)
    await portal.front_door.register(portal.front_door.contractor(contractor.card, agency=CITY))
    await person.log_in("change", contractor)
    await keep(person, propagate="1")
    assert (await person.look()).list_values()["propagate"] == "1"
    await keep(person, propagate="")

    assert "propagate" not in (await person.look()).list_values()


async def test_what_is_kept_meanwhile_never_overwrites_a_signed_act(portal: RunningPortal) -> None:
    person = await go_to_form(portal)
    await person.send(write_contacts())
    version = person.page.list_values()["version"]
    reading, signing = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        reading.set()
        await signing.wait()

    # The page keeps what is typed: it has read the journey, and waits for the front door.
    portal.front_door.cards.before_check = wait
    address = person.page.find_action().rpartition("/")[0] + "/keep"
    keeping = asyncio.create_task(person.browser.post(address, {"version": version, "card_contact.fax": "1"}))
    await asyncio.wait_for(reading.wait(), 10)
    portal.front_door.cards.before_check = None
    # Meanwhile the person goes on.
    await person.send()
    done = await person.sign()
    signing.set()
    await keeping

    assert "登録が完了しました。" in done.read()
    assert "登録が完了しました。" in (await person.look()).read()


async def test_fields_that_no_form_has_are_not_kept(portal: RunningPortal) -> None:
    person = await go_to_form(portal)
    await keep(person)
    async with portal.database.read() as connection:
        before = await connection.fetch_row(_SIZE)
    await keep(person, **{f"made_up_{number}": "x" * 1000 for number in range(30)})
    async with portal.database.read() as connection:
        after = await connection.fetch_row(_SIZE)

    assert before is not None
    assert after is not None
    assert after.size == before.size
