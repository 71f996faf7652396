"""Certificate files (CRD-08)."""

from pathlib import Path

import pytest
from asn1crypto import pkcs12 as encoded_pkcs12  # type: ignore[import-untyped]  # it has no type hints
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12

from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import Pin, choose_algorithm
from refusals import Refusal
from signed_acts.signature import SignatureAlgorithm
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key, new_rsa_key
from tests.support.certificate_files import join_files

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


def write_with_certificates(card: IssuedCard, others: list[CertificateAuthority], path: Path) -> None:
    certificates = [other.certificate for other in others]
    encryption = BestAvailableEncryption(b"secret")
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(b"card", card.key, card.certificate, certificates, encryption)
    )


def test_only_the_issuers_of_the_card_are_sent(authority: CertificateAuthority, tmp_path: Path) -> None:
    card = authority.issue(key=new_ec_key())
    assert authority.parent is not None
    strangers = [CertificateAuthority.create(f"CA {number}", key=new_ec_key()) for number in range(9)]
    path = tmp_path / "card.p12"
    write_with_certificates(card, [authority.parent, *strangers, authority], path)
    with Pkcs12File(path).open() as token:
        token.verify_pin(Pin("secret"))
        (certificate,) = token.certificates()
    expected = [authority.certificate, authority.parent.certificate]
    assert list(certificate.chain_der) == [each.public_bytes(Encoding.DER) for each in expected]


def test_no_more_issuers_are_sent_than_a_front_door_accepts(tmp_path: Path) -> None:
    renewed = [CertificateAuthority.create("CA of many certificates", key=new_ec_key()) for _ in range(10)]
    path = tmp_path / "card.p12"
    write_with_certificates(renewed[0].issue(key=new_ec_key()), renewed, path)
    with Pkcs12File(path).open() as token:
        token.verify_pin(Pin("secret"))
        (certificate,) = token.certificates()
    assert len(certificate.chain_der) == 8


def test_certificate_that_issued_itself_is_its_only_one(tmp_path: Path) -> None:
    root = CertificateAuthority.create("Root CA", key=new_ec_key())
    path = tmp_path / "root.p12"
    write_with_certificates(IssuedCard(root.certificate, root.key), [root], path)
    with Pkcs12File(path).open() as token:
        token.verify_pin(Pin("secret"))
        (certificate,) = token.certificates()
    assert certificate.chain_der == ()


@pytest.mark.parametrize("password", ["secret\0", "\0", "secret\udcff"])
def test_password_that_no_file_has_is_refused_without_being_shown(
    password: str, file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Pkcs12File(file).open() as token, pytest.raises(Refusal) as refused:
        token.verify_pin(Pin(password))
    assert refused.value.reason == "CARD_FILE_PASSWORD_WRONG"
    assert capfd.readouterr() == ("", "")


def test_file_with_two_keys_has_the_certificates_of_both(authority: CertificateAuthority, tmp_path: Path) -> None:
    cards = [authority.issue(key=new_ec_key(), serial=number) for number in (4711, 4712)]
    path = tmp_path / "two.p12"
    path.write_bytes(join_files([card.pkcs12(b"secret") for card in cards]))
    with Pkcs12File(path).open() as token:
        token.verify_pin(Pin("secret"))
        certificates = token.certificates()
        assert [each.der for each in certificates] == [card.der for card in cards]
        for certificate, card in zip(certificates, cards, strict=True):
            signature = token.sign(certificate, b"data", SignatureAlgorithm.ECDSA_SHA256)
            key = card.key.public_key()
            assert isinstance(key, ec.EllipticCurvePublicKey)
            key.verify(signature, b"data", ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("place", ["mac", "certificates", "key"])
def test_number_of_iterations_is_bounded_before_the_first(place: str, card: IssuedCard, tmp_path: Path) -> None:
    path = tmp_path / "costly.p12"
    path.write_bytes(write_iterations(card.pkcs12(b"secret"), place, 2**31 - 1))
    with Pkcs12File(path).open() as token, pytest.raises(Refusal) as refused:
        token.verify_pin(Pin("secret"))
    assert refused.value.reason == "CARD_FILE_TOO_COSTLY"
    assert refused.value.metadata["iterations"] == str(2**31 - 1)


def write_iterations(file: bytes, place: str, iterations: int) -> bytes:
    archive = encoded_pkcs12.Pfx.load(file)
    safe = archive.authenticated_safe
    for part in safe:
        if place == "certificates" and part["content_type"].native == "encrypted_data":
            algorithm = part["content"]["encrypted_content_info"]["content_encryption_algorithm"]
            algorithm["parameters"]["key_derivation_func"]["parameters"]["iteration_count"] = iterations
        if place == "key" and part["content_type"].native == "data":
            bags = encoded_pkcs12.SafeContents.load(part["content"].native)
            algorithm = bags[0]["bag_value"]["encryption_algorithm"]
            algorithm["parameters"]["key_derivation_func"]["parameters"]["iteration_count"] = iterations
            part["content"] = bags.dump(force=True)
    if place == "mac":
        archive["mac_data"]["iterations"] = iterations
    archive["auth_safe"]["content"] = safe.dump(force=True)
    return bytes(archive.dump(force=True))
