"""The key of an officer on a card: asked for its PIN once, and never given a wrong one twice."""

import getpass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from operator_command.officer.acts import card as cards
from operator_command.officer.acts.card import CardKey, unlock_card
from operator_command.speech import Language, Speech
from refusals import Refusal
from signed_acts.signature import verify_card_signature
from simulators.virtual_piv import PivApplication
from tests.support.card_in_memory import CardInMemory, PivInMemory
from tests.support.in_process import Authority

VERIFY = 0x20
PIN = "123456"


def insert_card(folder: Path) -> PivInMemory:
    """Returns a card with the certificate of an officer."""
    files = Authority(folder, "saitama").officer("kawagoe-city/suzuki", "suspension")
    key = load_pem_private_key(files.private_key.read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    return PivInMemory(CardInMemory(PivApplication({0x9A: key}, {0x9A: certificate}, PIN, 3)))


def count_pins(medium: PivInMemory) -> int:
    """Returns how often a PIN was sent to the card."""
    commands = medium.connection.commands
    return sum(command[1] == VERIFY and len(command) > 5 for command in commands)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the officer types at the terminal."""
    pins: list[str] = []
    monkeypatch.setattr(cards, "has_terminal", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda question: pins.pop(0))
    return pins


def unlock(medium: PivInMemory) -> CardKey:
    return unlock_card(medium, Speech(Language.JAPANESE))


def test_card_signs_acts_with_a_pin_that_was_asked_for_once(tmp_path: Path, typed: list[str]) -> None:
    medium = insert_card(tmp_path)
    typed.append(PIN)
    key = unlock(medium)
    public_key = x509.load_der_x509_certificate(key.certificate).public_key()
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for purpose in (b"one", b"another"):
        signed = key.sign(purpose)
        verify_card_signature(der, signed.algorithm, purpose, signed.signature)
    assert (typed, count_pins(medium)) == ([], 3)


def test_wrong_pin_costs_one_try(tmp_path: Path, typed: list[str]) -> None:
    medium = insert_card(tmp_path)
    typed.append("654321")
    with pytest.raises(Refusal, match="CARD_PIN_WRONG") as refused:
        unlock(medium)
    assert refused.value.metadata["tries_left"] == "2"
    assert count_pins(medium) == 1


def test_pin_is_not_sent_again_after_the_card_refused_it(tmp_path: Path, typed: list[str]) -> None:
    medium = insert_card(tmp_path)
    typed.append(PIN)
    key = unlock(medium)
    # Somebody else changed it meanwhile.
    medium.connection.piv.pin = "000000"
    for _ in range(3):
        with pytest.raises(Refusal, match="CARD_PIN_WRONG"):
            key.sign(b"purpose")
    assert count_pins(medium) == 2
    assert key.failure is not None


def test_another_card_gets_no_pin(tmp_path: Path, typed: list[str]) -> None:
    medium = insert_card(tmp_path)
    typed.append(PIN)
    key = unlock(medium)
    medium.connection = insert_card(tmp_path).connection
    with pytest.raises(Refusal, match="CARD_CHANGED"):
        key.sign(b"purpose")
    assert count_pins(medium) == 0


def test_pin_is_typed_at_a_terminal_only(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="OFFICER_CARD_TERMINAL_MISSING"):
        unlock(insert_card(tmp_path))
