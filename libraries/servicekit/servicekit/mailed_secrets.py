"""Secrets on their way into a mail: sealed by the service that made them, opened by the one that sends the mail.

Both have the key, and no database has it (`servicekit.sealing`). A sealed secret belongs to one notice: under another
notice's id it can't be opened.
"""

from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from servicekit.exceptions import CommandFailed
from servicekit.sealing import SealBroken, SealingKey, load_root_key
from servicekit.settings import EnvironmentSettings

_CONTEXT = b"toroku mailed secret v1"


class SecretUnreadable(Exception):
    """A sealed secret can't be opened. The text says why, and shows nothing of it."""


class MailedSecretKey:
    """The key of the secrets that are mailed."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = SealingKey(key, _CONTEXT)

    @classmethod
    def from_pem(cls, pem: bytes) -> "MailedSecretKey":
        """Returns the key of a PEM file (PKCS#8, not encrypted). Raises ValueError, which does not show the content."""
        try:
            return cls(load_root_key(pem))
        except ValueError as error:
            raise ValueError(f"the key of mailed secrets: {error}") from None

    def seal(self, secret: str, notice_id: UUID) -> bytes:
        """Returns a secret that only the mail of this notice can show."""
        return self._key.seal(secret.encode(), notice_id.bytes)

    def open(self, sealed: bytes, notice_id: UUID) -> str:
        """Returns the secret of a notice's mail; raises SecretUnreadable."""
        try:
            return self._key.open(sealed, notice_id.bytes).decode()
        except (SealBroken, ValueError) as error:
            raise SecretUnreadable(str(error)) from None


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
