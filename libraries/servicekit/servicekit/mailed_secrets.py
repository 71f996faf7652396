"""Secrets on their way into a mail: sealed by the service that made them, opened by the one that sends the mail.

AES-256-GCM with a key that both have and no database has. It is derived (HKDF, RFC 5869) from an Ed25519 key in PEM, so
that the tools that make an instance's other keys make this one too. A sealed secret is the id of its key, a random
nonce and the ciphertext, and belongs to one notice: under another notice's id it can't be opened.
"""

import secrets
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from servicekit.exceptions import CommandFailed
from servicekit.settings import EnvironmentSettings

_CONTEXT = b"toroku mailed secret v1"
_KEY_ID_LENGTH, _KEY_LENGTH, _NONCE_LENGTH = 8, 32, 12


class SecretUnreadable(Exception):
    """A sealed secret can't be opened. The text says why, and shows nothing of it."""


class MailedSecretKey:
    """The key of the secrets that are mailed."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        derived = HKDF(SHA256(), _KEY_ID_LENGTH + _KEY_LENGTH, salt=None, info=_CONTEXT).derive(key.private_bytes_raw())
        self._key_id, self._cipher = derived[:_KEY_ID_LENGTH], AESGCM(derived[_KEY_ID_LENGTH:])

    @classmethod
    def from_pem(cls, pem: bytes) -> "MailedSecretKey":
        """Returns the key of a PEM file (PKCS#8, not encrypted). Raises ValueError, which does not show the content."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("the key of mailed secrets is no Ed25519 private key in PEM without a password")
        return cls(key)

    def seal(self, secret: str, notice_id: UUID) -> bytes:
        """Returns a secret that only the mail of this notice can show."""
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        return self._key_id + nonce + self._cipher.encrypt(nonce, secret.encode(), _CONTEXT + notice_id.bytes)

    def open(self, sealed: bytes, notice_id: UUID) -> str:
        """Returns the secret of a notice's mail; raises SecretUnreadable."""
        if sealed[:_KEY_ID_LENGTH] != self._key_id:
            raise SecretUnreadable("it was sealed with another key")
        start = _KEY_ID_LENGTH + _NONCE_LENGTH
        try:
            plain = self._cipher.decrypt(sealed[_KEY_ID_LENGTH:start], sealed[start:], _CONTEXT + notice_id.bytes)
            return plain.decode()
        except (InvalidTag, ValueError):
            raise SecretUnreadable("it was altered, or belongs to another notice") from None


class MailedSecretSettings(EnvironmentSettings):
    """What a process reads that seals or opens secrets; no other process has this key."""

    # A file with an Ed25519 key, from which the key of mailed secrets is derived: PEM, PKCS#8, without a password.
    mailed_secret_key: Path

    def load_mailed_secret_key(self) -> MailedSecretKey:
        """Returns the key of mailed secrets; raises CommandFailed where the file has none."""
        try:
            return MailedSecretKey.from_pem(self.mailed_secret_key.read_bytes())
        except (OSError, ValueError) as error:
            raise CommandFailed(f"TOROKU_MAILED_SECRET_KEY: {error}") from error
