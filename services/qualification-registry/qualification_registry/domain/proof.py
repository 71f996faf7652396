"""The bidder proof: the registry's statement about a bidder and a card, signed and valid for ten minutes."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from qualification_registry.domain.bidders import Company
from refusals import Code, Refusal

LIFETIME = timedelta(minutes=10)
_CONTEXT = b"toroku bidder proof v1\0"


@dataclass(frozen=True, slots=True)
class Statement:
    """What is stated: a search at this agency and category with this card (SHA-256, 32 bytes) found this bidder."""

    instance: str
    bidder_id: str
    agency: str
    category: str
    certificate_sha256: bytes
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Proof:
    """A serialized statement and the signature over it. `key_id`: 16 hexadecimal digits."""

    statement: bytes
    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class ProvenBidder:
    """What a valid proof proves: its statement, and the current company profile of its bidder."""

    company: Company
    statement: Statement


class ProofKey:
    """The registry's Ed25519 key (RFC 8032)."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key()
        self.key_id = hashlib.sha256(self.public_key.public_bytes_raw()).hexdigest()[:16]

    @classmethod
    def from_pem(cls, pem: bytes) -> "ProofKey":
        """Returns the key in a PEM file (PKCS#8, not encrypted). Raises ValueError, which does not show the content."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the bidder proof key is no Ed25519 private key in PEM without a password")
        return cls(key)

    def sign(self, statement: bytes) -> Proof:
        """Returns the proof of a serialized statement: Ed25519 over "toroku bidder proof v1" ‖ 0x00 ‖ statement."""
        return Proof(statement, self.key_id, self._key.sign(_CONTEXT + statement))

    def check_signature(self, proof: Proof) -> None:
        """Raises BIDDER_PROOF_INVALID unless this key made the proof."""
        if proof.key_id != self.key_id:
            raise Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED)
        try:
            self.public_key.verify(proof.signature, _CONTEXT + proof.statement)
        except InvalidSignature:
            raise Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED) from None


def check_statement(statement: Statement, *, instance: str, now: datetime) -> None:
    """Raises BIDDER_PROOF_INVALID for a statement of another instance and BIDDER_PROOF_EXPIRED for an old one."""
    if statement.instance != instance:
        raise Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED)
    if statement.expires_at <= now:
        raise Refusal("BIDDER_PROOF_EXPIRED", Code.FAILED_PRECONDITION)
