"""The settings of agency-sync."""

from pathlib import Path

from pydantic import Field

from agency_sync.domain.snapshot import SnapshotKey
from servicekit.exceptions import CommandFailed
from servicekit.settings import DatabaseSettings

SERVICE = "agency-sync"
PACKAGE = "agency_sync"


class Settings(DatabaseSettings):
    """The settings, read from the environment."""

    certificate_registry_endpoint: str
    contact_notification_endpoint: str


class WorkerSettings(Settings):
    """What the worker reads: beside the settings of its server a key, which that does not get."""

    # A file with the Ed25519 key that signs snapshots of feeds: PEM, PKCS#8, without a password.
    feed_key: Path
    # The share of the time for which a night batch works; in the rest it gives way to calls. 1: as fast as it goes.
    night_share: float = Field(default=0.5, gt=0, le=1)

    def load_feed_key(self) -> SnapshotKey:
        """Returns the key that signs snapshots; raises CommandFailed where the file has none."""
        try:
            return SnapshotKey.from_pem(self.feed_key.read_bytes())
        except (OSError, ValueError) as error:
            raise CommandFailed(f"TOROKU_FEED_KEY: {error}") from error
