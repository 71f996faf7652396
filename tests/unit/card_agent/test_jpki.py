"""A My Number card over a connection: the commands sent to it, and the refusals for its status words."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from card_agent.media.jpki import JpkiCard
from card_agent.media.token import Pin
from card_agent.signing.certificate import describe_certificate
from refusals import Refusal
from signed_acts.signature import SignatureAlgorithm
from simulators.certificate_authorities import CertificateAuthority, IssuedCard
from simulators.virtual_jpki import SIGNATURE_CERTIFICATE, SIGNATURE_ISSUER, JpkiApplication
from tests.support.card_in_memory import CardInMemory, piv_of
from tests.support.my_number_card import SIGNATURE_PASSWORD, authentication_card, my_number_card

# Deliberately not imported from the code under test.
SELECT, VERIFY, READ_BINARY, COMPUTE_DIGITAL_SIGNATURE = 0xA4, 0x20, 0xB0, 0x2A
PASSWORD = Pin(SIGNATURE_PASSWORD)
SHA256 = SignatureAlgorithm.RSA_PKCS1V15_SHA256
HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("Toroku Test JPKI for digital signature")


@pytest.fixture(scope="module")
def issued(authority: CertificateAuthority) -> IssuedCard:
    return authority.issue_personal()


def open_card(application: JpkiApplication, *, length_with_data: bool = True) -> tuple[JpkiCard, CardInMemory]:
    connection = CardInMemory(application, length_with_data=length_with_data)
    card = JpkiCard(connection)
    card.select()
    return card, connection


def is_signed_by(issued: IssuedCard, signature: bytes, algorithm: SignatureAlgorithm = SHA256) -> bool:
    key = issued.key.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(signature, b"data", padding.PKCS1v15(), HASHES[algorithm.hash_name])
    return True


def test_certificate_and_its_issuer_are_read_after_the_password(
    issued: IssuedCard, authority: CertificateAuthority
) -> None:
    card, connection = open_card(my_number_card(issued))
    with pytest.raises(Refusal, match="CARD_PIN_NOT_VERIFIED"):
        card.certificates()
    assert not connection.pin_was_sent
    card.verify_pin(PASSWORD)
    (certificate,) = card.certificates()
    assert (certificate.der, certificate.chain_der) == (issued.der, (authority.der,))
    assert describe_certificate(certificate.certificate).holder_name == "登録　花子"


@pytest.mark.parametrize("algorithm", [name for name in SignatureAlgorithm if "PKCS1V15" in name.value])
@pytest.mark.parametrize("length_with_data", [True, False])
def test_signatures_pass_an_independent_verifier(
    issued: IssuedCard, algorithm: SignatureAlgorithm, *, length_with_data: bool
) -> None:
    card, _ = open_card(my_number_card(issued), length_with_data=length_with_data)
    card.verify_pin(PASSWORD)
    assert is_signed_by(issued, card.sign(card.certificates()[0], b"data", algorithm), algorithm)


def test_card_signs_nothing_before_its_password(issued: IssuedCard) -> None:
    application = my_number_card(issued)
    card, _ = open_card(application)
    card.verify_pin(PASSWORD)
    (certificate,) = card.certificates()
    application.reset()
    card.select()
    with pytest.raises(Refusal, match="CARD_PIN_NOT_VERIFIED"):
        card.sign(certificate, b"data", SHA256)


def test_card_signs_in_no_other_way_than_it_can(issued: IssuedCard) -> None:
    card, connection = open_card(my_number_card(issued))
    card.verify_pin(PASSWORD)
    (certificate,) = card.certificates()
    for algorithm in (SignatureAlgorithm.RSA_PSS_SHA256, SignatureAlgorithm.ECDSA_SHA256):
        with pytest.raises(Refusal, match="CARD_KEY_NOT_SUPPORTED"):
            card.sign(certificate, b"data", algorithm)
    assert COMPUTE_DIGITAL_SIGNATURE not in connection.instructions


def test_certificate_for_authentication_is_listed_without_a_password_and_does_not_sign(issued: IssuedCard) -> None:
    card, connection = open_card(my_number_card(issued))
    ((certificate, refusal),) = card.list_unusable()
    assert certificate.der == authentication_card().der
    assert refusal.reason == "CARD_KEY_NOT_FOR_SIGNATURES"
    assert VERIFY not in connection.instructions


def test_ca_is_known_before_the_password(issued: IssuedCard, authority: CertificateAuthority) -> None:
    card, connection = open_card(my_number_card(issued))
    assert card.read_issuer() == authority.der
    assert VERIFY not in connection.instructions


def test_tries_are_read_without_using_one_and_are_those_of_signatures(issued: IssuedCard) -> None:
    application = my_number_card(issued)
    application.signature_pin.tries_left = 4
    card, connection = open_card(application)
    assert (card.pin_tries_left(), card.tries_are_shared) == (4, True)
    assert application.signature_pin.tries_left == 4
    assert not connection.pin_was_sent


def test_wrong_password_costs_one_try_of_signatures_only(issued: IssuedCard) -> None:
    application = my_number_card(issued)
    card, connection = open_card(application)
    with pytest.raises(Refusal) as refused:
        card.verify_pin(Pin("ABC124"))
    assert (refused.value.reason, refused.value.metadata) == ("MY_NUMBER_CARD_PIN_WRONG", {"tries_left": "4"})
    assert (application.signature_pin.tries_left, application.authentication_pin.tries_left) == (4, 3)
    assert connection.instructions.count(VERIFY) == 1


def test_fifth_wrong_password_blocks_signatures_for_the_right_one_too(issued: IssuedCard) -> None:
    application = my_number_card(issued)
    application.signature_pin.tries_left = 1
    card, _ = open_card(application)
    for password in (Pin("ABC124"), PASSWORD):
        with pytest.raises(Refusal, match="MY_NUMBER_CARD_BLOCKED"):
            card.verify_pin(password)
    assert card.pin_tries_left() == 0


@pytest.mark.parametrize("password", ["", "1234", "ABC12", "ABCDEFGH123456789", "abc123", "ＡＢＣ１２３", "ABC-123"])
def test_password_that_cannot_be_one_is_not_sent(issued: IssuedCard, password: str) -> None:
    card, connection = open_card(my_number_card(issued))
    with pytest.raises(Refusal, match="MY_NUMBER_CARD_PIN_FORM"):
        card.verify_pin(Pin(password))
    assert VERIFY not in connection.instructions
    assert not connection.pin_was_sent


@pytest.mark.parametrize("password", ["ABC123", "A23456789012345Z"])
def test_password_is_sent_as_it_is(issued: IssuedCard, password: str) -> None:
    application = my_number_card(issued)
    application.signature_pin.value = password
    card, connection = open_card(application)
    card.verify_pin(Pin(password))
    (sent,) = [command for command in connection.commands if command[1] == VERIFY]
    assert sent == bytes([0x00, VERIFY, 0x00, 0x80, len(password)]) + password.encode()


@pytest.mark.parametrize("file_is_there", [True, False])
def test_card_of_a_child_has_no_certificate_for_signatures(*, file_is_there: bool) -> None:
    application = my_number_card(None)
    if not file_is_there:
        application.missing_files = {SIGNATURE_CERTIFICATE, SIGNATURE_ISSUER}
    card, _ = open_card(application)
    card.verify_pin(PASSWORD)
    with pytest.raises(Refusal, match="CARD_WITHOUT_CERTIFICATE"):
        card.certificates()


@pytest.mark.parametrize("content", [b"\x30\x81\x05hello", b"\x30\x82\x00\x05hello", b"\x30\x82\xff\xffcut off", b"x"])
def test_malformed_certificate_is_refused(issued: IssuedCard, content: bytes) -> None:
    application = my_number_card(issued)
    application.contents[SIGNATURE_CERTIFICATE] = content
    card, _ = open_card(application)
    card.verify_pin(PASSWORD)
    with pytest.raises(Refusal) as refused:
        card.certificates()
    assert (refused.value.reason, refused.value.metadata) == ("CERTIFICATE_MALFORMED", {"part": "署名用"})


def test_only_necessary_commands_are_sent(issued: IssuedCard, authority: CertificateAuthority) -> None:
    card, connection = open_card(my_number_card(issued))
    card.verify_pin(PASSWORD)
    card.sign(card.certificates()[0], b"data", SHA256)
    reads = connection.instructions.count(READ_BINARY)
    assert [number for number in connection.instructions if number != READ_BINARY] == [
        *(SELECT, SELECT, VERIFY),
        *(SELECT, SELECT),
        *(SELECT, COMPUTE_DIGITAL_SIGNATURE),
    ]
    assert reads == len(issued.der) // 256 + len(authority.der) // 256 + 2
    assert max(map(len, connection.commands)) <= 261


def test_card_without_the_application_is_not_supported(issued: IssuedCard) -> None:
    with pytest.raises(Refusal) as refused:
        JpkiCard(CardInMemory(piv_of(issued))).select()
    assert refused.value.reason == "CARD_NOT_SUPPORTED"
