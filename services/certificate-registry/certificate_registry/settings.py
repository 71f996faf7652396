"""The settings of the registry of cards."""

from pathlib import Path

from pydantic import Field

from servicekit.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """Where the registry listens, its database, and whom it tells. Addresses are `host:port`."""

    # The public keys (PEM, one or several, bare or in certificates) of which any may have signed a bidder proof.
    bidder_proof_public_keys: Path
    # Connections for ResolveUser alone, so that nothing else holds up a log-in.
    resolve_pool: int = Field(default=4, ge=1)

    contact_notification_endpoint: str
    agency_sync_endpoint: str

    def endpoints(self) -> dict[str, str]:
        """The peers by name."""
        return {
            "contact-notification": self.contact_notification_endpoint,
            "agency-sync": self.agency_sync_endpoint,
        }
