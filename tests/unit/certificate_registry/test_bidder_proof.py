"""Bidder proofs: made only by the qualification registry, for one card, for ten minutes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from certificate_registry.domain.bidder_proof import (
    MOST_STATEMENT_BYTES,
    BidderProof,
    BidderStatement,
    compute_key_id,
    expect_statement,
    load_proof_keys,
    verify_proof,
)
from certificate_registry.domain.proven import CompanyComparison, HolderComparison, Proven
from refusals import Refusal

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
CARD = b"c" * 32
# RFC 8032, 7.1, test 1: a private key and its public key.
PRIVATE = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
KEY = Ed25519PrivateKey.from_private_bytes(PRIVATE)
PROVEN = Proven(True, CompanyComparison.SAME, HolderComparison.NOT_COMPARED)
STATEMENT = BidderStatement("saitama", "1000000001", "city", "works", CARD, NOW, NOW + timedelta(minutes=10), PROVEN)


def pem(*keys: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return b"\n".join(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in keys)


def certificate_of(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """Returns the key as a cluster publishes it: in a certificate of any CA, here an expired one."""
    issuer = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bidder proofs")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(NOW - timedelta(days=900)).not_valid_after(NOW - timedelta(days=800))
    return builder.public_key(key.public_key()).sign(issuer, hashes.SHA256()).public_bytes(Encoding.PEM)


def proof(statement: bytes = b"statement", key: Ed25519PrivateKey = KEY) -> BidderProof:
    return BidderProof(statement, compute_key_id(key.public_key()), key.sign(b"toroku bidder proof v1\x00" + statement))


def expect(statement: BidderStatement, now: datetime = NOW) -> str:
    return expect_statement(
        statement, instance="saitama", agency="city", category="works", certificate_sha256=CARD, now=now
    )


def test_key_id_is_the_hash_of_the_raw_key() -> None:
    assert compute_key_id(KEY.public_key()) == sha256(PUBLIC).hexdigest()[:16]


def test_proof_signed_by_the_registry_is_accepted() -> None:
    verify_proof(proof(), load_proof_keys(pem(KEY)))


def test_two_keys_are_accepted_during_a_key_change() -> None:
    new = Ed25519PrivateKey.generate()
    keys = load_proof_keys(b"# the old one\n" + pem(KEY) + b"\n# the new one\n" + pem(new))
    for key in (KEY, new):
        verify_proof(proof(key=key), keys)


def test_key_is_read_from_a_certificate() -> None:
    verify_proof(proof(), load_proof_keys(certificate_of(KEY)))


def test_renewed_certificate_has_the_same_key() -> None:
    assert set(load_proof_keys(certificate_of(KEY) + certificate_of(KEY))) == {compute_key_id(KEY.public_key())}


def test_file_can_contain_keys_and_certificates() -> None:
    new, newest = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    keys = load_proof_keys(pem(KEY) + b"\nin between\n" + certificate_of(new) + pem(newest))
    for key in (KEY, new, newest):
        verify_proof(proof(key=key), keys)


def test_removed_key_is_refused() -> None:
    with pytest.raises(Refusal, match="BIDDER_PROOF_INVALID"):
        verify_proof(proof(), load_proof_keys(pem(Ed25519PrivateKey.generate())))


def test_other_key_with_the_id_of_the_registrys_is_refused() -> None:
    forged = replace(proof(key=Ed25519PrivateKey.generate()), key_id=compute_key_id(KEY.public_key()))
    with pytest.raises(Refusal, match="BIDDER_PROOF_INVALID"):
        verify_proof(forged, load_proof_keys(pem(KEY)))


def test_signature_without_the_prefix_is_refused() -> None:
    bare = replace(proof(), signature=KEY.sign(b"statement"))
    with pytest.raises(Refusal, match="BIDDER_PROOF_INVALID"):
        verify_proof(bare, load_proof_keys(pem(KEY)))


@given(st.binary(max_size=80), st.binary(max_size=80), st.text(max_size=20))
def test_random_proof_is_refused(statement: bytes, signature: bytes, name: str) -> None:
    for forged in (BidderProof(statement, name, signature), BidderProof(statement, proof().key_id, signature)):
        with pytest.raises(Refusal, match="BIDDER_PROOF_INVALID"):
            verify_proof(forged, load_proof_keys(pem(KEY)))


def test_too_large_statement_is_refused_before_parsing() -> None:
    with pytest.raises(Refusal, match="BIDDER_PROOF_INVALID"):
        verify_proof(proof(b"x" * (MOST_STATEMENT_BYTES + 1)), load_proof_keys(pem(KEY)))


def test_file_without_an_ed25519_key_is_an_error() -> None:
    for content in (b"", b"nothing", pem(ec.generate_private_key(ec.SECP256R1()))):
        with pytest.raises(ValueError, match="bidder proofs"):
            load_proof_keys(content)


def test_certificate_without_an_ed25519_key_is_an_error() -> None:
    with pytest.raises(ValueError, match="bidder proofs"):
        load_proof_keys(certificate_of(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(ValueError, match="parsing"):
        load_proof_keys(pem(KEY) + b"-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n")


def test_bidder_is_read_from_the_statement() -> None:
    assert expect(STATEMENT) == "1000000001"


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (replace(STATEMENT, instance="aomori"), "BIDDER_PROOF_INVALID"),
        (replace(STATEMENT, bidder_id=""), "BIDDER_PROOF_INVALID"),
        (replace(STATEMENT, issued_at=NOW + timedelta(minutes=2)), "BIDDER_PROOF_INVALID"),
        (replace(STATEMENT, certificate_sha256=b"d" * 32), "BIDDER_PROOF_FOR_ANOTHER_CARD"),
        (replace(STATEMENT, certificate_sha256=b""), "BIDDER_PROOF_FOR_ANOTHER_CARD"),
        (replace(STATEMENT, agency="town"), "BIDDER_PROOF_FOR_ANOTHER_AGENCY"),
        (replace(STATEMENT, category="goods"), "BIDDER_PROOF_FOR_ANOTHER_CATEGORY"),
    ],
)
def test_statement_for_another_use_is_refused(statement: BidderStatement, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        expect(statement)


def test_statement_is_valid_until_its_last_instant() -> None:
    assert expect(STATEMENT, STATEMENT.expires_at)
    with pytest.raises(Refusal, match="BIDDER_PROOF_EXPIRED"):
        expect(STATEMENT, STATEMENT.expires_at + timedelta(microseconds=1))
