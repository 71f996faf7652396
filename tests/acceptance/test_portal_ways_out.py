"""Ways out of what can get in a person's way at the portal, in a browser, with the real agent, cards and instance."""

import asyncio
import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from instance_profile.name_pieces import spell_out
from operator_command.instance_certificates import OFFICER
from operator_command.officer.preparation import prepare_officer
from simulators.certificate_authorities import new_ec_key
from tests.acceptance.test_card_approval import ADDRESS, DIFFERENCE, LEGAL_FORM, Desks
from tests.acceptance.test_incidents import find_incidents
from tests.support.card_reader import CardReader
from tests.support.changing_contractor import ChangingContractor
from tests.support.contractor import Contractor, contact_of
from tests.support.person_at_portal import PIN as PIN_FIELD
from tests.support.person_at_portal import Desk, count_signatures, new_contractor
from tests.support.person_at_toroku import PersonAtToroku, person_at_toroku, write_contact, write_search
from tests.support.registered_contractor import register_everywhere
from tests.support.running_instance import COMPANY_COMPARED_AT, RunningInstance
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserResponse

PIN = "246810"
GOOD = ResolveUserResponse.VERDICT_GOOD


@pytest_asyncio.fixture(loop_scope="session")
async def person(instance: RunningInstance, browser: Browser, reader: CardReader) -> AsyncIterator[PersonAtToroku]:
    """A person whose agent has opened the portal."""
    async with person_at_toroku(instance, browser) as person:
        yield person


async def log_in(person: PersonAtToroku, desk: Desk, contractor: Contractor, operation: str) -> None:
    """Goes from the entry to the page after the log-in."""
    desk.insert(contractor.card, PIN)
    await person.choose(contractor.agency, contractor.category)
    await person.begin(operation)
    await person.use_card()
    await person.log_in(PIN)


async def test_who_gives_up_at_the_agent_is_at_the_same_step_and_nothing_was_signed(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    card = desk.insert(contractor.card, PIN)
    await person.choose(contractor.agency, contractor.category)
    await person.begin("registration")
    await person.use_card()
    await person.give_up()

    page = await person.read()
    assert "ICカードの操作を取りやめました。" in page
    found = re.search(r"照会番号: ([0-9a-f]{32})", page)
    assert found is not None
    (incident,) = await find_incidents(instance, found[1])
    assert incident["reason"] == "CARD_GIVEN_UP"
    await person.examine("given-up")
    assert count_signatures(card) == 0
    await person.log_in(PIN)
    await person.page.wait_for_url("**/search")


async def test_wrong_pin_and_a_pulled_card_are_mended_at_the_agent_and_the_way_goes_on(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    desk.insert(contractor.card, PIN)
    await person.choose(contractor.agency, contractor.category)
    await person.begin("registration")
    await person.use_card()
    await person.page.click("#agent")
    await person.page.fill(PIN_FIELD, "111111")
    await person.page.click("button[name=answer][value=ok]")
    await expect(person.page.locator(".problem")).to_contain_text("PIN")
    desk.pull()
    await person.try_pin(PIN)
    await expect(person.page.locator(".problem")).to_contain_text("ICカード")
    desk.insert(contractor.card, PIN)
    await person.try_pin(PIN)

    await person.page.wait_for_url("**/search")


async def test_agent_that_stopped_is_started_again_and_its_new_tab_goes_on(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    await log_in(person, desk, contractor, "registration")
    await person.fill_in(write_search(contractor, spell_out(contractor.company_name)))
    await person.press()
    await person.fill_in(write_contact("representative_contact", contractor.representative_contact))
    await person.fill_in(write_contact("card_contact", contractor.card_contact))
    await person.press()
    await person.press()
    await person.page.wait_for_url("**/act")
    assert "カードエージェントを起動し直してください" in await person.read()
    person.agent.stop()
    person.page = await person.page.context.new_page()
    await person.page.goto(person.agent.start())
    await person.page.wait_for_url("**/act")
    # The agent that was started anew knows no card yet, and sends the person back to the page that asks for it.
    await person.page.click("#agent")
    await person.page.click("text=の画面に戻る")
    await person.page.wait_for_url("**/card")
    await person.examine("card-again")
    assert "入力した内容は残っています。" in await person.read()
    await person.use_card()
    await person.log_in(PIN)
    await person.page.wait_for_url("**/check")
    assert contractor.card_contact.person_name in await person.read()
    await person.press()
    await person.sign()
    await person.page.wait_for_url("**/result")

    assert "登録が完了しました。" in await person.read()
    assert (await instance.resolve(contractor)).verdict == GOOD


async def test_registered_card_is_led_to_change_and_renewal(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    await contractor.whole()
    await log_in(person, desk, contractor, "registration")

    assert "既に登録されています。" in await person.read()
    await person.examine("registered-already")
    await person.page.click(f".links a[href='/agencies/{contractor.agency}/{contractor.category}/menu']")
    await person.begin("change")
    await person.page.wait_for_selector("#agent")


async def test_who_was_overtaken_at_the_check_loses_nothing_and_sees_the_newest_values(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    await contractor.whole()
    await log_in(person, desk, contractor, "change")
    await person.fill_in({"card_contact.telephone": "048-111-2222", "card_contact.department": "営業部"})
    await person.press()
    await person.page.wait_for_url("**/check")
    newest = contact_of("別の 人", telephone="048-333-4444")
    await ChangingContractor.of(contractor).whole(card_contact=newest)
    await person.press()
    await person.page.wait_for_url("**/form")

    assert (await person.page.title()).startswith("エラー：")
    await person.examine("overtaken")
    assert await person.page.input_value("[name='card_contact.telephone']") == "048-111-2222"
    assert await person.page.input_value("[name='card_contact.department']") == "営業部"
    assert "現在の登録内容：048-333-4444" in await person.read()
    await person.press()
    await person.page.wait_for_url("**/check")
    await person.press()
    await person.sign()
    await person.page.wait_for_url("**/result")
    contact = await instance.contact(contractor, "card")
    assert contact is not None
    assert contact.telephone == "048-111-2222"


@pytest.mark.parametrize("follows", [True, False], ids=["chosen", "not chosen"])
async def test_other_agencies_follow_a_change_where_the_person_says_so_and_the_page_shows_each(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk, follows: bool
) -> None:
    contractor = await register_everywhere(instance)
    others = instance.other_agencies(contractor)
    await log_in(person, desk, contractor, "change")
    await person.fill_in({"card_contact.telephone": "048-111-2222"})
    await person.page.set_checked("[name=propagate]", follows)
    await person.press()
    await person.page.wait_for_url("**/check")
    await person.press()
    await person.sign()
    await person.page.wait_for_url("**/result")

    states = person.page.locator("tbody tr")
    if follows:
        await expect(states).to_have_text([re.compile("反映済み")] * len(others), timeout=20_000)
        shown = await states.all_inner_texts()
        assert all(any(instance.agency_name(agency) in each for each in shown) for agency in others)
        await person.examine("states")
    else:
        await expect(states).to_have_count(0)
    for agency in others:
        find = partial(instance.contact, contractor, "card", agency)
        contact = await instance.poll(find, lambda found: found is not None)
        assert contact is not None
        assert (contact.telephone == "048-111-2222") == follows


@pytest.mark.requirement("CRD-10")
async def test_card_that_an_officer_has_to_see_is_registered_after_the_answer(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk, tmp_path: Path
) -> None:
    contractor = instance.contractor(agency=COMPANY_COMPARED_AT)
    contractor.card = instance.ca.issue(company=contractor.company_name.removesuffix(LEGAL_FORM), key=new_ec_key())
    await asyncio.to_thread(prepare_officer, instance.launched.state, f"{contractor.agency}/{OFFICER}")
    typed = write_search(contractor, spell_out(contractor.company_name))
    await log_in(person, desk, contractor, "registration")
    await person.fill_in(typed)
    await person.press()
    await person.page.wait_for_url("**/approval")
    await person.examine("approval")
    # What differs is for the officer alone.
    assert DIFFERENCE not in await person.read()
    await person.fill_in({"mail_address": ADDRESS})
    await person.press()
    await person.page.wait_for_url("**/asked")
    await person.examine("asked")
    number = re.search(r"確認番号\s*(\d+)", await person.read())
    assert number is not None, await person.read()
    await asyncio.to_thread(Desks(instance, contractor, tmp_path).decide, number[1])

    await log_in(person, desk, contractor, "registration")
    await person.fill_in(typed)
    await person.press()
    await person.page.wait_for_url("**/form")
    await person.fill_in(write_contact("representative_contact", contractor.representative_contact))
    await person.fill_in(write_contact("card_contact", contractor.card_contact))
    await person.press()
    await person.page.wait_for_url("**/check")
    await person.press()
    await person.sign()
    await person.page.wait_for_url("**/result")
    assert (await instance.resolve(contractor)).verdict == GOOD
