"""Has the qualification registry found this bidder for this card, agency and category (design section 3)?

The proof is bytes with an Ed25519 signature (RFC 8032) over a fixed text and these bytes as they are. Which key made
it is said by the first 16 hexadecimal digits of the SHA-256 of the raw public key, so that keys can be changed while
proofs are on their way.
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

from refusals import Code, Refusal

STATEMENT_PREFIX = b"toroku bidder proof v1\x00"
KEY_ID_LENGTH = 16
MOST_STATEMENT_BYTES = 4 * 1024
# How far the clock of the qualification registry may be ahead of ours.
CLOCK_TOLERANCE = timedelta(minutes=1)
_PEM_BLOCK = re.compile(rb"-----BEGIN (PUBLIC KEY|CERTIFICATE)-----.*?-----END \1-----", re.DOTALL)

ProofKeys = Mapping[str, Ed25519PublicKey]


@dataclass(frozen=True, slots=True)
class BidderProof:
    """A proof as it came: `statement` is serialized, nothing in it is believed yet."""

    statement: bytes = field(repr=False)
    key_id: str
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BidderStatement:
    """What a proof states, until `expires_at`; `certificate_sha256` (32 bytes) is the only card it is good for."""

    instance: str
    bidder_id: str
    agency: str
    category: str
    certificate_sha256: bytes
    issued_at: datetime
    expires_at: datetime


def proof_keys(pem: bytes) -> ProofKeys:
    """The public keys in a PEM file, by their key id; it may hold keys, certificates or both.

    Of a certificate only the key counts, not who issued it or until when it is valid: the file itself is what is
    trusted, and a certificate is how a cluster hands out a key without its private half. Raises ValueError where a key
    is not Ed25519, a block can't be read, or none is there.
    """
    keys: dict[str, Ed25519PublicKey] = {}
    for block in _PEM_BLOCK.finditer(pem):
        is_certificate = block[1] == b"CERTIFICATE"
        key = x509.load_pem_x509_certificate(block[0]).public_key() if is_certificate else load_pem_public_key(block[0])
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("a key for bidder proofs is not Ed25519")
        keys[key_id(key)] = key
    if not keys:
        raise ValueError("there is no key for bidder proofs")
    return MappingProxyType(keys)


def key_id(key: Ed25519PublicKey) -> str:
    """How a proof names the key that signed it."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:KEY_ID_LENGTH]


def verify_proof(proof: BidderProof, keys: ProofKeys) -> None:
    """Returns if one of these keys signed the statement; raises BIDDER_PROOF_INVALID otherwise."""
    key = keys.get(proof.key_id)
    if key is None or len(proof.statement) > MOST_STATEMENT_BYTES:
        raise invalid_proof()
    try:
        key.verify(proof.signature, STATEMENT_PREFIX + proof.statement)
    except InvalidSignature as error:
        raise invalid_proof() from error


def expect_statement(
    statement: BidderStatement, *, instance: str, agency: str, category: str, certificate_sha256: bytes, now: datetime
) -> str:
    """The bidder that a verified statement names, if it is for this card, agency and category, at this moment.

    Raises BIDDER_PROOF_INVALID (another instance, no bidder, from the future), BIDDER_PROOF_FOR_ANOTHER_CARD,
    BIDDER_PROOF_FOR_ANOTHER_AGENCY, BIDDER_PROOF_FOR_ANOTHER_CATEGORY, BIDDER_PROOF_EXPIRED.
    """
    if statement.instance != instance or not statement.bidder_id or statement.issued_at > now + CLOCK_TOLERANCE:
        raise invalid_proof()
    if statement.certificate_sha256 != certificate_sha256:
        raise Refusal("BIDDER_PROOF_FOR_ANOTHER_CARD", Code.FAILED_PRECONDITION)
    for what, found, asked in (
        ("AGENCY", statement.agency, agency),
        ("CATEGORY", statement.category, category),
    ):
        if found != asked:
            metadata = {"found": found, "asked": asked}
            raise Refusal(f"BIDDER_PROOF_FOR_ANOTHER_{what}", Code.FAILED_PRECONDITION, metadata)
    if now > statement.expires_at:
        raise Refusal("BIDDER_PROOF_EXPIRED", Code.FAILED_PRECONDITION, {"at": statement.expires_at.isoformat()})
    return statement.bidder_id


def invalid_proof() -> Refusal:
    """The refusal of a proof that nobody made for this; it does not say why, since nobody honest can mend it."""
    return Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED)
