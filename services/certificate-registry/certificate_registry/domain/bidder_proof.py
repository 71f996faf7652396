"""Bidder proofs: the qualification registry's statement that it found a bidder for a card, agency and category.

A proof is a serialized statement with an Ed25519 signature (RFC 8032) over a fixed prefix and the statement. It names
its key by the first 16 hexadecimal digits of the SHA-256 of the raw public key, so that keys can be replaced while
proofs are in use.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from certificate_registry.domain.proven import Proven
from refusals import Code, Refusal

STATEMENT_PREFIX = b"toroku bidder proof v1\x00"
KEY_ID_LENGTH = 16
MOST_STATEMENT_BYTES = 4 * 1024
# How far the clock of the qualification registry may be ahead.
CLOCK_TOLERANCE = timedelta(minutes=1)
_PEM_BLOCK = re.compile(rb"-----BEGIN (PUBLIC KEY|CERTIFICATE)-----.*?-----END \1-----", re.DOTALL)

ProofKeys = Mapping[str, Ed25519PublicKey]


@dataclass(frozen=True, slots=True)
class BidderProof:
    """A proof as received; `statement` is serialized and not verified."""

    statement: bytes = field(repr=False)
    key_id: str
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BidderStatement:
    """The content of a proof, valid until `expires_at` and only for the card with `certificate_sha256` (32 bytes)."""

    instance: str
    bidder_id: str
    agency: str
    category: str
    certificate_sha256: bytes
    issued_at: datetime
    expires_at: datetime
    proven: Proven


def load_proof_keys(pem: bytes) -> ProofKeys:
    """Returns the public keys of a PEM file by key id; the file contains keys, certificates or both.

    Only the key of a certificate counts, not its issuer or validity: the file itself is trusted, and clusters publish
    a key in a certificate. Raises ValueError if a key is not Ed25519, a block is unreadable, or there is no key.
    """
    keys: dict[str, Ed25519PublicKey] = {}
    for block in _PEM_BLOCK.finditer(pem):
        is_certificate = block[1] == b"CERTIFICATE"
        key = x509.load_pem_x509_certificate(block[0]).public_key() if is_certificate else load_pem_public_key(block[0])
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("a key for bidder proofs is not Ed25519")
        keys[compute_key_id(key)] = key
    if not keys:
        raise ValueError("there is no key for bidder proofs")
    return MappingProxyType(keys)


def compute_key_id(key: Ed25519PublicKey) -> str:
    """Returns the id by which a proof names the key that signed it."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:KEY_ID_LENGTH]


def verify_proof(proof: BidderProof, keys: ProofKeys) -> None:
    """Raises BIDDER_PROOF_INVALID unless one of these keys signed the statement."""
    key = keys.get(proof.key_id)
    if key is None or len(proof.statement) > MOST_STATEMENT_BYTES:
        raise refuse_proof()
    try:
        key.verify(proof.signature, STATEMENT_PREFIX + proof.statement)
    except InvalidSignature as error:
        raise refuse_proof() from error


def expect_statement(
    statement: BidderStatement, *, instance: str, agency: str, category: str, certificate_sha256: bytes, now: datetime
) -> str:
    """Returns the bidder of a verified statement if it is for this card, agency and category, and valid now.

    Raises BIDDER_PROOF_INVALID (another instance, no bidder, from the future), BIDDER_PROOF_FOR_ANOTHER_CARD,
    BIDDER_PROOF_FOR_ANOTHER_AGENCY, BIDDER_PROOF_FOR_ANOTHER_CATEGORY, BIDDER_PROOF_EXPIRED.
    """
    if statement.instance != instance or not statement.bidder_id or statement.issued_at > now + CLOCK_TOLERANCE:
        raise refuse_proof()
    if statement.certificate_sha256 != certificate_sha256:
        raise Refusal("BIDDER_PROOF_FOR_ANOTHER_CARD", Code.FAILED_PRECONDITION)
    for what, stated, requested in (
        ("AGENCY", statement.agency, agency),
        ("CATEGORY", statement.category, category),
    ):
        if stated != requested:
            metadata = {"found": stated, "asked": requested}
            raise Refusal(f"BIDDER_PROOF_FOR_ANOTHER_{what}", Code.FAILED_PRECONDITION, metadata)
    if now > statement.expires_at:
        raise Refusal("BIDDER_PROOF_EXPIRED", Code.FAILED_PRECONDITION, {"at": statement.expires_at.isoformat()})
    return statement.bidder_id


def refuse_proof() -> Refusal:
    """Returns the refusal of a forged or unsuitable proof, without the cause: no honest caller can correct it."""
    return Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED)
