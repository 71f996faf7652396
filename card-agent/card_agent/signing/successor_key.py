"""The successor key: a key of one renewal, by which its old card names the new one.

The key never leaves this process and is written nowhere: it ties together two cards that are in the reader one after
the other, and is worthless afterwards.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PREFIX = b"toroku successor key v1\x00"


@dataclass(frozen=True, slots=True)
class SuccessorKey:
    """A key for one renewal."""

    _key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)

    @property
    def public(self) -> bytes:
        """The public part, 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    @property
    def public_sha256(self) -> bytes:
        """The SHA-256 of the public part, 32 bytes: what the acts of a renewal name."""
        return sha256(self.public).digest()

    def vouch_for(self, certificate_sha256: bytes, request_id: str) -> bytes:
        """Returns the signature (Ed25519, 64 bytes) for the new card of this renewal."""
        return self._key.sign(_PREFIX + certificate_sha256 + request_id.encode("ascii"))
