"""The settings of the front door."""

from pathlib import Path

from pydantic import Field

from servicekit.credentials import CertificateFiles
from servicekit.server import Bounds
from servicekit.settings import ServiceSettings


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

    qualification_registry_endpoint: str
    certificate_registry_endpoint: str
    contact_notification_endpoint: str

    def public_files(self) -> CertificateFiles:
        """Returns the certificate files of the public listener, which asks its callers for no certificate."""
        return CertificateFiles(
            self.public_certificate or self.certificate, self.public_private_key or self.private_key, trusted=None
        )

    def public_bounds(self, most_bytes: int) -> Bounds:
        """Returns the bounds of the public listener, which takes requests of at most `most_bytes`."""
        return Bounds(
            connections=self.public_connections,
            streams_per_connection=self.public_streams_per_connection,
            concurrent_calls=self.public_concurrent_calls,
            handshake_timeout=self.handshake_timeout,
            idle_timeout=self.idle_timeout,
            most_bytes=most_bytes,
        )

    def endpoints(self) -> dict[str, str]:
        """Returns the addresses of the peers by name."""
        return {
            "qualification-registry": self.qualification_registry_endpoint,
            "certificate-registry": self.certificate_registry_endpoint,
            "contact-notification": self.contact_notification_endpoint,
        }
