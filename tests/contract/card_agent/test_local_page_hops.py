"""The hops between a portal and the agent's pages: a card is chosen, signs its log-in and its act (CRD-01, CRD-02)."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from signed_acts.signature import prefix_purpose
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from tests.support.card_in_memory import PivInMemory
from tests.support.page_agent import RETURN, PageAgent, running_page_agent
from tests.support.purposes import make_act, make_log_in, write_request

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
