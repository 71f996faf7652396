"""The settings of the front door."""

from pathlib import Path

from pydantic import Field

from servicekit.credentials import CertificateFiles
from servicekit.server import Bounds, StrangersBounds
from servicekit.settings import ServiceSettings
from servicekit.sources import SourceAddress
from servicekit.token_buckets import Rate, TokenBuckets

SERVICE = "front-door"
PACKAGE = "front_door"


class Settings(ServiceSettings):
    """Where the front door listens, and where its peers are. Addresses are `host:port`."""

    public_listen: str
    # The certificate of the public listener, if it is not the one for the other services: in production it comes from
    # a CA that contractors' PCs trust already.
    public_certificate: Path | None = None
    public_private_key: Path | None = None

    # What the public listener admits in one process, where everybody is a stranger.
    public_connections: int = Field(default=2000, ge=1)
    public_streams_per_connection: int = Field(default=100, ge=1)
    public_concurrent_calls: int = Field(default=1000, ge=1)

    # Calls at a time that have begun and sent no request; of more the oldest ends, and each after so many seconds.
    public_silent_calls: int = Field(default=1000, ge=1)
    request_timeout: float = Field(default=10, gt=0)

    # Whose address the public listener sees. `direct`, the caller's own: each source (an IPv4 address, an IPv6 /64) may
    # call `source_burst` times at once and `source_rate` times a second. `none`, a gateway's: sources are not counted.
    # Log-ins with the same certificate are, also those through the portal: `certificate_burst` at once and
    # `certificate_rate` a second, in each process.
    source_address: SourceAddress = SourceAddress.NONE
    source_burst: int = Field(default=100, ge=1)
    source_rate: float = Field(default=5, gt=0)
    certificate_burst: int = Field(default=20, ge=1)
    certificate_rate: float = Field(default=0.2, gt=0)

    qualification_registry_endpoint: str
    certificate_registry_endpoint: str
    contact_notification_endpoint: str
    agency_sync_endpoint: str

    def public_files(self) -> CertificateFiles:
        """Returns the certificate files of the public listener, which asks its callers for no certificate."""
        return CertificateFiles(
            self.public_certificate or self.certificate, self.public_private_key or self.private_key, trusted=None
        )

    def public_bounds(self) -> Bounds:
        """Returns the bounds of the public listener."""
        return Bounds(
            connections=self.public_connections,
            streams_per_connection=self.public_streams_per_connection,
            concurrent_calls=self.public_concurrent_calls,
            handshake_timeout=self.handshake_timeout,
            idle_timeout=self.idle_timeout,
        )

    def strangers_bounds(self) -> StrangersBounds:
        """Returns what the public listener bounds besides, because everybody there is a stranger."""
        is_seen = self.source_address is SourceAddress.DIRECT
        return StrangersBounds(
            silent_calls=self.public_silent_calls,
            request_timeout=self.request_timeout,
            source_rate=Rate(self.source_burst, self.source_rate) if is_seen else None,
        )

    def log_in_buckets(self) -> TokenBuckets:
        """Returns the count of log-ins by certificate."""
        return TokenBuckets(Rate(self.certificate_burst, self.certificate_rate))

    def endpoints(self) -> dict[str, str]:
        """Returns the addresses of the peers by name."""
        return {
            "qualification-registry": self.qualification_registry_endpoint,
            "certificate-registry": self.certificate_registry_endpoint,
            "contact-notification": self.contact_notification_endpoint,
            "agency-sync": self.agency_sync_endpoint,
        }
