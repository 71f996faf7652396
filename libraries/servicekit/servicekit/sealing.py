"""Sealed bytes: AES-256-GCM with a key that no database has.

The key is derived (HKDF, RFC 5869) from an Ed25519 key in PEM, so that what makes an instance's other keys makes
this one too. What was sealed is the id of its key, a random nonce and the ciphertext, and belongs to one thing: as
another one's it can't be opened.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_KEY_ID_LENGTH, _KEY_LENGTH, _NONCE_LENGTH = 8, 32, 12


class SealBroken(Exception):
    """Sealed bytes can't be opened. The text says why, and shows nothing of them."""


class SealingKey:
    """A key for one use, which `context` names."""

    def __init__(self, key: Ed25519PrivateKey, context: bytes) -> None:
        derived = HKDF(SHA256(), _KEY_ID_LENGTH + _KEY_LENGTH, salt=None, info=context).derive(key.private_bytes_raw())
        self._context = context
        self._key_id, self._cipher = derived[:_KEY_ID_LENGTH], AESGCM(derived[_KEY_ID_LENGTH:])

    def seal(self, plain: bytes, owner: bytes) -> bytes:
        """Returns bytes that only whoever has the key and names the owner can open."""
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        return self._key_id + nonce + self._cipher.encrypt(nonce, plain, self._context + owner)

    def open(self, sealed: bytes, owner: bytes) -> bytes:
        """Returns what was sealed for this owner; raises SealBroken."""
        if sealed[:_KEY_ID_LENGTH] != self._key_id:
            raise SealBroken("it was sealed with another key")
        start = _KEY_ID_LENGTH + _NONCE_LENGTH
        try:
            return self._cipher.decrypt(sealed[_KEY_ID_LENGTH:start], sealed[start:], self._context + owner)
        except (InvalidTag, ValueError):
            raise SealBroken("it was altered, or is another one's") from None


def load_root_key(pem: bytes) -> Ed25519PrivateKey:
    """Returns the key of a PEM file (PKCS#8, no password). Raises ValueError, which does not show the content."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("it is no Ed25519 private key in PEM without a password")
    return key
