"""What the agent's pages do not sign: purposes for others, altered, too long, or with what nobody can see (CRD-01)."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import rfc8785

from signed_acts.purpose import Role
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from tests.support.card_in_memory import PivInMemory
from tests.support.page_agent import PageAgent, encode, running_page_agent
from tests.support.purposes import AGENCY, CATEGORY, INSTANCE, make_act, make_log_in, write_request

OVERRIDE, ZERO_WIDTH, LINE_BREAK = "\u202e", "\u200b", "\n"


@pytest.fixture(scope="module")
def cards() -> list[IssuedCard]:
    authority = CertificateAuthority.create(key=new_ec_key())
    return [authority.issue(key=new_ec_key()) for _ in range(2)]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, cards: list[IssuedCard]) -> Iterator[PageAgent]:
    with running_page_agent(tmp_path_factory.mktemp("agent")) as agent:
        agent.insert(PivInMemory.of(cards[0]))
        yield agent


@pytest.fixture(scope="module")
def handoff(pages: PageAgent) -> str:
    handoff = pages.open_portal()
    pages.choose_card(handoff)
    return handoff


def alter(purpose: bytes, **changes: Any) -> bytes:
    """Returns the purpose with other values, in canonical form, as a portal that was broken into would send it."""
    values: dict[str, Any] = json.loads(purpose)
    return rfc8785.dumps(values | changes)


@pytest.mark.requirement("CRD-01")
def test_page_shows_which_instance_asks_and_all_that_is_signed(
    pages: PageAgent, handoff: str, cards: list[IssuedCard]
) -> None:
    request = write_request(
        agency=AGENCY,
        card_contact={"department": "髙﨑支店", "mail_address": "a@example.jp"},
        certificate_sha256=base64.b64encode(cards[0].sha256).decode(),
    )
    act = make_act(cards[0], request=request)
    page = pages.get(pages.sign_link(handoff, act, request))
    assert "埼玉県電子入札" in page.text
    assert "業者番号1000000001で登録します。" in page.text
    for value in ("髙﨑支店", "a@example.jp", cards[0].sha256.hex(), AGENCY, CATEGORY, INSTANCE):
        assert value in page.text
    assert "青い自転車" in page.text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"instance": "chiba"}, "PURPOSE_FOR_ANOTHER_INSTANCE"),
        ({"operation": "change"}, "PURPOSE_FOR_ANOTHER_OPERATION"),
        ({"certificate_sha256": "00" * 32}, "PURPOSE_FOR_ANOTHER_CARD"),
        ({"operation": "renewal", "role": "old"}, "CARD_NOT_CHOSEN"),
        ({"operation": "stop"}, "PURPOSE_MALFORMED"),
        ({"nonce": "x"}, "PURPOSE_MALFORMED"),
        ({"redirect": "https://evil.example/"}, "PURPOSE_MALFORMED"),
    ],
)
def test_purpose_for_something_else_is_explained_and_not_signed(
    pages: PageAgent, handoff: str, cards: list[IssuedCard], changes: dict[str, object], reason: str
) -> None:
    page = pages.get(pages.sign_link(handoff, alter(make_log_in(cards[0]), **changes)))
    assert 'name="pin"' not in page.body
    assert page.refusal == reason


@pytest.mark.parametrize(
    "line",
    [
        f"埼玉県に登録{OVERRIDE}します。",
        f"埼玉県に{ZERO_WIDTH}登録します。",
        f"埼玉県に登録します。{LINE_BREAK}追伸",
        "\U000e0041",
        "あ" * 401,
    ],
    ids=["bidirectional", "invisible", "control", "tag", "too long"],
)
def test_line_that_a_screen_would_show_otherwise_is_not_signed(
    pages: PageAgent, handoff: str, cards: list[IssuedCard], line: str
) -> None:
    act = make_act(cards[0])
    page = pages.get(pages.sign_link(handoff, alter(act, lines=[line, "Registers at Saitama, for works."])))
    assert page.refusal == "PURPOSE_MALFORMED"


@pytest.mark.parametrize(
    "purpose",
    [b"", b"{", b"[]", b'{"a":1}', b"\xff", b'{ "a": 1 }', b"{" * 9000],
    ids=["empty", "cut", "list", "other", "no text", "not canonical", "deep"],
)
def test_purpose_that_is_none_is_not_signed(pages: PageAgent, handoff: str, purpose: bytes) -> None:
    page = pages.get(pages.sign_link(handoff, purpose))
    assert 'name="pin"' not in page.body
    assert "中止しました" in page.text or "リンクの内容" in page.text


def test_request_that_is_not_the_acts_is_not_signed(pages: PageAgent, handoff: str, cards: list[IssuedCard]) -> None:
    request = write_request(person_in_charge="山田")
    act = make_act(cards[0], request=request)
    assert pages.get(pages.sign_link(handoff, act, request + b" ")).refusal == "PURPOSE_FOR_ANOTHER_REQUEST"
    other = write_request(bidder_id="1000000002")
    act = make_act(cards[0], request=other)
    assert pages.get(pages.sign_link(handoff, act, other)).refusal == "PURPOSE_FOR_ANOTHER_REQUEST"
    loose = b'{ "agency": "x" }'
    act = make_act(cards[0], request=loose)
    assert pages.get(pages.sign_link(handoff, act, loose)).refusal == "REQUEST_MALFORMED"


def test_invisible_characters_of_a_request_are_seen(pages: PageAgent, handoff: str, cards: list[IssuedCard]) -> None:
    request = write_request(person_in_charge=f"山{ZERO_WIDTH}田{OVERRIDE}<b>")
    page = pages.get(pages.sign_link(handoff, make_act(cards[0], request=request), request))
    assert "山‹U+200B›田‹U+202E›" in page.body
    assert "&lt;b&gt;" in page.body


def test_card_that_was_not_chosen_in_this_hand_off_does_not_sign(pages: PageAgent, cards: list[IssuedCard]) -> None:
    page = pages.get(pages.sign_link(pages.open_portal(), make_log_in(cards[0])))
    assert page.refusal == "CARD_NOT_CHOSEN"


@pytest.mark.parametrize(
    "change",
    [
        "&unknown=1",
        "&step=s3",
        "&language=fr",
        "&purpose=e30",
        "&request=",
        "&request=a",
        "&request=" + quote("あ"),
    ],
)
def test_link_with_unknown_missing_repeated_or_malformed_parameters_is_refused(
    pages: PageAgent, handoff: str, cards: list[IssuedCard], change: str
) -> None:
    reply = pages.get(pages.sign_link(handoff, make_log_in(cards[0])) + change)
    assert reply.status == 400
    assert "リンクの内容" in reply.text
    assert "portal.example" not in reply.body


@pytest.mark.parametrize(
    "query",
    [
        "step=s1&operation=registration",
        "step=&operation=registration&role=sole",
        "step=s/1&operation=registration&role=sole",
        f"step={'s' * 65}&operation=registration&role=sole",
        "step=s1&operation=stop&role=sole",
        "step=s1&operation=registration&role=old",
        "step=s1&operation=renewal&role=sole",
        "step=s1&operation=registration&role=sole&category=%00",
        "step=s1&operation=registration&role=sole&return=https://evil.example/",
    ],
)
def test_link_to_the_card_that_is_not_of_the_contract_is_refused(pages: PageAgent, handoff: str, query: str) -> None:
    reply = pages.get(f"/card?handoff={handoff}&{query}")
    assert reply.status == 400
    assert "evil" not in reply.body


def test_purpose_or_request_over_its_size_is_refused(pages: PageAgent, handoff: str) -> None:
    assert pages.get(pages.sign_link(handoff, b"a" * 17_000)).status == 400
    assert pages.get(f"/sign?handoff={handoff}&step=s&purpose=e30&request={encode(b'a' * 50_000)}").status == 400


def test_new_card_without_an_old_one_is_refused(pages: PageAgent, cards: list[IssuedCard]) -> None:
    handoff = pages.open_portal()
    assert pages.get(pages.card_link(handoff, "renewal", Role.NEW)).refusal == "CARD_NOT_CHOSEN"
