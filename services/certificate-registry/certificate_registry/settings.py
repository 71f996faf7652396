"""The settings of certificate-registry."""

from pathlib import Path

from pydantic import Field

from servicekit.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """Listeners, database, proof keys and peers. Addresses are `host:port`."""

    # Public keys (PEM; one or several; bare or in certificates), of which any may have signed a bidder proof.
    bidder_proof_public_keys: Path

    contact_notification_endpoint: str
    agency_sync_endpoint: str

    def endpoints(self) -> dict[str, str]:
        """Returns the addresses of the peers by name."""
        return {
            "contact-notification": self.contact_notification_endpoint,
            "agency-sync": self.agency_sync_endpoint,
        }


class LookupSettings(DatabaseSettings):
    """Those of `serve-lookup`, which has no peers and no proof keys."""

    # Connections for lookups. One more, which no setting changes, finds out whether the process is ready.
    database_pool: int = Field(default=4, ge=1)
