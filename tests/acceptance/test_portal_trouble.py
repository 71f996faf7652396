"""What goes wrong in the portal, as a person meets it, and what strangers try."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Request

from instance_profile.name_pieces import spell_out
from tests.acceptance.test_incidents import find_incidents
from tests.support.card_reader import CardReader
from tests.support.contractor import Contractor
from tests.support.person_at_portal import Desk, new_contractor
from tests.support.person_at_toroku import (
    PersonAtToroku,
    find_origin,
    person_at_toroku,
    write_contact,
    write_search,
)
from tests.support.running_instance import RunningInstance

PIN = "246810"


@pytest_asyncio.fixture(loop_scope="session")
async def person(instance: RunningInstance, browser: Browser, reader: CardReader) -> AsyncIterator[PersonAtToroku]:
    """A person whose agent has opened the portal."""
    async with person_at_toroku(instance, browser) as person:
        yield person


async def log_in(instance: RunningInstance, person: PersonAtToroku, desk: Desk) -> Contractor:
    """Goes to the search with a new contractor's card."""
    contractor = new_contractor(instance)
    desk.insert(contractor.card, PIN)
    await person.choose(contractor.agency, contractor.category)
    await person.begin("registration")
    await person.use_card()
    await person.log_in(PIN)
    return contractor


async def test_without_an_agent_the_page_says_how_to_start_it_before_any_link(
    instance: RunningInstance, browser: Browser
) -> None:
    context = await browser.new_context(ignore_https_errors=True, locale="ja-JP")
    page = await context.new_page()
    origin = find_origin(instance)
    await page.goto(f"{origin}/agencies/saitama-prefecture/works/menu")
    await page.click("button[value=registration]")

    assert "カードエージェントのアイコンを開いてください" in await page.inner_text("main")
    assert "127.0.0.1" not in await page.content()
    await context.close()


async def test_wrong_password_is_said_first_with_a_number_by_which_the_help_desk_finds_it(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk
) -> None:
    contractor = await log_in(instance, person, desk)
    await person.fill_in(write_search(contractor, spell_out(contractor.company_name)) | {"password": "Wrong0Pw"})
    await person.press()

    page = await person.read()
    assert (await person.page.title()).startswith("エラー：")
    assert await person.page.evaluate("document.activeElement.className") == "problem"
    found = re.search(r"照会番号: ([0-9a-f]{32})", page)
    assert found is not None, page
    # What was typed is still there, but for the password.
    assert await person.page.input_value("[name=bidder_id]") == contractor.bidder_id
    assert await person.page.input_value("[name=password]") == ""
    (incident,) = await find_incidents(instance, found[1])
    assert incident["reason"] == "BIDDER_NOT_FOUND"
    assert incident["certificate_sha256"] == contractor.card.sha256


async def test_back_reload_and_a_second_click_do_no_harm_and_lose_nothing(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk
) -> None:
    contractor = await log_in(instance, person, desk)
    await person.fill_in(write_search(contractor, spell_out(contractor.company_name)))
    # Both clicks of a double click send the form.
    await person.page.dblclick("button[name=answer][value=ok]")
    await person.page.wait_for_url("**/form")
    await person.fill_in(write_contact("representative_contact", contractor.representative_contact))
    await person.fill_in(write_contact("card_contact", contractor.card_contact))
    await person.press()
    await person.page.wait_for_url("**/check")
    await person.page.reload()
    await person.page.go_back()

    assert await person.page.input_value("[name='card_contact.telephone']") == contractor.card_contact.telephone
    await person.press()
    await person.page.wait_for_url("**/check")


async def test_answer_of_the_agent_counts_in_the_browser_session_that_began_the_step_only(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk, browser: Browser
) -> None:
    posted: list[Request] = []

    def note(request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/return"):
            posted.append(request)

    person.page.on("request", note)
    await log_in(instance, person, desk)
    body = posted[-1].post_data
    stranger = await browser.new_context(ignore_https_errors=True)
    headers = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}
    answer = await stranger.request.post(f"{person.origin}/return", data=body, headers=headers, max_redirects=0)

    assert answer.status == 403
    assert "このブラウザで始めた操作のものではありません" in await answer.text()
    await stranger.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {},
    ],
)
async def test_form_of_another_site_is_refused(
    instance: RunningInstance, browser: Browser, headers: dict[str, str]
) -> None:
    context = await browser.new_context(ignore_https_errors=True)
    answer = await context.request.post(
        f"{find_origin(instance)}/agencies/saitama-prefecture/works/operations",
        data="operation=registration",
        headers=headers | {"content-type": "application/x-www-form-urlencoded"},
        max_redirects=0,
    )

    assert answer.status == 403
    assert "set-cookie" not in answer.headers
    await context.close()


async def test_planted_session_is_worth_nothing_once_a_card_has_logged_in(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk, browser: Browser
) -> None:
    (planted,) = [each for each in await person.page.context.cookies() if each["name"] == "__Host-toroku"]
    await log_in(instance, person, desk)
    (own,) = [each for each in await person.page.context.cookies() if each["name"] == "__Host-toroku"]
    stranger = await browser.new_context(ignore_https_errors=True)
    headers = {"cookie": f"__Host-toroku={planted['value']}"}
    answer = await stranger.request.get(person.page.url, headers=headers, max_redirects=0)

    assert own["value"] != planted["value"]
    assert (own["httpOnly"], own["secure"], own["sameSite"]) == (True, True, "Lax")
    assert answer.status == 404
    await stranger.close()


@pytest.mark.requirement("ENT-07", "met")
async def test_log_out_asks_first_and_leaves_nothing(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk
) -> None:
    await log_in(instance, person, desk)
    address = person.page.url
    await person.page.click("text=ログアウト")
    await person.examine("log-out")
    await person.page.click("main button")
    await person.expect_title("終了画面")
    await person.examine("end")

    await person.page.goto(address)
    assert "この画面はありません" in await person.read()
