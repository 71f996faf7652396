"""Statements that one service signs and others verify: Ed25519 (RFC 8032) over a fixed prefix and the statement.

A signed statement names its key by the first 16 hexadecimal digits of the SHA-256 of the raw public key. Whoever
verifies, the signer too, has a file with all public keys that may have signed, so that a key can be replaced while its
statements are in use: old, then both, then new. The prefix keeps one kind of statement from being taken for another.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from refusals import Refusal

KEY_ID_LENGTH = 16
MOST_STATEMENT_BYTES = 4 * 1024
# How far the clock of the signer may be ahead.
CLOCK_TOLERANCE = timedelta(minutes=1)
_PEM_BLOCK = re.compile(rb"-----BEGIN (PUBLIC KEY|CERTIFICATE)-----.*?-----END \1-----", re.DOTALL)

VerifyingKeys = Mapping[str, Ed25519PublicKey]


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A serialized statement with its signature, as made or as received; a received one is not verified."""

    statement: bytes = field(repr=False)
    key_id: str
    signature: bytes = field(repr=False)


class SigningKey:
    """An Ed25519 key that signs statements of one kind, told from others by `prefix`."""

    def __init__(self, key: Ed25519PrivateKey, prefix: bytes) -> None:
        self._key = key
        self._prefix = prefix
        self.public_key = key.public_key()
        self.key_id = compute_key_id(self.public_key)

    @classmethod
    def from_pem(cls, pem: bytes, prefix: bytes) -> "SigningKey":
        """Returns the key in a PEM file (PKCS#8, not encrypted). Raises ValueError, which does not show the content."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("a key that signs statements is no Ed25519 private key in PEM without a password")
        return cls(key, prefix)

    def sign(self, statement: bytes) -> SignedStatement:
        """Returns a serialized statement with the signature over the prefix and it."""
        return SignedStatement(statement, self.key_id, self._key.sign(self._prefix + statement))


def load_verifying_keys(pem: bytes) -> VerifyingKeys:
    """Returns the public keys of a PEM file by key id; the file contains keys, certificates or both.

    Only the key of a certificate counts, not its issuer or validity: the file itself is trusted, and clusters publish
    a key in a certificate. Raises ValueError if a key is not Ed25519, a block is unreadable, or there is no key.
    """
    keys: dict[str, Ed25519PublicKey] = {}
    for block in _PEM_BLOCK.finditer(pem):
        is_certificate = block[1] == b"CERTIFICATE"
        key = x509.load_pem_x509_certificate(block[0]).public_key() if is_certificate else load_pem_public_key(block[0])
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("a key that verifies signed statements is not Ed25519")
        keys[compute_key_id(key)] = key
    if not keys:
        raise ValueError("there is no key that verifies signed statements")
    return MappingProxyType(keys)


def compute_key_id(key: Ed25519PublicKey) -> str:
    """Returns the id by which a signed statement names the key that signed it."""
    return sha256(key.public_bytes_raw()).hexdigest()[:KEY_ID_LENGTH]


def check_signature(signed: SignedStatement, keys: VerifyingKeys, prefix: bytes, *, invalid: Refusal) -> None:
    """Raises `invalid` unless one of the keys signed the statement, which has at most 4 KiB, under this prefix."""
    key = keys.get(signed.key_id)
    if key is None or len(signed.statement) > MOST_STATEMENT_BYTES:
        raise invalid
    try:
        key.verify(signed.signature, prefix + signed.statement)
    except InvalidSignature:
        raise invalid from None


def check_period(
    issued_at: datetime, expires_at: datetime, now: datetime, *, invalid: Refusal, expired: Refusal
) -> None:
    """Raises `invalid` for a statement from the future, and `expired` at its `expires_at` and afterwards.

    The signer's clock may be ahead by CLOCK_TOLERANCE.
    """
    if issued_at > now + CLOCK_TOLERANCE:
        raise invalid
    if expires_at <= now:
        raise expired
