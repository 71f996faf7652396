"""A head: what is signed of a batch of entries, and of all batches before it; and the keys that verify it.

Signed is PREFIX ‖ the statement. The statement has 128 bytes, numbers big-endian: the id of the chain (32), the number
of the head (8), the first and last position of the batch (8 each), the instant in microseconds since 1970 (8), the
Merkle root of the batch (32), and the hash of the head before (32; zeros for the first). The hash of a head is the
SHA-256 of its statement.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

PREFIX = b"toroku history head v1\x00"
# Of a batch: the proof of an entry then has at most twelve hashes.
MOST_ENTRIES = 4096
BEFORE_THE_FIRST = bytes(32)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KEY_ID_LENGTH = 16
_PEM_BLOCK = re.compile(rb"-----BEGIN (PUBLIC KEY|CERTIFICATE)-----.*?-----END \1-----", re.DOTALL)

# Public keys by key id.
PublicKeys = Mapping[str, Ed25519PublicKey]


class Witness(NamedTuple):
    """What somebody noted of a head: its number, and its hash."""

    number: int
    hash: bytes


class Head(NamedTuple):
    """A head as made or as received; a received one is not verified."""

    chain: bytes
    number: int
    first_position: int
    last_position: int
    sealed_at: datetime
    root: bytes
    previous: bytes
    key_id: str = ""
    signature: bytes = b""

    @property
    def size(self) -> int:
        """The number of entries in the batch."""
        return self.last_position - self.first_position + 1

    @property
    def statement(self) -> bytes:
        """The 128 bytes that are hashed and signed."""
        numbers = (self.number, self.first_position, self.last_position, (self.sealed_at - _EPOCH) // _MICROSECOND)
        return b"".join(
            (self.chain, *(number.to_bytes(8, "big", signed=True) for number in numbers), self.root, self.previous)
        )

    @property
    def hash(self) -> bytes:
        """The SHA-256 of the statement, by which the next head names this one."""
        return sha256(self.statement).digest()

    @property
    def witness(self) -> Witness:
        """What to note of this head, to compare the history with later."""
        return Witness(self.number, self.hash)


class SealedBatch(NamedTuple):
    """A head with its leaves, the digests of its entries one after the other: 32 bytes each, which its root proves."""

    head: Head
    leaves: bytes

    def split_leaves(self) -> list[bytes]:
        """Returns the leaves one by one."""
        return [self.leaves[place : place + 32] for place in range(0, len(self.leaves), 32)]


def is_signed(head: Head, key: Ed25519PublicKey) -> bool:
    """Returns whether the key signed the head."""
    try:
        key.verify(head.signature, PREFIX + head.statement)
    except InvalidSignature:
        return False
    return True


def load_public_keys(pem: bytes) -> PublicKeys:
    """Returns the public keys of a PEM file by key id; the file contains keys, certificates or both.

    As `servicekit.signed_statement` does it, without the rest of a service. Raises ValueError if a key is not Ed25519,
    a block is unreadable, or there is no key.
    """
    keys: dict[str, Ed25519PublicKey] = {}
    for block in _PEM_BLOCK.finditer(pem):
        is_certificate = block[1] == b"CERTIFICATE"
        key = x509.load_pem_x509_certificate(block[0]).public_key() if is_certificate else load_pem_public_key(block[0])
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("a key that verifies heads of a history is not Ed25519")
        keys[sha256(key.public_bytes_raw()).hexdigest()[:_KEY_ID_LENGTH]] = key
    if not keys:
        raise ValueError("there is no key that verifies heads of a history")
    return MappingProxyType(keys)
