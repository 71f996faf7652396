"""The setting of a worker that seals a history."""

from pathlib import Path

from history.sealing import load_sealing_key
from servicekit.exceptions import CommandFailed
from servicekit.settings import EnvironmentSettings
from servicekit.signed_statement import SigningKey


class SealingSettings(EnvironmentSettings):
    """What a service's worker reads beside the settings of its server, which has no such key."""

    # A file with the Ed25519 key that signs the heads of the history: PEM, PKCS#8, without a password.
    history_key: Path

    def load_history_key(self) -> SigningKey:
        """Returns the key that signs heads; raises CommandFailed where the file has none."""
        try:
            return load_sealing_key(self.history_key.read_bytes())
        except (OSError, ValueError) as error:
            raise CommandFailed(f"TOROKU_HISTORY_KEY: {error}") from error
