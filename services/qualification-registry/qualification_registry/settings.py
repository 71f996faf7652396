"""The settings of qualification-registry."""

from pathlib import Path

from history.settings import SealingSettings
from servicekit.settings import DatabaseSettings

SERVICE = "qualification-registry"
PACKAGE = "qualification_registry"


class Settings(DatabaseSettings):
    """The settings, read from the environment."""

    certificate_registry_endpoint: str
    agency_sync_endpoint: str
    contact_notification_endpoint: str
    # A file with the Ed25519 key that signs bidder proofs: PEM, PKCS#8, without a password.
    bidder_proof_key: Path
    # Public keys (PEM; one or several; bare or in certificates), of which any may have signed a bidder proof: that of
    # the key above, and while keys are replaced the other one. The same file as certificate-registry's.
    bidder_proof_public_keys: Path

    def endpoints(self) -> dict[str, str]:
        """Returns the addresses of the peers by name."""
        return {
            "certificate-registry": self.certificate_registry_endpoint,
            "agency-sync": self.agency_sync_endpoint,
            "contact-notification": self.contact_notification_endpoint,
        }


class WorkerSettings(Settings, SealingSettings):
    """The settings of the worker, which has the key that seals the history."""
