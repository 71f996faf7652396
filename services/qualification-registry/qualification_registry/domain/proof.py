"""The bidder proof: what this registry states about a bidder and a card, signed, for ten minutes (design section 3)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from refusals import Code, Refusal

LIFETIME = timedelta(minutes=10)
_CONTEXT = b"toroku bidder proof v1\0"


@dataclass(frozen=True, slots=True)
class Statement:
    """What is stated: this bidder was found, at this agency and category, with this card (SHA-256, 32 bytes)."""

    instance: str
    bidder_id: str
    agency: str
    category: str
    certificate_sha256: bytes
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Proof:
    """A statement as bytes, and the signature over it. `key_id`: 16 hexadecimal digits."""

    statement: bytes
    key_id: str
    signature: bytes


class ProofKey:
    """The registry's Ed25519 key (RFC 8032)."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key()
        self.key_id = hashlib.sha256(self._public.public_bytes_raw()).hexdigest()[:16]

    @classmethod
    def from_pem(cls, pem: bytes) -> "ProofKey":
        """The key in a PEM file (PKCS#8, not encrypted). Raises ValueError where it is none, without showing it."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the bidder proof key is no Ed25519 private key in PEM without a password")
        return cls(key)

    def sign(self, statement: bytes) -> Proof:
        """The proof of a serialized statement: Ed25519 over "toroku bidder proof v1" ‖ 0x00 ‖ statement."""
        return Proof(statement, self.key_id, self._key.sign(_CONTEXT + statement))

    def check_signature(self, proof: Proof) -> None:
        """Returns where this key made the proof; raises BIDDER_PROOF_INVALID."""
        if proof.key_id != self.key_id:
            raise Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED)
        try:
            self._public.verify(proof.signature, _CONTEXT + proof.statement)
        except InvalidSignature:
            raise Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED) from None


def check_statement(statement: Statement, *, instance: str, now: datetime) -> None:
    """Returns where a statement is of this instance and good now.

    Raises BIDDER_PROOF_INVALID and BIDDER_PROOF_EXPIRED.
    """
    if statement.instance != instance:
        raise Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED)
    if statement.expires_at <= now:
        raise Refusal("BIDDER_PROOF_EXPIRED", Code.FAILED_PRECONDITION)
