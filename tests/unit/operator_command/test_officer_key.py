"""The files with an officer's certificate and key."""

import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from operator_command.officer.acts import key as keys
from operator_command.officer.acts.key import hash_certificate, read_key_file
from operator_command.speech import Language, Speech
from refusals import Refusal
from signed_acts.signature import verify_card_signature

SPEECH = Speech(Language.JAPANESE)
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
P256 = ec.generate_private_key(ec.SECP256R1())


def write_files(
    folder: Path, key: Key, encryption: KeySerializationEncryption | None = None, other: Key | None = None
) -> tuple[Path, Path]:
    """Writes the certificate of a key, or of another one, and the key; returns their files."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "officer")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key((other or key).public_key())
    builder = builder.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate, private_key = folder / "officer.pem", folder / "officer.key"
    certificate.write_bytes(builder.sign(P256, hashes.SHA256()).public_bytes(Encoding.PEM))
    private_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    return certificate, private_key


def refusal_of(certificate: Path, private_key: Path) -> Refusal:
    with pytest.raises(Refusal) as refused:
        read_key_file(certificate, private_key, SPEECH)
    return refused.value


@pytest.mark.parametrize(
    "key",
    [rsa.generate_private_key(65537, 2048), P256, ec.generate_private_key(ec.SECP384R1())],
    ids=["rsa", "256", "384"],
)
def test_key_signs_acts(tmp_path: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    own = read_key_file(*write_files(tmp_path, key), SPEECH)
    signed = own.sign(b"purpose")
    assert signed.purpose == b"purpose"
    public_key = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    verify_card_signature(public_key, signed.algorithm, signed.purpose, signed.signature)
    assert len(hash_certificate(own)) == 32


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (rsa.generate_private_key(65537, 1024), "RSA-1024"),  # noqa: S505  # the weak key that is to be refused
        (ec.generate_private_key(ec.SECP521R1()), "secp521r1"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
    ],
    ids=["short", "curve", "kind"],
)
def test_other_keys_are_refused(tmp_path: Path, key: Key, name: str) -> None:
    refusal = refusal_of(*write_files(tmp_path, key))
    assert (refusal.reason, refusal.metadata) == ("OFFICER_KEY_NOT_ACCEPTED", {"key": name})


def test_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    assert refusal_of(*write_files(tmp_path, P256, other=other)).reason == "OFFICER_KEY_OF_ANOTHER_CERTIFICATE"


def test_files_that_are_no_pem_are_refused(tmp_path: Path) -> None:
    certificate, private_key = write_files(tmp_path, P256)
    assert refusal_of(private_key, private_key).reason == "OFFICER_KEY_UNREADABLE"
    assert refusal_of(certificate, certificate).reason == "OFFICER_KEY_UNREADABLE"
    assert refusal_of(certificate, tmp_path / "missing").reason == "CLIENT_FILE_UNREADABLE"


def test_password_of_a_key_is_asked_for_at_a_terminal_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_files(tmp_path, P256, BestAvailableEncryption(b"secret"))
    assert refusal_of(*files).reason == "OFFICER_KEY_ENCRYPTED"
    typed = ["wrong", "secret"]
    monkeypatch.setattr(keys, "has_terminal", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda question: typed.pop(0))
    assert refusal_of(*files).reason == "OFFICER_KEY_PASSWORD_WRONG"
    assert read_key_file(*files, SPEECH).sign(b"purpose").signature
