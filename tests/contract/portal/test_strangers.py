"""What strangers try: forms of other sites and of no size, addresses of their own, sessions that they planted."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from servicekit.sources import Sources
from servicekit.token_buckets import Rate
from tests.support.browser_in_memory import ORIGIN, Answer, BrowserInMemory
from tests.support.example_profile import OTHER_BIDDER, example_profile
from tests.support.person_in_memory import write_search
from tests.support.services.portal import RunningPortal, running_portal

MENU = "/agencies/prefecture/works"
HEADERS = {
    "strict-transport-security": "max-age=31536000",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def write_refusal(answer: Answer) -> tuple[int, str]:
    """Returns the status of an answer, and what it says."""
    return answer.status, answer.read()


@pytest.mark.parametrize("address", ["/", "/choice", f"{MENU}/menu", "/start", "/nowhere", "/operations/x/form"])
async def test_every_answer_has_the_headers_that_protect_it(portal: RunningPortal, address: str) -> None:
    answer = await portal.open_browser().get(address)

    assert {name: answer.find_header(name) for name in HEADERS} == HEADERS
    policy = answer.find_header("content-security-policy")
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("header", ["host", "x_forwarded_host", "forwarded", "x_forwarded_proto"])
async def test_name_that_a_request_gives_the_server_is_found_in_no_answer(portal: RunningPortal, header: str) -> None:
    browser = portal.open_browser()
    for method, address, body in (
        ("GET", "/", b""),
        ("GET", "/choice?agency=prefecture&category=works", b""),
        ("POST", f"{MENU}/operations", b"operation=registration"),
        ("GET", "/nowhere", b""),
    ):
        answer = await browser.ask(method, address, body, **{header: "evil.example"})
        assert "evil.example" not in f"{answer.headers}{answer.body}"
        assert answer.find_header("location").startswith(("/", "")), answer.headers
        assert "//" not in answer.find_header("location")


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example/",
        "/choice?agency=//evil.example&category=works",
        "/agencies/..%2F..%2Fevil/works",
        "/end?operation=//evil",
    ],
)
async def test_nothing_leads_to_another_site(portal: RunningPortal, address: str) -> None:
    answer = await portal.open_browser().ask("GET", address)

    assert "evil.example" not in answer.find_header("location")
    assert 'href="//evil' not in answer.body


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"operation=registration&" + b"&".join(b"f%d=1" % n for n in range(64)), ""),
        (b"operation=" + b"x" * 65536, ""),
        (b"operation=" + b"x" * 8001, ""),
        (b"operation=%ff%fe", ""),
        (b"operation=registration&operation=change", ""),
        (b"operation", ""),
        (b"\xff\xfe", ""),
        (b'{"operation": "registration"}', "application/json"),
        (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x"),
        (b"operation=steal", ""),
        (b"", ""),
    ],
    ids=[
        "fields",
        "size",
        "field",
        "encoding",
        "twice",
        "no-value",
        "bytes",
        "json",
        "multipart",
        "operation",
        "empty",
    ],
)
async def test_form_that_is_none_of_ours_is_refused(portal: RunningPortal, body: bytes, content_type: str) -> None:
    kind = content_type or "application/x-www-form-urlencoded"
    answer = await portal.open_browser().ask("POST", f"{MENU}/operations", body, content_type=kind)

    assert answer.status == 400
    assert "送信された内容を読み取れませんでした" in answer.read()
    assert not answer.find_header("set-cookie")


async def test_answer_of_the_agent_has_an_end(portal: RunningPortal) -> None:
    person = await portal.come()
    await person.begin("registration", "prefecture", "works")
    answer = await person.browser.ask("POST", "/return", b"answer=" + b"x" * 160 * 1024)

    assert answer.status == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"port": "9" * 5000},
        {"port": "80"},
        {"port": "\u0664\u0669\u0661\u0665\u0662"},
        {"handoff": "short"},
    ],
)
async def test_start_that_no_agent_makes_is_refused(portal: RunningPortal, changes: dict[str, str]) -> None:
    person = await portal.come()

    assert (await person.start_agent(**changes)).status == 400


@pytest.mark.parametrize("protocol", ["", "0", "9" * 5000, "one"])
async def test_agent_of_an_earlier_protocol_is_told_to_be_renewed(portal: RunningPortal, protocol: str) -> None:
    page = await (await portal.come()).start_agent(protocol=protocol)

    assert "カードエージェントが古い版です" in page.body


async def test_agent_of_another_instance_is_told_so(portal: RunningPortal) -> None:
    page = await (await portal.come()).start_agent(instance="elsewhere")

    assert "別のシステムのカードエージェントです" in page.body


@pytest.mark.parametrize("answer", ["W10", "bm8", "Ww" * 40_000, "%%%", "eyJhIjoxfQ", "W1tb" * 20_000])
async def test_answer_that_no_agent_gives_is_refused_and_the_person_stays(portal: RunningPortal, answer: str) -> None:
    person = await portal.come()
    await person.begin("registration", "prefecture", "works")
    page = await person.bring_encoded(answer)

    assert "カードエージェントの回答が、この操作のものではありません" in page.read(), page.read()


@pytest.mark.parametrize("operation", ["registration", "advice"])
async def test_planted_session_sees_nothing_once_a_card_has_logged_in(portal: RunningPortal, operation: str) -> None:
    person, stranger = await portal.come(), portal.open_browser()
    stranger.cookies |= person.browser.cookies
    page = await person.log_in(operation, portal.front_door.contractor())

    assert person.browser.cookies != stranger.cookies
    assert (await stranger.get(page.address)).status == 404
    assert (await person.look()).status == 200


async def test_name_of_a_company_is_text_and_nothing_else(portal: RunningPortal) -> None:
    name = "{{7*7}}<script>alert(1)</script>{% include 'x' %}"
    portal.front_door.bidders.add(OTHER_BIDDER, name, "Ab3dE6gH")
    contractor, person = portal.front_door.contractor(bidder_id=OTHER_BIDDER), await portal.come()
    await person.log_in("registration", contractor)
    page = await person.send(write_search(contractor) | {"name": name})

    assert page.address.endswith("/form"), page.read()
    assert name in page.read()
    assert "<script>alert" not in page.body


async def test_no_secret_stands_in_an_address_a_page_or_a_trace(portal: RunningPortal) -> None:
    contractor, person = portal.front_door.contractor(), await portal.come()
    await person.log_in("registration", contractor)
    page = await person.send(write_search(contractor) | {"password": "Wrong0Pw"})
    secrets = {"Wrong0Pw", *portal.front_door.cards.sessions, *person.browser.cookies.values()}

    shown = f"{page.address}{page.body}{[span.to_json() for span in portal.spans.get_finished_spans()]}"
    assert [secret for secret in secrets if secret in shown] == []


async def test_form_of_another_site_begins_nothing(portal: RunningPortal) -> None:
    browser = portal.open_browser()
    fields = {"port": "49152", "handoff": "h" * 43, "protocol": "1", "instance": "example"}
    browser.headers = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    assert (await browser.post("/start", fields)).status == 403
    browser.headers = {"origin": ORIGIN}

    assert not browser.cookies
    assert (await browser.post("/start", fields)).status == 200


async def test_browsers_without_a_session_have_one_count_and_others_go_on(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    async with running_portal(
        example_profile(), tmp_path, migrated_database("portal"), newcomers=Rate(3, 0.001)
    ) as portal:
        person = await portal.come()
        form = b"operation=registration"
        for cookie in ("", "__Host-toroku=" + "x" * 43):
            assert (await portal.open_browser().ask("POST", f"{MENU}/operations", form, cookie=cookie)).status == 303
        refused = await portal.open_browser().ask(
            "POST", f"{MENU}/operations", form, cookie="__Host-toroku=" + "y" * 43
        )

        assert refused.status == 429
        assert int(refused.find_header("retry-after")) > 0
        assert (await person.begin("registration", "prefecture", "works")).status == 200


async def test_one_session_sends_so_many_forms_and_no_more(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    async with running_portal(example_profile(), tmp_path, migrated_database("portal"), forms=Rate(2, 0.001)) as portal:
        person = await portal.come()
        statuses = [(await person.begin("registration", "prefecture", "works")).status for _ in range(3)]

        assert statuses == [200, 200, 429]


async def test_page_beyond_what_is_made_at_a_time_is_refused_with_a_number(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    async with running_portal(example_profile(), tmp_path, migrated_database("portal"), most_calls=1) as portal:
        person = await portal.come()
        await person.log_in("registration", portal.front_door.contractor())
        reached, go_on = asyncio.Event(), asyncio.Event()

        async def hang() -> None:
            reached.set()
            await go_on.wait()

        portal.front_door.cards.before_check = hang
        searching = asyncio.create_task(person.send(write_search(portal.front_door.contractor())))
        await asyncio.wait_for(reached.wait(), 10)
        # The replicas answer by turns: one of them is at work.
        answers = [await BrowserInMemory([replica]).get("/") for replica in portal.replicas]
        go_on.set()
        await searching

        refused = [answer for answer in answers if answer.status == 503]
        assert refused
        assert "ただいまアクセスが集中している" in refused[0].read()
        assert "照会番号" in refused[0].read()
        assert (await portal.open_browser().get("/")).status == 200


async def test_one_source_sends_so_many_forms_where_it_is_seen(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    sources = Sources(Rate(2, 0.001))
    async with running_portal(example_profile(), tmp_path, migrated_database("portal"), sources=sources) as portal:
        form = b"operation=registration"
        statuses = [(await portal.open_browser().ask("POST", f"{MENU}/operations", form)).status for _ in range(3)]

        assert statuses == [303, 303, 429]
