"""A renewal by the agent's pages: two cards, the successor key, and one PIN where both are equal (REN-01)."""

import base64
import secrets
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from signed_acts.purpose import Operation, Role
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from tests.support.card_in_memory import PivInMemory
from tests.support.page_agent import INSTANCE, PageAgent, Reply, running_page_agent
from tests.support.purposes import make_act, make_log_in
from toroku.frontdoor.v1 import front_door_pb2

VERIFY = 0x20
OLD_PIN, NEW_PIN = "123456", "654321"
RENEWAL = Operation.RENEWAL


@pytest.fixture(scope="module")
def cards() -> list[IssuedCard]:
    authority = CertificateAuthority.create(key=new_ec_key())
    return [authority.issue(key=new_ec_key()) for _ in range(2)]


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[PageAgent]:
    text = front_door_pb2.Text(ja="工事", en="Works")
    works = front_door_pb2.Category(code="works", name=text, renewal_pins=front_door_pb2.RENEWAL_PINS_ONE_WHERE_EQUAL)
    described = front_door_pb2.Instance(id=INSTANCE, name=text, categories=[works])
    with running_page_agent(tmp_path, described) as agent:
        yield agent


class RenewalAtPages:
    """A person who renews: puts one card after the other into the only reader."""

    def __init__(self, pages: PageAgent, cards: list[IssuedCard], new_pin: str = NEW_PIN) -> None:
        self.pages, self.old, self.new = pages, cards[0], cards[1]
        self.old_piv, self.new_piv = PivInMemory.of(self.old, pin=OLD_PIN), PivInMemory.of(self.new, pin=new_pin)
        self.handoff, self.request_id = pages.open_portal(), str(uuid4())
        self.successor_key = b""

    def put_in(self, card: PivInMemory) -> None:
        self.pages.found.clear()
        self.pages.insert(card)

    def choose_old(self, **fields: str) -> Reply:
        self.put_in(self.old_piv)
        reply = self.pages.choose_card(self.handoff, RENEWAL, Role.OLD, **fields)
        self.successor_key = base64.b64decode(reply.answer["successor_key"])
        return reply

    def sign_with_old(self) -> None:
        self.pages.sign(self.handoff, make_log_in(self.old, RENEWAL, Role.OLD), OLD_PIN)
        assert self.pages.sign(self.handoff, self.make_succession()).answer["signature"]

    def swap(self) -> Reply:
        self.put_in(self.new_piv)
        return self.pages.choose_card(self.handoff, RENEWAL, Role.NEW)

    def make_succession(self) -> bytes:
        key = sha256(self.successor_key).digest()
        return make_act(self.old, RENEWAL, Role.OLD, self.request_id, successor_key_sha256=key)

    def make_renewal(self, **changes: object) -> bytes:
        values: dict[str, object] = {
            "request_id": self.request_id,
            "successor_key_sha256": sha256(self.successor_key).digest(),
            "other_certificate_sha256": self.old.sha256,
        }
        return make_act(self.new, RENEWAL, Role.NEW, **{**values, **changes})  # type: ignore[arg-type]  # by name

    def pins_sent(self, card: PivInMemory) -> list[bytes]:
        commands = card.connection.commands
        return [command[5:13].rstrip(b"\xff") for command in commands if command[1] == VERIFY]


@pytest.mark.requirement("REN-01")
def test_renewal_has_the_successor_key_vouch_for_the_new_card_alone(pages: PageAgent, cards: list[IssuedCard]) -> None:
    renewal = RenewalAtPages(pages, cards)
    renewal.choose_old()
    renewal.sign_with_old()
    assert "successor_key" not in renewal.swap().answer
    pages.sign(renewal.handoff, make_log_in(renewal.new, RENEWAL, Role.NEW), NEW_PIN)
    answer = pages.sign(renewal.handoff, renewal.make_renewal()).answer
    signature = base64.b64decode(answer["successor_signature"])
    vouched = b"toroku successor key v1\x00" + renewal.new.sha256 + renewal.request_id.encode()
    key = Ed25519PublicKey.from_public_bytes(renewal.successor_key)
    key.verify(signature, vouched)
    with pytest.raises(InvalidSignature):
        key.verify(signature, vouched.replace(renewal.new.sha256, renewal.old.sha256))
    assert renewal.pins_sent(renewal.old_piv) == [OLD_PIN.encode()] * 2
    assert renewal.pins_sent(renewal.new_piv) == [NEW_PIN.encode()] * 2


@pytest.mark.requirement("REN-01")
def test_one_pin_serves_both_cards_where_the_person_said_so(pages: PageAgent, cards: list[IssuedCard]) -> None:
    renewal = RenewalAtPages(pages, cards, new_pin=OLD_PIN)
    renewal.choose_old(share_pin="1")
    renewal.sign_with_old()
    renewal.swap()
    assert pages.sign(renewal.handoff, make_log_in(renewal.new, RENEWAL, Role.NEW)).answer["signature"]
    assert pages.sign(renewal.handoff, renewal.make_renewal()).answer["signature"]
    assert renewal.pins_sent(renewal.new_piv) == [OLD_PIN.encode()] * 2


@pytest.mark.requirement("REN-01")
def test_one_pin_that_the_new_card_refuses_is_sent_once_and_then_asked_for(
    pages: PageAgent, cards: list[IssuedCard]
) -> None:
    renewal = RenewalAtPages(pages, cards)
    renewal.choose_old(share_pin="1")
    renewal.sign_with_old()
    renewal.swap()
    log_in = make_log_in(renewal.new, RENEWAL, Role.NEW)
    refused = pages.sign(renewal.handoff, log_in)
    assert "PINが違います" in refused.text
    assert "新しいICカードのPIN" in refused.text
    # Whatever page is opened then: it asks.
    assert 'name="pin"' in pages.get(pages.sign_link(renewal.handoff, log_in)).body
    assert pages.post("/sign", {"token": refused.token, "pin": NEW_PIN}).answer["signature"]
    assert pages.sign(renewal.handoff, renewal.make_renewal()).answer["signature"]
    assert renewal.pins_sent(renewal.new_piv) == [OLD_PIN.encode(), NEW_PIN.encode(), NEW_PIN.encode()]


@pytest.mark.requirement("REN-01")
def test_pin_of_the_old_card_is_never_sent_to_the_new_one_unless_the_person_said_so(
    pages: PageAgent, cards: list[IssuedCard]
) -> None:
    renewal = RenewalAtPages(pages, cards, new_pin=OLD_PIN)
    renewal.choose_old()
    renewal.sign_with_old()
    renewal.swap()
    log_in = make_log_in(renewal.new, RENEWAL, Role.NEW)
    assert 'name="pin"' in pages.get(pages.sign_link(renewal.handoff, log_in)).body
    asked = pages.sign(renewal.handoff, log_in)
    assert "入力されていません" in asked.text
    assert renewal.pins_sent(renewal.new_piv) == []


def test_old_card_that_is_still_in_the_reader_is_not_the_new_one(pages: PageAgent, cards: list[IssuedCard]) -> None:
    renewal = RenewalAtPages(pages, cards)
    page = pages.get(pages.card_link(renewal.handoff, RENEWAL, Role.OLD, category="works"))
    assert 'name="share_pin"' in page.body
    renewal.choose_old()
    renewal.sign_with_old()
    page = pages.choose_card(renewal.handoff, RENEWAL, Role.NEW)
    assert "新しいICカードに差し替えてください" in page.text
    renewal.put_in(renewal.new_piv)
    chosen = pages.post("/card", {"token": page.token, "answer": "ok"})
    assert base64.b64decode(chosen.answer["certificate"]) == renewal.new.der


@pytest.mark.requirement("REN-01")
def test_act_of_another_renewal_is_not_signed(pages: PageAgent, cards: list[IssuedCard]) -> None:
    renewal = RenewalAtPages(pages, cards)
    renewal.choose_old()
    strange = make_act(renewal.old, RENEWAL, Role.OLD, renewal.request_id, successor_key_sha256=secrets.token_bytes(32))
    page = pages.get(pages.sign_link(renewal.handoff, strange))
    assert page.refusal == "PURPOSE_FOR_ANOTHER_REQUEST"
    renewal.swap()
    # The old card has agreed to nothing yet.
    page = pages.get(pages.sign_link(renewal.handoff, renewal.make_renewal()))
    assert page.refusal == "PURPOSE_FOR_ANOTHER_REQUEST"
    renewal.choose_old()
    renewal.sign_with_old()
    renewal.swap()
    for changes in (
        {"request_id": str(uuid4())},
        {"other_certificate_sha256": secrets.token_bytes(32)},
        {"successor_key_sha256": secrets.token_bytes(32)},
    ):
        page = pages.get(pages.sign_link(renewal.handoff, renewal.make_renewal(**changes)))
        assert page.refusal == "PURPOSE_FOR_ANOTHER_REQUEST"


@pytest.mark.requirement("REN-01")
def test_successor_key_ends_with_the_next_first_card(pages: PageAgent, cards: list[IssuedCard]) -> None:
    renewal = RenewalAtPages(pages, cards)
    renewal.choose_old()
    first = renewal.successor_key
    renewal.sign_with_old()
    succession = renewal.make_succession()
    renewal.choose_old()
    assert renewal.successor_key != first
    page = pages.get(pages.sign_link(renewal.handoff, succession))
    assert page.refusal == "PURPOSE_FOR_ANOTHER_REQUEST"
