"""What the help desk will see of what only the portal knows, and what the metrics count."""

from hashlib import sha256

from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from servicekit.incidents import Incident
from tests.support.browser_in_memory import Answer
from tests.support.person_in_memory import write_search
from tests.support.services.portal import RunningPortal
from tests.support.waiting import wait_until


async def find_incident(portal: RunningPortal, page: Answer) -> Incident:
    """Returns the one incident that has the number of a page."""

    async def is_there() -> bool:
        return any(each.inquiry_number in page.body for each in portal.incidents)

    await wait_until(is_there)
    (found,) = [each for each in portal.incidents if each.inquiry_number in page.body]
    return found


async def test_what_the_card_agent_refuses_is_found_by_the_number_of_the_page(portal: RunningPortal) -> None:
    contractor, person = portal.front_door.contractor(), await portal.come()
    await person.begin("registration", "prefecture", "works")
    await person.use_card(contractor.card)
    page = await person.bring({"refusal": "CARD_PIN_WRONG"})

    incident = await find_incident(portal, page)
    assert (incident.reason, incident.operation, incident.step) == ("CARD_PIN_WRONG", "registration", "log-in")
    assert (incident.agency, incident.category) == ("prefecture", "works")
    assert incident.certificate_sha256 == sha256(contractor.card.der).digest()


async def test_end_of_a_log_in_is_found(portal: RunningPortal) -> None:
    contractor, person = portal.front_door.contractor(), await portal.come()
    await person.log_in("registration", contractor)
    portal.front_door.clock.japan(10, 15)

    assert (await find_incident(portal, await person.look())).reason == "CARD_SESSION_EXPIRED"


async def test_what_the_front_door_says_of_a_peer_that_is_away_is_left_to_it(portal: RunningPortal) -> None:
    contractor, person = portal.front_door.contractor(), await portal.come()
    await person.log_in("registration", contractor)
    portal.front_door.bidders.failing = True
    page = await person.send(write_search(contractor))
    assert "照会番号" in page.read()
    await find_incident(portal, await person.browser.ask("POST", "/start", b"port=%ff"))

    assert [each.reason for each in portal.incidents] == ["PORTAL_FORM_MALFORMED"]


async def test_form_of_another_site_is_found(portal: RunningPortal) -> None:
    browser = portal.open_browser()
    browser.headers = {"sec-fetch-site": "cross-site"}
    page = await browser.post("/start", {})

    assert (await find_incident(portal, page)).reason == "PORTAL_FORM_FROM_ELSEWHERE"


async def test_what_the_front_door_refused_is_left_to_it_and_nothing_typed_is_on_record(portal: RunningPortal) -> None:
    contractor, person = portal.front_door.contractor(), await portal.come()
    await person.log_in("registration", contractor)
    await person.send(write_search(contractor) | {"password": "Wrong0Pw"})
    await find_incident(portal, await person.browser.ask("POST", "/start", b"port=%ff"))

    assert [each.reason for each in portal.incidents] == ["PORTAL_FORM_MALFORMED"]


async def test_pages_are_counted_by_name_and_outcome_with_their_time(portal: RunningPortal) -> None:
    browser = portal.open_browser()
    await browser.get("/agencies/prefecture/works/menu")
    await browser.get("/agencies/nowhere/works/menu")
    registry = CollectorRegistry()
    registry.register(portal.counts)
    shown = generate_latest(registry).decode()

    menu = 'method="GET /agencies/{agency}/{category}/menu"'
    assert f'toroku_calls_total{{{menu},outcome="OK"}} 1.0' in shown or 'outcome="OK"} 1.0' in shown
    assert f"toroku_call_seconds_count{{{menu}}} 2.0" in shown
    assert 'outcome="PORTAL_PAGE_UNKNOWN"' in shown
    assert "nowhere" not in shown
