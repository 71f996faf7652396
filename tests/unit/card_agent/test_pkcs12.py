"""Certificate files (CRD-08)."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12

from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import Pin, choose_algorithm
from refusals import Refusal
from signed_acts.signature import SignatureAlgorithm
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key, new_rsa_key

PASSWORD = "pass 言葉"


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("Issuing CA", parent=CertificateAuthority.create("Root CA"))


@pytest.fixture
def card(authority: CertificateAuthority) -> IssuedCard:
    return authority.issue(key=new_ec_key())


@pytest.fixture
def file(card: IssuedCard, tmp_path: Path) -> Path:
    path = tmp_path / "card.p12"
    path.write_bytes(card.pkcs12(PASSWORD.encode()))
    return path


@pytest.mark.requirement("CRD-08")
def test_file_signs_and_has_its_chain(file: Path, card: IssuedCard) -> None:
    with Pkcs12File(file).open() as token:
        token.verify_pin(Pin(PASSWORD))
        (certificate,) = token.certificates()
        signature = token.sign(certificate, b"data", choose_algorithm(certificate.certificate))
    assert certificate.der == card.der
    assert set(certificate.chain_der) == {one.public_bytes(Encoding.DER) for one in card.chain}
    assert certificate.sha256 == card.sha256
    key = card.key.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signature, b"data", ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("name", ["RSA_PKCS1V15_SHA256", "RSA_PKCS1V15_SHA512", "RSA_PSS_SHA256", "RSA_PSS_SHA384"])
def test_rsa_key_signs_with_both_paddings(name: str, authority: CertificateAuthority, tmp_path: Path) -> None:
    key = new_rsa_key()
    algorithm = SignatureAlgorithm(name)
    path = tmp_path / "rsa.p12"
    path.write_bytes(authority.issue(key=key).pkcs12(b"secret"))
    with Pkcs12File(path).open() as token:
        token.verify_pin(Pin("secret"))
        signature = token.sign(token.certificates()[0], b"data", algorithm)
    digest = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[algorithm.hash_name]
    pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
    key.public_key().verify(signature, b"data", pss if "PSS" in name else padding.PKCS1v15(), digest)


def test_wrong_password_is_refused_and_the_next_try_works(file: Path) -> None:
    with Pkcs12File(file).open() as token:
        with pytest.raises(Refusal, match="CARD_FILE_PASSWORD_WRONG"):
            token.verify_pin(Pin("wrong"))
        token.verify_pin(Pin(PASSWORD))
        assert token.certificates()


def test_certificates_are_refused_before_the_password(file: Path) -> None:
    with Pkcs12File(file).open() as token, pytest.raises(Refusal, match="CARD_PIN_NOT_VERIFIED"):
        token.certificates()


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refused, Pkcs12File(tmp_path / "no.p12").open():
        pass
    assert refused.value.reason == "CARD_FILE_NOT_FOUND"
    assert refused.value.metadata["file"].endswith("no.p12")


def test_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="CARD_FILE_UNREADABLE"), Pkcs12File(tmp_path).open():
        pass


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\n", b"\x30\x82\xff\xff", b"0" * 2_000_000]
)
def test_other_content_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "card.p12"
    path.write_bytes(content)
    with pytest.raises(Refusal, match="CARD_FILE_UNREADABLE"), Pkcs12File(path).open() as token:
        token.verify_pin(Pin(PASSWORD))


def test_truncated_file_is_refused(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(Refusal, match="CARD_FILE_UNREADABLE"), Pkcs12File(file).open() as token:
        token.verify_pin(Pin(PASSWORD))


def test_file_without_a_key_is_refused(authority: CertificateAuthority, tmp_path: Path) -> None:
    path = tmp_path / "ca.p12"
    encryption = BestAvailableEncryption(b"secret")
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"ca", None, authority.certificate, None, encryption))
    with Pkcs12File(path).open() as token:
        token.verify_pin(Pin("secret"))
        with pytest.raises(Refusal, match="CARD_WITHOUT_CERTIFICATE"):
            token.certificates()


def test_weak_key_does_not_sign(authority: CertificateAuthority, tmp_path: Path) -> None:
    path = tmp_path / "weak.p12"
    path.write_bytes(authority.issue(key=new_rsa_key(1024)).pkcs12(b"secret"))
    with Pkcs12File(path).open() as token:
        token.verify_pin(Pin("secret"))
        with pytest.raises(Refusal) as refused:
            token.sign(token.certificates()[0], b"data", SignatureAlgorithm.RSA_PKCS1V15_SHA256)
    assert refused.value.metadata == {"key": "RSA-1024"}


def test_no_repr_contains_password_or_key(file: Path) -> None:
    pin = Pin(PASSWORD)
    with Pkcs12File(file).open() as token:
        token.verify_pin(pin)
        assert PASSWORD not in repr((pin, token))
        assert "PRIVATE" not in repr(token).upper()
        assert "content" not in repr(token)
