"""The agent's pages when something goes wrong, or somebody wants it to: in a browser, with real parts."""

import asyncio
import http.client
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, Route
from playwright.async_api import Error as BrowserError

from simulators.portal import Portal
from tests.support.browser import person_at
from tests.support.contractor import Contractor
from tests.support.person_at_portal import PIN as PIN_FIELD
from tests.support.person_at_portal import (
    REST,
    Desk,
    PersonAtPortal,
    count_signatures,
    new_contractor,
    person_with_tab,
    type_form,
)
from tests.support.running_agent import RunningAgent
from tests.support.running_instance import RunningInstance

PIN = "246810"
HAND_OFF = "A" * 43
HOSTILE = "https://hostile.example/"
FORBIDDEN = 403


@pytest.fixture(scope="module")
def contractor(instance: RunningInstance) -> Contractor:
    """Who never gets as far as to be registered, unless a test says so."""
    return new_contractor(instance)


@pytest.fixture(autouse=True)
def operations(portal: Portal, contractor: Contractor) -> None:
    portal.operations = {"登録": type_form(contractor).begin}


async def reach_pin(person: PersonAtPortal) -> None:
    """From the portal's first page to the page of the PIN."""
    await person.begin("登録")
    await person.use_card()
    await person.go_to_agent()


async def test_person_who_goes_back_is_at_the_portal_and_nothing_is_signed(
    person: PersonAtPortal, desk: Desk, contractor: Contractor
) -> None:
    card = desk.insert(contractor.card, PIN)
    await reach_pin(person)
    await person.press("cancel")
    await person.come_back()

    assert "取りやめました" in await person.read()
    assert count_signatures(card) == 0
    # The step is still open.
    await person.go_to_agent()
    await person.type_pin(PIN)
    await person.come_back()
    assert count_signatures(card) == 1


@pytest.mark.requirement("CRD-09")
async def test_card_that_is_missing_at_any_step_is_asked_for_and_the_next_try_works(
    person: PersonAtPortal, desk: Desk, contractor: Contractor
) -> None:
    await person.begin("登録")
    await person.press()
    await person.page.wait_for_selector("text=使用できる電子証明書が見つかりません")
    await person.examine("no-card")
    desk.insert(contractor.card, PIN)
    await person.use_card()

    # Pulled while the PIN is typed.
    await person.go_to_agent()
    desk.pull()
    await person.type_pin(PIN)
    assert "ICカード" in await person.read_problem()
    card = desk.insert(contractor.card, PIN)

    # Pulled while it signs.
    await person.try_again()
    card.pull_during_sign = True
    await person.type_pin(PIN)
    assert "抜" in await person.read_problem()
    await person.examine("card-pulled")
    desk.pull()
    card = desk.insert(contractor.card, PIN)
    await person.try_again()
    await person.type_pin(PIN)
    await person.come_back()
    assert count_signatures(card) == 1


@pytest.mark.requirement("CRD-09")
async def test_another_card_between_the_two_signatures_gets_no_pin_and_the_right_one_goes_on(
    person: PersonAtPortal, portal: Portal, desk: Desk, instance: RunningInstance
) -> None:
    own = new_contractor(instance)
    portal.operations = {"登録": type_form(own).begin}
    desk.insert(own.card, PIN)
    await reach_pin(person)
    await person.type_pin(PIN)
    await person.come_back()

    other = desk.insert(new_contractor(instance).card, PIN)
    await person.go_to_agent()
    await person.press()
    await person.read_problem()
    await person.try_again()
    await person.type_pin(PIN)
    await person.read_problem()
    assert count_signatures(other) == 0
    assert other.piv.tries_left == other.piv.tries

    card = desk.insert(own.card, PIN)
    await person.try_again()
    await person.type_pin(PIN)
    await person.come_back()
    assert await person.page.locator("#done").count() == 1, await person.read()
    assert count_signatures(card) == 1


@pytest.mark.requirement("CRD-09")
async def test_service_that_stops_and_starts_needs_no_new_start_of_the_agent(
    person: PersonAtPortal, desk: Desk, contractor: Contractor
) -> None:
    desk.insert(contractor.card, PIN)
    await reach_pin(person)
    desk.pull()
    desk.reader.service.stop()
    await person.type_pin(PIN)
    await person.read_problem()
    desk.reader.service.start()
    desk.insert(contractor.card, PIN)
    await person.try_again()
    await person.type_pin(PIN)
    await person.come_back()


@pytest.mark.requirement("CRD-03")
async def test_wrong_pin_says_how_many_tries_are_left_and_is_not_sent_again(
    person: PersonAtPortal, desk: Desk, contractor: Contractor
) -> None:
    card = desk.insert(contractor.card, PIN)
    await reach_pin(person)
    await person.type_pin("135791")
    problem = await person.read_problem()
    await person.examine("wrong-pin")

    assert "2回" in problem
    assert card.piv.tries_left == 2
    await person.page.reload()
    assert card.piv.tries_left == 2
    # What was typed is nowhere on the page.
    assert "135791" not in await person.page.content()


async def test_two_tabs_have_a_hand_off_each_and_take_turns_at_the_card(
    browser: Browser, portal: Portal, agent: RunningAgent, desk: Desk, contractor: Contractor
) -> None:
    card = desk.insert(contractor.card, PIN)
    async with person_with_tab(browser, portal, agent) as (first, context):
        second = PersonAtPortal(await context.new_page(), portal, agent)
        await second.come()
        for tab in (first, second):
            await reach_pin(tab)
        card.may_sign.clear()
        await first.type_pin(PIN)
        card.signing.wait(10)
        await second.type_pin(PIN)
        await second.page.wait_for_selector("text=しばらくお待ち")
        assert count_signatures(card) == 1
        card.may_sign.set()
        for tab in (first, second):
            await tab.come_back()
    assert count_signatures(card) == 2


async def test_portal_says_how_to_start_the_agent_before_any_link_to_it(
    browser: Browser, portal: Portal, agent: RunningAgent, person: PersonAtPortal, desk: Desk, contractor: Contractor
) -> None:
    async with person_at(browser) as stranger:
        page = await stranger.new_page()
        await page.goto(f"{portal.place.origin}/")
        assert "カードエージェントを起動し" in await page.inner_text("main")
        assert await page.locator("a, button").count() == 0

    desk.insert(contractor.card, PIN)
    await person.begin("登録")
    await person.page.go_back()
    operation = person.page.url
    agent.stop()
    try:
        words = await person.read()
        assert words.index("カードエージェントが起動していません") < words.index("カードエージェントへ進む")
        with pytest.raises(BrowserError, match="ERR_CONNECTION_REFUSED"):
            await person.page.goto(str(await person.page.get_attribute("#agent", "href")))
    finally:
        opened = agent.start()
    # The agent was started anew, and opens the portal: the operation goes on where it was.
    await person.page.goto(opened)
    await person.page.wait_for_url(f"{portal.place.origin}/")
    await person.page.goto(operation)
    await person.go_to_agent()
    await person.use_card()


async def test_planted_port_leads_to_a_page_that_says_how_to_begin_and_to_nothing_else(
    browser: Browser, portal: Portal, agent: RunningAgent, desk: Desk, contractor: Contractor
) -> None:
    card = desk.insert(contractor.card, PIN)
    async with person_at(browser) as context:
        page = await context.new_page()
        await page.goto(f"{portal.place.origin}/start#port={agent.port}&handoff={HAND_OFF}")
        await page.wait_for_url(f"{portal.place.origin}/")
        planted = PersonAtPortal(page, portal, agent)
        await planted.begin("登録")

        assert "カードエージェント" in await planted.read_problem()
        await planted.examine("unknown-hand-off")
        assert await page.locator("form, input, button").count() == 0
        assert not [link for link in await page.locator("a").all() if portal.place.name in str(link)]
    assert card.instructions == []


async def test_page_that_opens_100_hand_offs_and_posts_takes_nothing_from_the_person(
    person: PersonAtPortal, agent: RunningAgent, browser: Browser, desk: Desk, contractor: Contractor
) -> None:
    card = desk.insert(contractor.card, PIN)
    await reach_pin(person)
    uses = len(card.instructions)
    async with person_at(browser) as context:

        async def serve_hostile_page(route: Route) -> None:
            await route.fulfill(
                content_type="text/html",
                body=f"""<form method="post" action="{agent.address}open">
                <input name="instance" value="saitama"><button>go</button></form>""",
            )

        await context.route(f"{HOSTILE}**", serve_hostile_page)
        page = await context.new_page()
        await page.goto(HOSTILE)
        for number in range(100):
            assert await asyncio.to_thread(open_hand_off, agent.port, f"{number:043}") == 404
        async with page.expect_response(f"{agent.address}open") as posted:
            await page.click("button")
        assert (await posted.value).status == FORBIDDEN
    assert len(card.instructions) == uses
    await person.type_pin(PIN)
    await person.come_back()


def open_hand_off(port: int, handoff: str) -> int:
    """Asks for a hand-off as a browser does that a page of another site sent there; returns the status."""
    query = urlencode({"handoff": handoff, "step": "1", "operation": "registration", "role": "sole"})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", f"/card?{query}", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        pytest.param("/", {"Host": "rebound.hostile.example"}, id="name that was bound to this PC"),
        pytest.param("/", {"Host": "localhost"}, id="another name of this PC"),
        pytest.param("/card?handoff=" + "A" * 1_000_000, {}, id="a megabyte"),
    ],
)
async def test_request_that_no_browser_of_a_portal_sends_is_refused(
    agent: RunningAgent, path: str, headers: dict[str, str]
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        assert 400 <= answer.status < 500
        assert b"<form" not in answer.read()
    finally:
        connection.close()
    # It listens still.
    connection = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    connection.close()


async def test_english_browser_gets_english_pages_and_a_way_to_the_other_language(
    browser: Browser, portal: Portal, agent: RunningAgent, desk: Desk, contractor: Contractor
) -> None:
    desk.insert(contractor.card, PIN)
    async with person_with_tab(browser, portal, agent, "en-GB") as (person, _):
        await reach_pin(person)
        await person.examine("log-in-in-english")
        assert await person.page.get_attribute("html", "lang") == "en"
        await person.page.click("text=日本語")
        await person.page.wait_for_selector(REST)
        assert await person.page.get_attribute("html", "lang") == "ja"
        # A page that asks for the PIN has no field that a browser offers to keep.
        assert await person.page.locator("input[type=password]").count() == 0
        await person.page.fill(PIN_FIELD, PIN)
        await person.press()
        await person.come_back()
