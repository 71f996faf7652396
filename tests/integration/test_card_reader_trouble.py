"""Readers, cards and services that are missing, pulled, stopped, busy or wrong: each says what it is (CRD-09).

Real pcscd, real readers driver, a virtual card. Each test ends with a use that works, in the same process.
"""

import threading
import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from smartcard import scard  # type: ignore[import-untyped]

from card_agent.media.pcsc import PivInReader, Reader, readers
from card_agent.media.token import Pin, SignatureAlgorithm
from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from simulators.smart_card_service import READER, SECOND_READER
from tests.support.card_reader import CardReader

pytestmark = pytest.mark.requirement("CRD-09")
PIN = Pin("123456")
# The commands of a use in their order; the certificate comes in parts, by GET RESPONSE.
SELECT_IT, IN_THE_CERTIFICATE, VERIFY_IT = 1, 4, 6


@pytest.fixture
def issued(card_authority: CertificateAuthority) -> IssuedCard:
    return card_authority.issue(key=new_ec_key())


def sign(medium: PivInReader | None = None, pin: Pin = PIN) -> bytes:
    with (medium or PivInReader()).open() as token:
        certificate = token.certificates()[0]
        token.verify_pin(pin)
        return token.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256)


def signs(issued: IssuedCard, medium: PivInReader | None = None) -> bool:
    key = issued.key.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(sign(medium), b"data", ec.ECDSA(hashes.SHA256()))
    return True


def reason_of(medium: PivInReader | None = None, pin: Pin = PIN) -> str:
    with pytest.raises(Refusal) as refused:
        sign(medium, pin)
    return refused.value.reason


@pytest.mark.requirement("CRD-01")
def test_the_card_is_found_read_and_signs(reader: CardReader, issued: IssuedCard) -> None:
    assert readers() == (Reader(READER, False), Reader(SECOND_READER, False))
    reader.insert(issued)
    assert readers() == (Reader(READER, True), Reader(SECOND_READER, False))
    assert signs(issued)


def test_no_reader_says_so_and_works_once_there_is_one(reader: CardReader, issued: IssuedCard) -> None:
    reader.service.stop()
    reader.service.start(readers=False)
    with pytest.raises(Refusal, match="CARD_READER_NOT_FOUND"):
        readers()
    assert reason_of() == "CARD_READER_NOT_FOUND"
    reader.service.stop()
    reader.service.start()
    reader.insert(issued)
    assert signs(issued)


def test_no_card_says_so_and_works_once_it_is_in(reader: CardReader, issued: IssuedCard) -> None:
    assert reason_of() == "CARD_NOT_INSERTED"
    reader.insert(issued)
    assert signs(issued)


def test_a_service_that_stopped_says_so_and_works_once_it_runs_again(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    assert signs(issued)
    reader.service.stop()
    with pytest.raises(Refusal, match="SMART_CARD_SERVICE_NOT_RUNNING"):
        readers()
    assert reason_of() == "SMART_CARD_SERVICE_NOT_RUNNING"
    reader.service.start()
    reader.put_back(card)
    assert signs(issued)


def test_a_service_that_stops_while_the_card_is_held_says_so(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    with PivInReader().open() as token:
        certificate = token.certificates()[0]
        reader.service.stop()
        with pytest.raises(Refusal, match="SMART_CARD_SERVICE_NOT_RUNNING"):
            token.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256)
    reader.service.start()
    reader.put_back(card)
    assert signs(issued)


@pytest.mark.parametrize("at", [SELECT_IT, IN_THE_CERTIFICATE, VERIFY_IT])
def test_a_card_pulled_at_any_command_says_so(reader: CardReader, issued: IssuedCard, at: int) -> None:
    card = reader.insert(issued)
    card.pull_at = at
    assert reason_of() == "CARD_REMOVED"
    assert card.piv.tries_left == 3
    reader.put_back(card)
    assert signs(issued)


def test_a_card_pulled_during_the_sign_says_so(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    card.pull_during_sign = True
    assert reason_of() == "CARD_REMOVED"
    reader.put_back(card)
    assert signs(issued)


def test_a_card_pulled_and_put_back_between_two_commands_is_another_session(
    reader: CardReader, issued: IssuedCard
) -> None:
    card = reader.insert(issued)
    with PivInReader().open() as token:
        certificate = token.certificates()[0]
        token.verify_pin(PIN)
        reader.put_back(card)
        with pytest.raises(Refusal, match="CARD_REMOVED"):
            token.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256)
    assert signs(issued)


def test_another_kind_of_card_says_so(reader: CardReader, issued: IssuedCard) -> None:
    other = reader.insert_piv({}, {}, applet_present=False)
    assert reason_of() == "CARD_NOT_SUPPORTED"
    reader.pull(other)
    reader.insert(issued)
    assert signs(issued)


def test_a_card_without_certificate_says_so(reader: CardReader, issued: IssuedCard) -> None:
    empty = reader.insert_piv({}, {})
    assert reason_of() == "CARD_WITHOUT_CERTIFICATE"
    reader.pull(empty)
    reader.insert(issued, slot=0x9C)
    assert reason_of() == "CARD_WITHOUT_CERTIFICATE"
    assert signs(issued, PivInReader(slot="9C"))


def test_cards_in_two_readers_have_to_be_chosen_from(
    reader: CardReader, card_authority: CertificateAuthority, issued: IssuedCard
) -> None:
    other = card_authority.issue(key=new_ec_key())
    reader.insert(issued)
    reader.insert(other, second=True)
    assert reason_of() == "CARDS_SEVERAL"
    assert signs(issued, PivInReader("reader 00 00"))
    assert signs(other, PivInReader("Reader 00 01"))
    assert reason_of(PivInReader("no such reader")) == "CARD_READER_UNKNOWN"


@pytest.mark.requirement("CRD-03")
def test_wrong_pins_count_down_to_a_blocked_card_which_stays_so(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    for left in ("2", "1"):
        with pytest.raises(Refusal) as refused:
            sign(pin=Pin("654321"))
        assert (refused.value.reason, refused.value.metadata["tries_left"]) == ("CARD_PIN_WRONG", left)
    assert reason_of(pin=Pin("654321")) == "CARD_PIN_BLOCKED"
    reader.put_back(card)
    assert reason_of() == "CARD_PIN_BLOCKED"


def test_a_right_pin_brings_the_tries_back(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    assert reason_of(pin=Pin("654321")) == "CARD_PIN_WRONG"
    assert signs(issued)
    assert card.piv.tries_left == 3


class OtherProgram:
    """Another program that uses the same card, by PC/SC's own functions."""

    def __init__(self) -> None:
        _, self.context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        result, self.handle, _ = scard.SCardConnect(
            self.context, READER, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T1
        )
        assert result == scard.SCARD_S_SUCCESS

    def reconnect(self) -> None:
        result, _ = scard.SCardReconnect(
            self.handle, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T1, scard.SCARD_LEAVE_CARD
        )
        assert result == scard.SCARD_S_SUCCESS

    def status(self, *commands: str) -> str:
        answer: list[int] = []
        for command in commands:
            result, answer = scard.SCardTransmit(self.handle, scard.SCARD_PCI_T1, list(bytes.fromhex(command)))
            if result != scard.SCARD_S_SUCCESS:
                return f"{result & 0xFFFFFFFF:08X}"
        return bytes(answer[-2:]).hex()

    def close(self) -> None:
        scard.SCardDisconnect(self.handle, scard.SCARD_LEAVE_CARD)
        scard.SCardReleaseContext(self.context)


SELECT_PIV = "00A4040009A0000003080000100000"
IS_PIN_VERIFIED = "00200080"
VERIFY_RIGHT_PIN = "0020008008313233343536FFFF"


def test_no_other_program_finds_the_pin_verified_afterwards(reader: CardReader, issued: IssuedCard) -> None:
    reader.insert(issued)
    other = OtherProgram()
    assert signs(issued)
    other.reconnect()
    assert other.status(SELECT_PIV, IS_PIN_VERIFIED) == "63c3"
    other.close()


def test_reading_alone_leaves_what_another_program_has_verified(reader: CardReader, issued: IssuedCard) -> None:
    reader.insert(issued)
    other = OtherProgram()
    assert other.status(SELECT_PIV, VERIFY_RIGHT_PIN) == "9000"
    with PivInReader().open() as token:
        token.certificates()
    assert other.status(IS_PIN_VERIFIED) == "9000"
    other.close()


def test_a_card_that_another_program_holds_says_so_and_is_not_touched_later(
    reader: CardReader, issued: IssuedCard
) -> None:
    card = reader.insert(issued)
    other = OtherProgram()
    assert scard.SCardBeginTransaction(other.handle) == scard.SCARD_S_SUCCESS
    waiting = {thread.ident for thread in threading.enumerate()}
    assert reason_of(PivInReader(patience=0.2)) == "CARD_IN_USE"
    (late,) = [thread for thread in threading.enumerate() if thread.ident not in waiting]
    scard.SCardEndTransaction(other.handle, scard.SCARD_LEAVE_CARD)
    other.close()
    late.join(10)
    assert not late.is_alive()
    assert card.instructions == []
    assert signs(issued)


def test_while_the_agent_holds_the_card_nobody_comes_in_between(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    card.may_sign.clear()
    signed: list[bytes] = []
    signing = threading.Thread(target=lambda: signed.append(sign()))
    signing.start()
    assert card.signing.wait(10)
    answers: list[str] = []
    intruding = threading.Thread(target=lambda: answers.append(OtherProgram().status(SELECT_PIV, IS_PIN_VERIFIED)))
    intruding.start()
    card.may_sign.set()
    signing.join(10)
    intruding.join(10)
    assert signed
    # It came after the end, when the PIN was forgotten, or met the reset that forgot it.
    assert answers in (["63c3"], [f"{scard.SCARD_W_RESET_CARD & 0xFFFFFFFF:08X}"])


def test_a_use_is_over_in_a_moment(reader: CardReader, issued: IssuedCard) -> None:
    reader.insert(issued)
    began = time.monotonic()
    assert signs(issued)
    # No waiting for anything: a delayed acknowledgement or a poll would take longer than all commands together.
    assert time.monotonic() - began < 2
