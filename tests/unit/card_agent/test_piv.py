"""PIV over a connection: the commands sent to the card, and the refusals for its status words."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from typing_extensions import override

from card_agent.media.piv import PivCard
from card_agent.media.token import Pin, choose_algorithm
from card_agent.signing.certificate import describe_certificate
from refusals import Refusal
from signed_acts.signature import SignatureAlgorithm
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key, new_rsa_key
from simulators.virtual_piv import tlv
from tests.support.card_in_memory import CardInMemory, piv_of
from tests.support.printable_strings import write_printable

# Deliberately not imported from the code under test.
SELECT, VERIFY, GENERAL_AUTHENTICATE, GET_RESPONSE, GET_DATA = 0xA4, 0x20, 0x87, 0xC0, 0xCB
PIN = Pin("123456")


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create(key=new_ec_key())


@pytest.fixture(scope="module")
def rsa_card(authority: CertificateAuthority) -> IssuedCard:
    return authority.issue(key=new_rsa_key())


@pytest.fixture(scope="module")
def card(authority: CertificateAuthority) -> IssuedCard:
    return authority.issue(key=new_ec_key())


def open_piv(issued: IssuedCard, slot: str = "9A", tries: int = 3) -> tuple[PivCard, CardInMemory]:
    connection = CardInMemory(piv_of(issued, slot=slot, tries=tries))
    piv = PivCard(connection, [slot])
    piv.select()
    return piv, connection


def verifier(issued: IssuedCard, algorithm: SignatureAlgorithm) -> Callable[[bytes], None]:
    digest = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[algorithm.hash_name]
    key = issued.key.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return lambda signature: key.verify(signature, b"data", ec.ECDSA(digest))
    pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
    scheme = pss if "PSS" in algorithm.value else padding.PKCS1v15()
    return lambda signature: key.verify(signature, b"data", scheme, digest)


@pytest.mark.parametrize("algorithm", [name for name in SignatureAlgorithm if "RSA" in name.value])
def test_rsa_signatures_pass_an_independent_verifier(rsa_card: IssuedCard, algorithm: SignatureAlgorithm) -> None:
    piv, _ = open_piv(rsa_card)
    piv.verify_pin(PIN)
    verifier(rsa_card, algorithm)(piv.sign(piv.certificates()[0], b"data", algorithm))


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=["P-256", "P-384"])
def test_ecdsa_signatures_pass_an_independent_verifier(
    authority: CertificateAuthority, curve: ec.EllipticCurve
) -> None:
    issued = authority.issue(key=new_ec_key(curve))
    piv, _ = open_piv(issued)
    piv.verify_pin(PIN)
    certificate = piv.certificates()[0]
    algorithm = choose_algorithm(certificate.certificate)
    verifier(issued, algorithm)(piv.sign(certificate, b"data", algorithm))


def test_only_necessary_commands_are_sent(card: IssuedCard) -> None:
    piv, connection = open_piv(card)
    certificate = piv.certificates()[0]
    piv.verify_pin(PIN)
    piv.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256)
    instructions = [number for number in connection.instructions if number != GET_RESPONSE]
    # The certificate, and whether there are any of issuers.
    assert instructions == [SELECT, *([GET_DATA] * 2), VERIFY, GENERAL_AUTHENTICATE]
    assert connection.instructions.count(GET_RESPONSE) == len(card.der) // 256


def test_long_command_is_chained_in_short_commands(rsa_card: IssuedCard) -> None:
    piv, connection = open_piv(rsa_card)
    piv.verify_pin(PIN)
    piv.sign(piv.certificates()[0], b"data", SignatureAlgorithm.RSA_PKCS1V15_SHA256)
    sign_commands = [command for command in connection.commands if command[1] == GENERAL_AUTHENTICATE]
    assert [command[0] for command in sign_commands] == [0x10, 0x00]
    assert max(map(len, connection.commands)) <= 261


def test_command_over_t0_has_either_data_or_a_length(card: IssuedCard) -> None:
    connection = CardInMemory(piv_of(card), length_with_data=False)
    piv = PivCard(connection)
    piv.select()
    assert piv.certificates()[0].der == card.der
    for command in connection.commands:
        assert len(command) in (5, 5 + command[4])


def test_wrong_pin_costs_one_try_and_reports_the_tries_left(card: IssuedCard) -> None:
    piv, connection = open_piv(card)
    with pytest.raises(Refusal) as refused:
        piv.verify_pin(Pin("000000"))
    assert (refused.value.reason, refused.value.metadata) == ("CARD_PIN_WRONG", {"tries_left": "2"})
    assert connection.piv.tries_left == 2
    assert connection.instructions.count(VERIFY) == 1


def test_last_wrong_pin_blocks_the_card_for_the_right_one_too(card: IssuedCard) -> None:
    piv, _ = open_piv(card, tries=2)
    with pytest.raises(Refusal, match="CARD_PIN_WRONG"):
        piv.verify_pin(Pin("000000"))
    for pin in (Pin("000000"), PIN):
        with pytest.raises(Refusal, match="CARD_PIN_BLOCKED"):
            piv.verify_pin(pin)
    assert piv.pin_tries_left() == 0


@pytest.mark.parametrize("pin", ["", "12345", "123456789", "１２３４５６", "12345\u3042"])
def test_malformed_pin_is_not_sent_to_the_card(card: IssuedCard, pin: str) -> None:
    piv, connection = open_piv(card)
    with pytest.raises(Refusal, match="CARD_PIN_FORM"):
        piv.verify_pin(Pin(pin))
    assert VERIFY not in connection.instructions
    assert not connection.pin_was_sent


def test_pin_of_letters_is_refused_by_the_card_without_a_try(card: IssuedCard) -> None:
    piv, connection = open_piv(card)
    with pytest.raises(Refusal, match="CARD_PIN_FORM"):
        piv.verify_pin(Pin("abcdef"))
    assert connection.piv.tries_left == 3


def test_tries_left_are_read_without_using_one(card: IssuedCard) -> None:
    piv, connection = open_piv(card, tries=5)
    assert piv.pin_tries_left() == 5
    assert connection.piv.tries_left == 5
    assert not connection.pin_was_sent


def test_card_does_not_sign_without_a_pin(card: IssuedCard) -> None:
    piv, _ = open_piv(card)
    with pytest.raises(Refusal, match="CARD_PIN_NOT_VERIFIED"):
        piv.sign(piv.certificates()[0], b"data", SignatureAlgorithm.ECDSA_SHA256)


def test_slot_9a_signs_repeatedly_and_9c_needs_the_pin_each_time(card: IssuedCard) -> None:
    for slot, signs_again in (("9A", True), ("9C", False)):
        piv, _ = open_piv(card, slot)
        certificate = piv.certificates()[0]
        piv.verify_pin(PIN)
        piv.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256)
        if signs_again:
            piv.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256)
        else:
            with pytest.raises(Refusal, match="CARD_PIN_NOT_VERIFIED"):
                piv.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256)
            piv.verify_pin(PIN)
            piv.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256)


def test_card_without_piv_is_not_supported(card: IssuedCard) -> None:
    application = piv_of(card)
    application.applet_present = False
    with pytest.raises(Refusal) as refused:
        PivCard(CardInMemory(application)).select()
    assert (refused.value.reason, refused.value.metadata) == ("CARD_NOT_SUPPORTED", {"status": "6A82"})


def test_empty_slot_has_no_certificate(card: IssuedCard) -> None:
    connection = CardInMemory(piv_of(card, slot="9A"))
    piv = PivCard(connection, ["9C"])
    piv.select()
    with pytest.raises(Refusal) as refused:
        piv.certificates()
    assert (refused.value.reason, refused.value.metadata) == ("CARD_WITHOUT_CERTIFICATE", {"slot": "9C"})


def test_weak_key_and_foreign_algorithm_do_not_sign(authority: CertificateAuthority, card: IssuedCard) -> None:
    weak, _ = open_piv(authority.issue(key=new_rsa_key(1024)))
    piv, connection = open_piv(card)
    for token, algorithm, kind in (
        (weak, SignatureAlgorithm.RSA_PKCS1V15_SHA256, "RSA-1024"),
        (piv, SignatureAlgorithm.RSA_PSS_SHA256, "ECDSA secp256r1"),
        (piv, SignatureAlgorithm.ECDSA_SHA384, "ECDSA secp256r1"),
    ):
        token.verify_pin(PIN)
        with pytest.raises(Refusal) as refused:
            token.sign(token.certificates()[0], b"data", algorithm)
        assert (refused.value.reason, refused.value.metadata) == ("CARD_KEY_NOT_SUPPORTED", {"key": kind})
    assert GENERAL_AUTHENTICATE not in connection.instructions


@pytest.mark.parametrize("bits", [3072, 4096])
def test_long_rsa_key_signs(authority: CertificateAuthority, bits: int) -> None:
    issued = authority.issue(key=new_rsa_key(bits))
    piv, _ = open_piv(issued)
    piv.verify_pin(PIN)
    algorithm = SignatureAlgorithm.RSA_PKCS1V15_SHA256
    verifier(issued, algorithm)(piv.sign(piv.certificates()[0], b"data", algorithm))


def test_card_whose_only_key_is_in_9c_signs_without_a_choice(card: IssuedCard) -> None:
    piv = PivCard(CardInMemory(piv_of(card, slot="9C")))
    piv.select()
    (certificate,) = piv.certificates()
    assert (certificate.der, certificate.slot) == (card.der, "9C")
    piv.verify_pin(PIN)
    verifier(card, SignatureAlgorithm.ECDSA_SHA256)(
        piv.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256),
    )


def test_key_of_rsa_in_9d_signs_and_an_elliptic_one_does_not(rsa_card: IssuedCard, card: IssuedCard) -> None:
    piv, _ = open_piv(rsa_card, "9D")
    piv.verify_pin(PIN)
    algorithm = SignatureAlgorithm.RSA_PKCS1V15_SHA256
    verifier(rsa_card, algorithm)(piv.sign(piv.certificates()[0], b"data", algorithm))
    piv, _ = open_piv(card, "9D")
    piv.verify_pin(PIN)
    with pytest.raises(Refusal, match="CARD_KEY_NOT_SUPPORTED"):
        piv.sign(piv.certificates()[0], b"data", SignatureAlgorithm.ECDSA_SHA256)


def test_issuers_on_the_card_come_with_its_certificate_the_nearest_first(authority: CertificateAuthority) -> None:
    issuing = CertificateAuthority.create("Toroku Test Issuing CA", parent=authority, key=new_ec_key())
    stranger = CertificateAuthority.create("Another CA", key=new_ec_key())
    issued = issuing.issue(key=new_ec_key())
    application = piv_of(issued)
    retired = [stranger.certificate, authority.certificate, issuing.certificate]
    application.certificates = {0x9A: issued.certificate} | {0x82 + at: each for at, each in enumerate(retired)}
    application.compressed = frozenset({0x9A, 0x84})
    piv = PivCard(CardInMemory(application))
    piv.select()
    (certificate,) = piv.certificates()
    assert (certificate.der, certificate.chain_der) == (issued.der, (issuing.der, authority.der))


@dataclass(slots=True)
class CardWithHistory(CardInMemory):
    """A card whose object about retired keys is this one."""

    history: bytes = b""

    @override
    def transmit(self, command: bytes) -> bytes:
        if command[1] == GET_DATA and command[5:10] == bytes.fromhex("5C035FC10C"):
            return self.history + b"\x90\x00"
        return CardInMemory.transmit(self, command)


@pytest.mark.parametrize(
    "history", [b"", b"\x53", tlv(0x53, b""), tlv(0x53, tlv(0xC1, b"\xff")), tlv(0x53, tlv(0xC1, bytes(9)))]
)
def test_certificate_is_read_whatever_the_card_says_of_retired_keys(card: IssuedCard, history: bytes) -> None:
    connection = CardWithHistory(piv_of(card), history=history)
    piv = PivCard(connection)
    piv.select()
    (certificate,) = piv.certificates()
    assert (certificate.der, certificate.chain_der) == (card.der, ())
    assert connection.instructions.count(GET_DATA) <= 21


@dataclass(slots=True)
class ExactLengthCard(CardInMemory):
    """A card that answers only to the exact length of its response, and names it (6Cxx)."""

    kept: tuple[bytes, bytes] = (b"", b"")

    @override
    def transmit(self, command: bytes) -> bytes:
        if command == self.kept[0]:
            return self.kept[1]
        answer = CardInMemory.transmit(self, command)
        has_length = command[1] == GET_RESPONSE or len(command) == 6 + command[4]
        length = (len(answer) - 2) % 256
        if not has_length or len(answer) == 2 or command[-1] == length:
            return answer
        self.kept = (command[:-1] + bytes([length]), answer)
        return bytes([0x6C, length])


def test_card_that_names_the_length_gets_the_same_command_with_it(card: IssuedCard) -> None:
    connection = ExactLengthCard(piv_of(card))
    piv = PivCard(connection)
    piv.select()
    assert piv.certificates()[0].der == card.der
    piv.verify_pin(PIN)
    verifier(card, SignatureAlgorithm.ECDSA_SHA256)(
        piv.sign(piv.certificates()[0], b"data", SignatureAlgorithm.ECDSA_SHA256),
    )
    assert connection.instructions.count(VERIFY) == 1


class ScriptedCard:
    """Answers every GET DATA with one container, and every other command with success."""

    length_with_data = True
    pin_was_sent = False

    def __init__(self, container: bytes) -> None:
        self.container = container

    def transmit(self, command: bytes) -> bytes:
        return (self.container if command[1] == GET_DATA else b"") + b"\x90\x00"


def compress(der: bytes) -> bytes:
    gzip = zlib.compressobj(wbits=31)
    return gzip.compress(der) + gzip.flush()


def test_compressed_certificate_is_read(card: IssuedCard) -> None:
    container = tlv(0x53, tlv(0x70, compress(card.der)) + tlv(0x71, b"\x01") + tlv(0xFE, b""))
    assert PivCard(ScriptedCard(container)).certificates()[0].der == card.der


@pytest.mark.parametrize("information", [b"\x00", b"\x04", b"\x80", b"\xff", b""])
def test_other_bits_of_the_certificate_information_do_not_matter(card: IssuedCard, information: bytes) -> None:
    for content in (card.der, compress(card.der)):
        container = tlv(0x53, tlv(0x70, content) + tlv(0x71, information) + tlv(0xFE, b""))
        assert PivCard(ScriptedCard(container)).certificates()[0].der == card.der


class AnsweringCard:
    """Answers every command with the same bytes."""

    length_with_data = True
    pin_was_sent = False

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.commands = 0

    def transmit(self, command: bytes) -> bytes:
        self.commands += 1
        return self.answer


@pytest.mark.parametrize("part", [b"", bytes(1), bytes(256)])
def test_response_without_end_is_refused(part: bytes) -> None:
    card = AnsweringCard(part + b"\x61\x10")
    with pytest.raises(Refusal) as refused:
        PivCard(card).certificates()
    assert (refused.value.reason, refused.value.metadata) == ("CARD_FAILED", {"code": "6110"})


def test_length_is_corrected_once() -> None:
    card = AnsweringCard(b"\x6c\x10")
    with pytest.raises(Refusal) as refused:
        PivCard(card).select()
    assert (refused.value.reason, card.commands) == ("CARD_NOT_SUPPORTED", 2)


@pytest.mark.parametrize("status", [b"\x63\x00", b"\x63\x02"])
def test_wrong_pin_is_one_even_where_the_tries_are_not_reported(status: bytes) -> None:
    card = AnsweringCard(status)
    with pytest.raises(Refusal, match="CARD_PIN_WRONG_UNCOUNTED"):
        PivCard(card).verify_pin(PIN)
    assert card.commands == 1
    assert PivCard(card).pin_tries_left() is None


@pytest.mark.parametrize("status", [b"\x6c\x08", b"\x61\x08"])
def test_pin_is_never_sent_again_by_itself(status: bytes) -> None:
    card = AnsweringCard(status)
    with pytest.raises(Refusal, match="CARD_FAILED"):
        PivCard(card).verify_pin(PIN)


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        (tlv(0x53, b""), "CARD_WITHOUT_CERTIFICATE"),
        (tlv(0x53, tlv(0x70, b"")), "CARD_WITHOUT_CERTIFICATE"),
        (b"", "CERTIFICATE_MALFORMED"),
        (b"\x53", "CERTIFICATE_MALFORMED"),
        (b"\x53\x82\xff\xff", "CERTIFICATE_MALFORMED"),
        (tlv(0x53, tlv(0x70, b"no certificate")), "CERTIFICATE_MALFORMED"),
        (tlv(0x53, tlv(0x70, b"no gzip") + tlv(0x71, b"\x01")), "CERTIFICATE_MALFORMED"),
    ],
)
def test_container_without_a_certificate_is_refused(container: bytes, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        PivCard(ScriptedCard(container)).certificates()


@pytest.mark.parametrize("text", ["T&D Construction", "under_score", "a@example.jp", 'A "B" #1'])
def test_printable_string_with_other_ascii_is_read_and_sent_as_it_is(text: str) -> None:
    ca_key = new_ec_key()
    issued = CertificateAuthority.create(key=ca_key).issue(key=new_ec_key(), company=text, company_romaji=text)
    changed = IssuedCard(write_printable(issued.certificate, ca_key, text), issued.key)
    assert changed.der.count(b"\x13" + bytes([len(text)]) + text.encode()) == 2
    piv, _ = open_piv(changed)
    (certificate,) = piv.certificates()
    assert (certificate.der, certificate.sha256) == (changed.der, changed.sha256)
    assert describe_certificate(certificate.certificate).company_name == text
    piv.verify_pin(PIN)
    signature = piv.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256)
    verifier(issued, SignatureAlgorithm.ECDSA_SHA256)(signature)


def test_printable_string_with_a_control_character_is_refused() -> None:
    issued = CertificateAuthority.create(key=new_ec_key()).issue(key=new_ec_key(), company_romaji="a-b")
    der = issued.der.replace(b"\x0c\x03a-b", b"\x13\x03a\nb")
    assert der != issued.der
    with pytest.raises(Refusal, match="CERTIFICATE_MALFORMED"):
        PivCard(ScriptedCard(tlv(0x53, tlv(0x70, der)))).certificates()
