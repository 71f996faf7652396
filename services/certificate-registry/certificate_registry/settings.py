"""The settings of certificate-registry."""

from pathlib import Path

from pydantic import Field

from servicekit.settings import DatabaseSettings

SERVICE = "certificate-registry"
# What the processes of `serve-lookup` are called: in their certificate, their metrics, their log.
LOOKUP = "user-lookup"
PACKAGE = "certificate_registry"


class Settings(DatabaseSettings):
    """Listeners, database, proof keys, judgement processes and peers. Addresses are `host:port`."""

    # Public keys (PEM; one or several; bare or in certificates), of which any may have signed a bidder proof.
    bidder_proof_public_keys: Path

    # The processes of a server that judge strangers' certificates, how many certificates wait for one or are judged at
    # a time, and the seconds that one may wait, and may then take.
    judgement_processes: int = Field(default=1, ge=1)
    concurrent_judgements: int = Field(default=16, ge=1)
    judgement_timeout: float = Field(default=2, gt=0)

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
