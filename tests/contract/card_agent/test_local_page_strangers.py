"""What the agent's pages refuse before they look further: strangers' sockets, names, forms and addresses (CRD-01)."""

import contextlib
import http.client
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.page_agent import PHRASE, START, PageAgent, running_page_agent

NOBODY = 65534
ONE_MEGABYTE = 1024 * 1024
# By a program that everybody may run.
_GET = r"""exec 3<>/dev/tcp/127.0.0.1/$0; printf 'GET / HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n\r\n' $0 >&3; cat <&3"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageAgent]:
    with running_page_agent(tmp_path_factory.mktemp("agent")) as agent:
        yield agent


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_of_the_pc_gets_403_and_no_phrase(pages: PageAgent) -> None:
    # As another person's browser on the same terminal server.
    asked = subprocess.run(
        ["/bin/bash", "-c", _GET, str(pages.agent.port)],
        capture_output=True,
        text=True,
        user=NOBODY,
        check=True,
        cwd="/",
    )
    assert asked.stdout.startswith("HTTP/1.1 403 ")
    assert "ほかの利用者" in asked.stdout
    assert PHRASE not in asked.stdout
    assert PHRASE in pages.get("/").body


@pytest.mark.parametrize("host", ["rebinding.example", "localhost:{port}", "127.0.0.1", "127.0.0.1:80", "[::1]:{port}"])
def test_host_other_than_the_agents_own_is_refused(pages: PageAgent, host: str) -> None:
    reply = pages.get("/", {"Host": host.format(port=pages.agent.port)})
    assert reply.status == 403
    assert PHRASE not in reply.body


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://portal.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:9980"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": ""},
    ],
)
def test_post_of_another_site_is_refused_and_its_token_stays_good(pages: PageAgent, headers: dict[str, str]) -> None:
    fields = {"token": pages.get("/").token, "instance": "saitama"}
    reply = pages.post("/open", fields, headers)
    assert reply.status == 403
    assert "カードエージェントの画面以外から" in reply.text
    assert pages.post("/open", fields).address.startswith(START)


@pytest.mark.parametrize("path", ["/open", "/phrase", "/card", "/sign"])
@pytest.mark.parametrize("token", [None, "", "A" * 43])
def test_post_without_the_pages_token_is_refused(pages: PageAgent, path: str, token: str | None) -> None:
    reply = pages.post(path, {"instance": "saitama", **({} if token is None else {"token": token})})
    assert reply.status == 403


def test_token_of_one_form_is_none_of_another_one(pages: PageAgent) -> None:
    token = pages.get("/").token
    assert pages.post("/card", {"token": token, "answer": "ok"}).status == 403


@pytest.mark.parametrize(
    "body", ["token=a&token=b", "token=%FF", "a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1", "x" * 20_000, "pin"]
)
def test_form_that_no_page_of_the_agent_has_is_refused_without_its_content(pages: PageAgent, body: str) -> None:
    headers = {
        "Origin": pages.agent.origin,
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    reply = pages.request("POST", "/sign", body, headers)
    assert reply.status == 400
    assert body not in reply.body


@pytest.mark.parametrize("length", [97 * 1024, ONE_MEGABYTE])
def test_address_that_is_too_long_is_refused_with_a_page(pages: PageAgent, length: int) -> None:
    reply = pages.get("/sign?purpose=" + "A" * length)
    assert reply.status == 400
    assert "リンクが長すぎる" in reply.text
    assert reply.headers.get("Content-Security-Policy") or reply.headers["content-security-policy"]
    assert pages.get("/").status == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/open"), ("PUT", "/card"), ("GET", "/favicon.ico")])
def test_page_or_method_that_does_not_exist_is_refused_with_a_page(pages: PageAgent, method: str, path: str) -> None:
    reply = pages.request(method, path)
    assert reply.status in (404, 405)
    assert "この画面はありません" in reply.text


@pytest.mark.requirement("CRD-01")
def test_link_without_a_living_hand_off_leads_to_how_to_begin_and_to_nothing_else(pages: PageAgent) -> None:
    for handoff in ("A" * 43, "x", ""):
        reply = pages.get(pages.card_link(handoff))
        assert reply.status == 404
        assert "アイコンからシステムの画面を開き" in reply.text
        assert "http" not in reply.body.partition("<main>")[2]
    assert pages.get("/sign?purpose=e30").status == 404


def test_hostile_page_that_opens_the_agent_a_hundred_times_makes_no_hand_off(pages: PageAgent) -> None:
    handoff = pages.open_portal()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", pages.agent.port)) as connection:
        for _ in range(100):
            connection.request("GET", "/card?handoff=" + "B" * 43)
            assert b"http" not in connection.getresponse().read().partition(b"<main>")[2]
    assert pages.get(pages.card_link(handoff)).status == 200


def test_hand_off_in_use_outlives_twenty_that_nobody_used(pages: PageAgent) -> None:
    handoff = pages.open_portal()
    assert pages.get(pages.card_link(handoff)).status == 200
    unused = [pages.open_portal() for _ in range(21)]
    assert pages.get(pages.card_link(handoff)).status == 200
    assert pages.get(pages.card_link(unused[0])).status == 404
    assert pages.get(pages.card_link(unused[-1])).status == 200


def test_every_answer_has_the_headers_of_a_page_that_nobody_frames_or_keeps(pages: PageAgent) -> None:
    handoff = pages.open_portal()
    token = pages.get("/").token
    replies = [
        pages.get("/"),
        pages.get("/page.css"),
        pages.get(pages.card_link(handoff)),
        pages.get("/nothing"),
        pages.get("/", {"Host": "x"}),
        pages.post("/open", {"token": token, "instance": "saitama"}),
    ]
    for reply in replies:
        assert reply.headers["content-security-policy"] == (
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        assert reply.headers["referrer-policy"] == "same-origin"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["cross-origin-opener-policy"] == "same-origin"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        assert reply.headers["x-frame-options"] == "DENY"


def test_second_start_of_another_person_opens_nothing(pages: PageAgent) -> None:
    assert pages.request("POST", "/again", headers={"Authorization": "Bearer guessed"}).status == 404
    assert pages.opened == []


def test_form_posted_twice_at_once_gets_one_answer(pages: PageAgent) -> None:
    fields = {"token": pages.get("/").token, "instance": "saitama"}
    with ThreadPoolExecutor(4) as threads:
        replies = list(threads.map(lambda _: pages.post("/open", fields), range(4)))
    assert len({reply.address for reply in replies}) == 1


def test_instance_that_is_not_trusted_any_more_has_no_hand_off(tmp_path: Path) -> None:
    with running_page_agent(tmp_path) as agent:
        handoff = agent.open_portal()
        assert agent.get(agent.card_link(handoff)).status == 200
        agent.agent.trusted = tuple
        assert agent.get(agent.card_link(handoff)).status == 404
