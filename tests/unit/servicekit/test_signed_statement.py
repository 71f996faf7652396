"""Signed statements: made only by a service's own key, and verified with several while the key is replaced."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from refusals import Code, Refusal
from servicekit.signed_statement import (
    CLOCK_TOLERANCE,
    MOST_STATEMENT_BYTES,
    SignedStatement,
    SigningKey,
    VerifyingKeys,
    check_period,
    check_signature,
    compute_key_id,
    load_verifying_keys,
)

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
PREFIX = b"some statement v1\x00"
# RFC 8032, 7.1, test 1: a private key and its public key.
PRIVATE = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
KEY = Ed25519PrivateKey.from_private_bytes(PRIVATE)
INVALID = Refusal("INVALID", Code.PERMISSION_DENIED)
EXPIRED = Refusal("EXPIRED", Code.FAILED_PRECONDITION)


def pem(*keys: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return b"\n".join(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in keys)


def certificate_of(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """Returns the key as a cluster publishes it: in a certificate of any CA, here an expired one."""
    issuer = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "statements")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(NOW - timedelta(days=900)).not_valid_after(NOW - timedelta(days=800))
    return builder.public_key(key.public_key()).sign(issuer, hashes.SHA256()).public_bytes(Encoding.PEM)


def sign(statement: bytes = b"statement", key: Ed25519PrivateKey = KEY) -> SignedStatement:
    return SignedStatement(statement, compute_key_id(key.public_key()), key.sign(PREFIX + statement))


def verify(signed: SignedStatement, keys: VerifyingKeys) -> None:
    check_signature(signed, keys, PREFIX, invalid=INVALID)


def test_key_id_is_the_hash_of_the_raw_key() -> None:
    assert compute_key_id(KEY.public_key()) == sha256(PUBLIC).hexdigest()[:16]


def test_statement_signed_by_the_service_is_accepted() -> None:
    verify(sign(), load_verifying_keys(pem(KEY)))


def test_two_keys_are_accepted_during_a_key_change() -> None:
    new = Ed25519PrivateKey.generate()
    keys = load_verifying_keys(b"# the old one\n" + pem(KEY) + b"\n# the new one\n" + pem(new))
    for key in (KEY, new):
        verify(sign(key=key), keys)


def test_key_is_read_from_a_certificate() -> None:
    verify(sign(), load_verifying_keys(certificate_of(KEY)))


def test_renewed_certificate_has_the_same_key() -> None:
    assert set(load_verifying_keys(certificate_of(KEY) + certificate_of(KEY))) == {compute_key_id(KEY.public_key())}


def test_file_can_contain_keys_and_certificates() -> None:
    new, newest = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    keys = load_verifying_keys(pem(KEY) + b"\nin between\n" + certificate_of(new) + pem(newest))
    for key in (KEY, new, newest):
        verify(sign(key=key), keys)


def test_removed_key_is_refused() -> None:
    with pytest.raises(Refusal, match="INVALID"):
        verify(sign(), load_verifying_keys(pem(Ed25519PrivateKey.generate())))


def test_other_key_with_the_id_of_the_services_is_refused() -> None:
    forged = replace(sign(key=Ed25519PrivateKey.generate()), key_id=compute_key_id(KEY.public_key()))
    with pytest.raises(Refusal, match="INVALID"):
        verify(forged, load_verifying_keys(pem(KEY)))


def test_signature_without_the_prefix_is_refused() -> None:
    bare = replace(sign(), signature=KEY.sign(b"statement"))
    with pytest.raises(Refusal, match="INVALID"):
        verify(bare, load_verifying_keys(pem(KEY)))


@given(st.binary(max_size=80), st.binary(max_size=80), st.text(max_size=20))
def test_random_statement_is_refused(statement: bytes, signature: bytes, name: str) -> None:
    for forged in (SignedStatement(statement, name, signature), SignedStatement(statement, sign().key_id, signature)):
        with pytest.raises(Refusal, match="INVALID"):
            verify(forged, load_verifying_keys(pem(KEY)))


def test_too_large_statement_is_refused_before_parsing() -> None:
    with pytest.raises(Refusal, match="INVALID"):
        verify(sign(b"x" * (MOST_STATEMENT_BYTES + 1)), load_verifying_keys(pem(KEY)))


def test_file_without_an_ed25519_key_is_an_error() -> None:
    for content in (b"", b"nothing", pem(ec.generate_private_key(ec.SECP256R1()))):
        with pytest.raises(ValueError, match="signed statements"):
            load_verifying_keys(content)


def test_certificate_without_an_ed25519_key_is_an_error() -> None:
    with pytest.raises(ValueError, match="signed statements"):
        load_verifying_keys(certificate_of(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(ValueError, match="parsing"):
        load_verifying_keys(pem(KEY) + b"-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n")


def test_statement_of_another_kind_is_refused() -> None:
    other = SigningKey(KEY, b"another statement v1\x00").sign(b"statement")
    with pytest.raises(Refusal, match="INVALID"):
        verify(other, load_verifying_keys(pem(KEY)))
    verify(SigningKey(KEY, PREFIX).sign(b"statement"), load_verifying_keys(pem(KEY)))


def test_only_an_ed25519_key_signs() -> None:
    forms = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert SigningKey.from_pem(KEY.private_bytes(*forms), PREFIX).key_id == compute_key_id(KEY.public_key())
    for wrong in (b"", b"x", ec.generate_private_key(ec.SECP256R1()).private_bytes(*forms)):
        with pytest.raises(ValueError, match="Ed25519"):
            SigningKey.from_pem(wrong, PREFIX)


def test_statement_is_accepted_from_its_issue_until_it_expires() -> None:
    expires_at = NOW + timedelta(minutes=10)
    tick = timedelta(microseconds=1)

    def check(now: datetime) -> None:
        check_period(NOW, expires_at, now, invalid=INVALID, expired=EXPIRED)

    for now in (NOW - CLOCK_TOLERANCE, NOW, expires_at - tick):
        check(now)
    with pytest.raises(Refusal, match="INVALID"):
        check(NOW - CLOCK_TOLERANCE - tick)
    with pytest.raises(Refusal, match="EXPIRED"):
        check(expires_at)
