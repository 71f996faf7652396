"""Missing, removed, stopped, busy or unsuitable readers, cards and services are refused with their reason (CRD-09).

With the real pcscd, its driver for virtual readers, and a virtual card. Each test ends with a successful use in the
same process.
"""

import threading
import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from smartcard import scard  # type: ignore[import-untyped]  # pyscard has no type hints

from card_agent.media.pcsc import CardInReader, Reader, list_readers
from card_agent.media.token import Pin
from refusals import Refusal
from signed_acts.signature import SignatureAlgorithm
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from simulators.smart_card_service import READER, SECOND_READER
from tests.support.card_reader import CardReader

pytestmark = pytest.mark.requirement("CRD-09", "met")
PIN = Pin("123456")
# Positions of commands in a use; the certificate is read in parts, by GET RESPONSE, and issuers are asked for.
AT_SELECT, AT_CERTIFICATE, AT_VERIFY = 1, 4, 7


@pytest.fixture
def issued(card_authority: CertificateAuthority) -> IssuedCard:
    return card_authority.issue(key=new_ec_key())


def sign(medium: CardInReader | None = None, pin: Pin = PIN) -> bytes:
    with (medium or CardInReader()).open() as token:
        certificate = token.certificates()[0]
        token.verify_pin(pin)
        return token.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256)


def signs(issued: IssuedCard, medium: CardInReader | None = None) -> bool:
    key = issued.key.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(sign(medium), b"data", ec.ECDSA(hashes.SHA256()))
    return True


def reason_of(medium: CardInReader | None = None, pin: Pin = PIN) -> str:
    with pytest.raises(Refusal) as refused:
        sign(medium, pin)
    return refused.value.reason


@pytest.mark.requirement("CRD-01", "met")
def test_card_is_found_and_read_and_signs(reader: CardReader, issued: IssuedCard) -> None:
    assert list_readers() == (Reader(READER, False), Reader(SECOND_READER, False))
    reader.insert(issued)
    assert list_readers() == (Reader(READER, True), Reader(SECOND_READER, False))
    assert signs(issued)


def test_missing_reader_is_refused_until_there_is_one(reader: CardReader, issued: IssuedCard) -> None:
    reader.service.stop()
    reader.service.start(readers=False)
    with pytest.raises(Refusal, match="CARD_READER_NOT_FOUND"):
        list_readers()
    assert reason_of() == "CARD_READER_NOT_FOUND"
    reader.service.stop()
    reader.service.start()
    reader.insert(issued)
    assert signs(issued)


def test_missing_card_is_refused_until_it_is_inserted(reader: CardReader, issued: IssuedCard) -> None:
    assert reason_of() == "CARD_NOT_INSERTED"
    reader.insert(issued)
    assert signs(issued)


def test_stopped_service_is_refused_until_it_runs_again(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    assert signs(issued)
    reader.service.stop()
    with pytest.raises(Refusal, match="SMART_CARD_SERVICE_NOT_RUNNING"):
        list_readers()
    assert reason_of() == "SMART_CARD_SERVICE_NOT_RUNNING"
    reader.service.start()
    reader.put_back(card)
    assert signs(issued)


def test_service_stopping_during_a_use_is_refused(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    with CardInReader().open() as token:
        certificate = token.certificates()[0]
        reader.service.stop()
        with pytest.raises(Refusal, match="SMART_CARD_SERVICE_NOT_RUNNING"):
            token.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256)
    reader.service.start()
    reader.put_back(card)
    assert signs(issued)


@pytest.mark.parametrize("at", [AT_SELECT, AT_CERTIFICATE, AT_VERIFY])
def test_card_removed_at_any_command_is_refused(reader: CardReader, issued: IssuedCard, at: int) -> None:
    card = reader.insert(issued)
    card.pull_at = at
    assert reason_of() == "CARD_REMOVED"
    assert card.piv.tries_left == 3
    reader.put_back(card)
    assert signs(issued)


def test_card_removed_while_signing_is_refused(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    card.pull_during_sign = True
    assert reason_of() == "CARD_REMOVED"
    reader.put_back(card)
    assert signs(issued)


def test_card_reinserted_between_two_commands_is_refused(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    with CardInReader().open() as token:
        certificate = token.certificates()[0]
        token.verify_pin(PIN)
        reader.put_back(card)
        with pytest.raises(Refusal, match="CARD_REMOVED"):
            token.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256)
    assert signs(issued)


def test_card_without_piv_is_refused(reader: CardReader, issued: IssuedCard) -> None:
    other = reader.insert_piv({}, {}, applet_present=False)
    assert reason_of() == "CARD_NOT_SUPPORTED"
    reader.pull(other)
    reader.insert(issued)
    assert signs(issued)


def test_card_without_certificate_is_refused(reader: CardReader, issued: IssuedCard) -> None:
    empty = reader.insert_piv({}, {})
    assert reason_of() == "CARD_WITHOUT_CERTIFICATE"
    reader.pull(empty)
    reader.insert(issued, slot=0x9C)
    assert reason_of(CardInReader(slot="9A")) == "CARD_WITHOUT_CERTIFICATE"
    assert signs(issued, CardInReader())


def test_reader_has_to_be_named_if_two_contain_cards(
    reader: CardReader, card_authority: CertificateAuthority, issued: IssuedCard
) -> None:
    other = card_authority.issue(key=new_ec_key())
    reader.insert(issued)
    reader.insert(other, second=True)
    assert reason_of() == "CARDS_SEVERAL"
    assert signs(issued, CardInReader("reader 00 00"))
    assert signs(other, CardInReader("Reader 00 01"))
    assert reason_of(CardInReader("no such reader")) == "CARD_READER_UNKNOWN"


@pytest.mark.requirement("CRD-03")
def test_wrong_pins_block_the_card_permanently(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    for left in ("2", "1"):
        with pytest.raises(Refusal) as refused:
            sign(pin=Pin("654321"))
        assert (refused.value.reason, refused.value.metadata["tries_left"]) == ("CARD_PIN_WRONG", left)
    assert reason_of(pin=Pin("654321")) == "CARD_PIN_BLOCKED"
    reader.put_back(card)
    assert reason_of() == "CARD_PIN_BLOCKED"


def test_right_pin_restores_the_tries(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    assert reason_of(pin=Pin("654321")) == "CARD_PIN_WRONG"
    assert signs(issued)
    assert card.piv.tries_left == 3


class OtherProgram:
    """Another program that uses the same card by PC/SC's own functions."""

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


def test_pin_is_not_verified_for_the_next_program(reader: CardReader, issued: IssuedCard) -> None:
    reader.insert(issued)
    other = OtherProgram()
    assert signs(issued)
    other.reconnect()
    assert other.status(SELECT_PIV, IS_PIN_VERIFIED) == "63c3"
    other.close()


def test_reading_keeps_the_pin_verification_of_another_program(reader: CardReader, issued: IssuedCard) -> None:
    reader.insert(issued)
    other = OtherProgram()
    assert other.status(SELECT_PIV, VERIFY_RIGHT_PIN) == "9000"
    with CardInReader().open() as token:
        token.certificates()
    assert other.status(IS_PIN_VERIFIED) == "9000"
    other.close()


def test_card_in_use_is_refused_and_not_used_later(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    other = OtherProgram()
    assert scard.SCardBeginTransaction(other.handle) == scard.SCARD_S_SUCCESS
    threads = {thread.ident for thread in threading.enumerate()}
    assert reason_of(CardInReader(patience=0.2)) == "CARD_IN_USE"
    (late,) = [thread for thread in threading.enumerate() if thread.ident not in threads]
    scard.SCardEndTransaction(other.handle, scard.SCARD_LEAVE_CARD)
    other.close()
    late.join(10)
    assert not late.is_alive()
    assert card.instructions == []
    assert signs(issued)


def test_no_other_program_sends_commands_during_a_use(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    card.may_sign.clear()
    signatures: list[bytes] = []
    signing = threading.Thread(target=lambda: signatures.append(sign()))
    signing.start()
    assert card.signing.wait(10)
    answers: list[str] = []
    intruding = threading.Thread(target=lambda: answers.append(OtherProgram().status(SELECT_PIV, IS_PIN_VERIFIED)))
    intruding.start()
    card.may_sign.set()
    signing.join(10)
    intruding.join(10)
    assert signatures
    # It came after the use, when the PIN was no longer verified, or during the reset.
    assert answers in (["63c3"], [f"{scard.SCARD_W_RESET_CARD & 0xFFFFFFFF:08X}"])


def test_use_does_not_wait(reader: CardReader, issued: IssuedCard) -> None:
    reader.insert(issued)
    start = time.monotonic()
    assert signs(issued)
    # A delayed acknowledgement or a polling loop would take longer than all commands together.
    assert time.monotonic() - start < 2
