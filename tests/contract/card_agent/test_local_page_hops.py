"""The hops between a portal and the agent's pages: a card is chosen, signs its log-in and its act (CRD-01, CRD-02)."""

import base64
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from typing_extensions import override

from card_agent.clock import read_clock
from card_agent.media.found import FoundCertificate, FoundMedium
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import TokenCertificate
from refusals import Refusal
from signed_acts.purpose import Role
from signed_acts.signature import prefix_purpose
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from tests.support.card_in_memory import CardInMemory, PivInMemory, piv_of
from tests.support.page_agent import INSTANCE, RETURN, PageAgent, running_page_agent
from tests.support.purposes import make_act, make_log_in, write_request
from toroku.frontdoor.v1 import front_door_pb2

VERIFY, PIN = 0x20, "123456"


@pytest.fixture(scope="module")
def cards() -> list[IssuedCard]:
    authority = CertificateAuthority.create(key=new_ec_key())
    return [authority.issue(key=new_ec_key()) for _ in range(2)]


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[PageAgent]:
    with running_page_agent(tmp_path) as agent:
        yield agent


def check_signature(card: IssuedCard, purpose: bytes, answer: dict[str, str]) -> None:
    key = card.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert base64.b64decode(answer["purpose"]) == purpose
    key.verify(base64.b64decode(answer["signature"]), prefix_purpose(purpose), ec.ECDSA(hashes.SHA256()))


@pytest.mark.requirement("CRD-01")
def test_registration_asks_the_pin_once_for_both_signatures(pages: PageAgent, cards: list[IssuedCard]) -> None:
    card = PivInMemory.of(cards[0])
    pages.insert(card)
    handoff = pages.open_portal()
    chosen = pages.choose_card(handoff)
    assert base64.b64decode(chosen.answer["certificate"]) == cards[0].der
    assert (chosen.fragment["handoff"], chosen.fragment["step"]) == (handoff, "s1")
    log_in = make_log_in(cards[0])
    signed = pages.sign(handoff, log_in, PIN)
    assert signed.address.startswith(f"{RETURN}#handoff={handoff}&step=s2&answer=")
    check_signature(cards[0], log_in, signed.answer)
    request = write_request(person_in_charge="山田")
    act = make_act(cards[0], request=request)
    page = pages.get(pages.sign_link(handoff, act, request))
    assert 'name="pin"' not in page.body
    assert "山田" in page.text
    signed = pages.post("/sign", {"token": page.token, "answer": "ok"})
    check_signature(cards[0], act, signed.answer)
    # And forgotten after the act.
    assert 'name="pin"' in pages.get(pages.sign_link(handoff, make_log_in(cards[0]))).body


def test_choice_needs_no_pin_and_looks_only_when_asked_to(pages: PageAgent, cards: list[IssuedCard]) -> None:
    card = PivInMemory.of(cards[0])
    pages.insert(card)
    card.connection.commands.clear()
    handoff = pages.open_portal()
    page = pages.get(pages.card_link(handoff))
    assert "使用するICカードがICカードリーダーに正しく挿入されていることを確認して" in page.text
    assert pages.issuers == []
    pages.get(pages.sign_link(handoff, make_log_in(cards[0])))
    assert card.connection.commands == []
    pages.choose_card(handoff)
    assert VERIFY not in card.connection.instructions


def test_several_cards_are_chosen_from_and_what_cannot_be_used_says_why(
    pages: PageAgent, cards: list[IssuedCard]
) -> None:
    for number, card in enumerate(cards):
        pages.insert(PivInMemory.of(card), f"Reader 0{number}")
    refusal = Refusal("CERTIFICATE_EXPIRED", metadata={"date": "2025/04/01"})
    old = CertificateAuthority.create(key=new_ec_key()).issue(key=new_ec_key())
    pages.found.append(
        FoundMedium(
            "Reader 02",
            PivInMemory.of(old),
            (FoundCertificate(TokenCertificate(old.der, "9A"), refusal=refusal),),
        )
    )
    pages.found.append(FoundMedium("Reader 03", None, refusal=Refusal("CARD_IN_USE", metadata={"reader": "Reader 03"})))
    page = pages.choose_card(pages.open_portal())
    assert page.body.count('name="certificate"') == 2
    for text in ("Reader00", "Reader01", "Reader02", "Reader03", "ほかのソフトウェアがICカードを使用中", "2025/04/01"):
        assert text in page.text
    chosen = pages.post("/card", {"token": page.token, "answer": "ok", "certificate": "2"})
    assert base64.b64decode(chosen.answer["certificate"]) == cards[1].der


def test_nothing_that_can_be_used_says_what_to_do_and_the_next_try_finds_it(
    pages: PageAgent, cards: list[IssuedCard]
) -> None:
    pages.found.append(FoundMedium("", None, refusal=Refusal("SMART_CARD_SERVICE_NOT_RUNNING")))
    page = pages.choose_card(pages.open_portal())
    assert "スマートカードサービスが動いていません" in page.text
    pages.found.clear()
    pages.insert(PivInMemory.of(cards[0]))
    assert "certificate" in pages.post("/card", {"token": page.token, "answer": "ok"}).answer


def test_cancel_goes_back_with_nothing_signed(pages: PageAgent, cards: list[IssuedCard]) -> None:
    card = PivInMemory.of(cards[0])
    pages.insert(card)
    handoff = pages.open_portal()
    page = pages.get(pages.card_link(handoff))
    given_up = pages.post("/card", {"token": page.token, "answer": "cancel"})
    assert given_up.answer == {"refusal": "GIVEN_UP"}
    pages.choose_card(handoff)
    page = pages.get(pages.sign_link(handoff, make_log_in(cards[0])))
    given_up = pages.post("/sign", {"token": page.token, "answer": "cancel", "pin": PIN})
    assert given_up.answer == {"refusal": "GIVEN_UP"}
    assert VERIFY not in card.connection.instructions


@pytest.mark.requirement("CRD-02")
def test_form_posted_again_gets_the_first_answer_and_signs_nothing_twice(
    pages: PageAgent, cards: list[IssuedCard]
) -> None:
    slow = SlowCard(piv_of(cards[0]))
    pages.insert(PivInMemory(slow))
    handoff = pages.open_portal()
    pages.choose_card(handoff)
    page = pages.get(pages.sign_link(handoff, make_log_in(cards[0])))
    fields = {"token": page.token, "answer": "ok", "pin": PIN}
    slow.is_held.clear()
    with ThreadPoolExecutor(3) as threads:
        # As a double click posts it, while the card is still at work.
        replies = [threads.submit(pages.post, "/sign", fields) for _ in range(2)]
        assert slow.was_reached.wait(10)
        slow.is_held.set()
        bodies = {reply.result().body for reply in replies}
    assert len(bodies) == 1
    assert slow.instructions.count(VERIFY) == 1
    # And as Back and the same button post it later, with whatever was typed meanwhile.
    again = pages.post("/sign", {**fields, "pin": "000000"})
    assert {again.body} == bodies
    assert slow.instructions.count(VERIFY) == 1


@pytest.mark.requirement("CRD-02")
def test_busy_page_comes_before_the_card_is_done_and_has_nothing_to_press(
    pages: PageAgent, cards: list[IssuedCard]
) -> None:
    slow = SlowCard(piv_of(cards[0]))
    pages.insert(PivInMemory(slow))
    handoff = pages.open_portal()
    pages.choose_card(handoff)
    page = pages.get(pages.sign_link(handoff, make_log_in(cards[0])))
    slow.is_held.clear()
    with pages.posted("/sign", {"token": page.token, "answer": "ok", "pin": PIN}) as response:
        busy = response.read1().decode()
        while "しばらくお待ち下さい。" not in busy:
            busy += response.read1().decode()
        assert "<button" not in busy
        assert "<a " not in busy
        slow.is_held.set()
        assert 'http-equiv="refresh"' in response.read().decode()


def test_wrong_pin_is_forgotten_and_asked_again_with_the_tries_left(pages: PageAgent, cards: list[IssuedCard]) -> None:
    card = PivInMemory.of(cards[0])
    pages.insert(card)
    handoff = pages.open_portal()
    pages.choose_card(handoff)
    log_in = make_log_in(cards[0])
    wrong = pages.sign(handoff, log_in, "999999")
    assert "PINが違います。あと2回間違えると" in wrong.text
    assert "残り2回です" in wrong.text
    assert "999999" not in wrong.body
    assert card.connection.instructions.count(VERIFY) == 1
    check_signature(cards[0], log_in, pages.post("/sign", {"token": wrong.token, "pin": PIN}).answer)


def test_blocked_card_says_what_its_authority_does(tmp_path: Path, cards: list[IssuedCard]) -> None:
    text = front_door_pb2.Text
    authority = front_door_pb2.CardAuthority(
        id="ca", name=text(ja="試験認証局", en="Test CA"), unlocking=text(ja="窓口で解除します。", en="At the desk.")
    )
    described = front_door_pb2.Instance(id=INSTANCE, name=text(ja="埼玉", en="S"), card_authorities=[authority])
    with running_page_agent(tmp_path, described) as pages:
        pages.insert(PivInMemory.of(cards[0], tries=1))
        found = pages.found[0]
        pages.found[0] = replace(found, certificates=(replace(found.certificates[0], authority="ca"),))
        handoff = pages.open_portal()
        pages.choose_card(handoff)
        assert "窓口で解除します。" in pages.get(pages.sign_link(handoff, make_log_in(cards[0]))).text
        blocked = pages.sign(handoff, make_log_in(cards[0]), "999999")
        assert "試験認証局に、ロックの解除または再発行をお申し込みください" in blocked.text
        assert blocked.refusal == "CARD_PIN_BLOCKED"


@pytest.mark.parametrize("at", [0xA4, 0xCB, VERIFY, 0x87], ids=["select", "read", "pin", "sign"])
def test_pulled_card_at_each_step_has_its_message_and_the_next_try_asks_the_pin(
    pages: PageAgent, cards: list[IssuedCard], at: int
) -> None:
    pulled = PulledCard(piv_of(cards[0]), at=at)
    pages.insert(PivInMemory(pulled))
    handoff = pages.open_portal()
    pages.choose_card(handoff)
    pulled.is_loose = True
    log_in = make_log_in(cards[0])
    reply = pages.sign(handoff, log_in, PIN)
    assert "処理の途中でICカードが抜かれました" in reply.text
    assert reply.refusal == "CARD_REMOVED"
    pulled.is_loose = pulled.removed = False
    assert 'name="pin"' in pages.get(pages.sign_link(handoff, log_in)).body
    check_signature(cards[0], log_in, pages.sign(handoff, log_in, PIN).answer)


def test_other_card_in_the_reader_gets_no_pin(pages: PageAgent, cards: list[IssuedCard]) -> None:
    first = PivInMemory.of(cards[0])
    pages.insert(first)
    handoff = pages.open_portal()
    pages.choose_card(handoff)
    first.connection.application = piv_of(cards[1])
    reply = pages.sign(handoff, make_log_in(cards[0]), PIN)
    assert "別のICカードに差し替えられました" in reply.text
    assert VERIFY not in first.connection.instructions


def test_pin_is_forgotten_after_ten_minutes_and_with_the_next_card(pages: PageAgent, cards: list[IssuedCard]) -> None:
    pages.insert(PivInMemory.of(cards[0]))
    handoff = pages.open_portal()
    pages.choose_card(handoff)
    pages.sign(handoff, make_log_in(cards[0]), PIN)
    act = make_act(cards[0])
    assert 'name="pin"' not in pages.get(pages.sign_link(handoff, act)).body
    found = pages.agent.hand_offs.find(handoff)
    assert found is not None
    chosen = found.cards[Role.SOLE]
    assert chosen.pin is not None
    assert 590 < chosen.pin.seconds_left <= 600
    chosen.pin = replace(chosen.pin, ends_at=read_clock())
    page = pages.get(pages.sign_link(handoff, act))
    assert 'name="pin"' in page.body
    assert pages.post("/sign", {"token": page.token, "pin": PIN}).answer
    pages.sign(handoff, make_log_in(cards[0]), PIN)
    pages.choose_card(handoff)
    assert 'name="pin"' in pages.get(pages.sign_link(handoff, act)).body


def test_pin_of_a_card_is_none_in_another_hand_off(pages: PageAgent, cards: list[IssuedCard]) -> None:
    pages.insert(PivInMemory.of(cards[0]))
    first, second = pages.open_portal(), pages.open_portal()
    for handoff in (first, second):
        pages.choose_card(handoff)
    pages.sign(first, make_log_in(cards[0]), PIN)
    assert 'name="pin"' in pages.get(pages.sign_link(second, make_log_in(cards[0]))).body


def test_second_tab_that_waits_too_long_is_told_why(pages: PageAgent, cards: list[IssuedCard]) -> None:
    slow = SlowCard(piv_of(cards[0]))
    pages.insert(PivInMemory(slow))
    pages.agent.cards.patience = 0.05
    first, second = pages.open_portal(), pages.open_portal()
    for handoff in (first, second):
        pages.choose_card(handoff)
    slow.is_held.clear()
    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(pages.sign, first, make_log_in(cards[0]), PIN)
        assert slow.was_reached.wait(10)
        told = pages.sign(second, make_log_in(cards[0]), PIN)
        assert "別のタブの画面がICカードを使用中" in told.text
        assert "もう一度試す" in told.text
        slow.is_held.set()
        assert working.result().answer
    assert pages.sign(second, make_log_in(cards[0]), PIN).answer


def test_card_that_does_not_end_its_work_holds_up_nobody(pages: PageAgent, cards: list[IssuedCard]) -> None:
    slow = SlowCard(piv_of(cards[0]))
    pages.insert(PivInMemory(slow))
    handoff = pages.open_portal()
    pages.choose_card(handoff)
    slow.is_held.clear()
    pages.agent.cards.most_seconds = 0.05
    reply = pages.sign(handoff, make_log_in(cards[0]), PIN)
    assert "ICカードで処理できませんでした" in reply.text
    slow.is_held.set()
    pages.agent.cards.most_seconds = 60.0
    assert pages.sign(handoff, make_log_in(cards[0]), PIN).answer["signature"]


def test_file_asks_its_password_before_its_certificate_is_known(
    pages: PageAgent, cards: list[IssuedCard], tmp_path: Path
) -> None:
    path = tmp_path / "証明書.p12"
    path.write_bytes(cards[0].pkcs12(b"secret"))
    pages.insert(Pkcs12File(path), str(path), None)
    handoff = pages.open_portal()
    page = pages.choose_card(handoff)
    assert "証明書ファイルのパスワード" in page.text
    wrong = pages.post("/card", {"token": page.token, "certificate": "1", "pin": "wrong"})
    assert "パスワードが違います" in wrong.text
    chosen = pages.post("/card", {"token": wrong.token, "certificate": "1", "pin": "secret"})
    assert base64.b64decode(chosen.answer["certificate"]) == cards[0].der
    log_in = make_log_in(cards[0])
    page = pages.get(pages.sign_link(handoff, log_in))
    assert 'name="pin"' not in page.body
    check_signature(cards[0], log_in, pages.post("/sign", {"token": page.token}).answer)


def test_person_in_charge_comes_with_the_answer_to_the_log_in(tmp_path: Path, cards: list[IssuedCard]) -> None:
    name = front_door_pb2.Text(ja="埼玉", en="Saitama")
    described = front_door_pb2.Instance(
        id=INSTANCE, name=name, pin_page=front_door_pb2.PinPage(asks_person_in_charge=True)
    )
    with running_page_agent(tmp_path, described) as pages:
        pages.insert(PivInMemory.of(cards[0]))
        handoff = pages.open_portal()
        pages.choose_card(handoff)
        wrong = pages.sign(handoff, make_log_in(cards[0]), PIN, person_in_charge="山" * 21)
        assert "担当者は20文字以内" in wrong.text
        assert f'value="{"山" * 21}"' in wrong.body
        # It stays where the PIN was the wrong one.
        wrong = pages.post("/sign", {"token": wrong.token, "pin": "999999", "person_in_charge": '山田 "'})
        assert 'value="山田 &#34;"' in wrong.body
        reply = pages.post("/sign", {"token": wrong.token, "pin": PIN, "person_in_charge": " 山田 "})
        assert reply.answer["person_in_charge"] == "山田"
        assert 'name="person_in_charge"' not in pages.get(pages.sign_link(handoff, make_act(cards[0]))).body


def test_pages_are_in_the_language_of_the_link_or_else_of_the_browser(
    pages: PageAgent, cards: list[IssuedCard]
) -> None:
    pages.insert(PivInMemory.of(cards[0]))
    handoff = pages.open_portal()
    english, japanese = {"Accept-Language": "en-GB,ja;q=0.5"}, {"Accept-Language": "ja"}
    assert 'lang="en"' in pages.get(pages.card_link(handoff), english).body.partition("\n<head>")[0]
    assert 'lang="ja"' in pages.get(pages.card_link(handoff, language="ja"), english).body.partition("\n<head>")[0]
    assert 'lang="ja"' in pages.get(pages.card_link(handoff), japanese).body.partition("\n<head>")[0]
    assert 'lang="en"' in pages.get("/?language=en", japanese).body.partition("\n<head>")[0]


@dataclass(slots=True)
class SlowCard(CardInMemory):
    """A card that waits before the first command of its next use while it `is_held` back."""

    is_held: threading.Event = field(default_factory=threading.Event)
    was_reached: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.is_held.set()

    @override
    def transmit(self, command: bytes) -> bytes:
        if not self.is_held.is_set():
            self.was_reached.set()
            assert self.is_held.wait(10)
        return CardInMemory.transmit(self, command)


@dataclass(slots=True)
class PulledCard(CardInMemory):
    """A card that is pulled at a command while it `is_loose`."""

    at: int = 0
    is_loose: bool = False

    @override
    def transmit(self, command: bytes) -> bytes:
        if self.is_loose and command[1] == self.at:
            self.removed = True
        return CardInMemory.transmit(self, command)
