"""The settings of the front door."""

from pathlib import Path

from servicekit.credentials import CertificateFiles
from servicekit.settings import ServiceSettings


class Settings(ServiceSettings):
    """Where the front door listens, and where its peers are. Addresses are `host:port`."""

    public_listen: str
    # The certificate of the public listener, if it is not the one for the other services: in production it comes from
    # a CA that contractors' PCs trust already.
    public_certificate: Path | None = None
    public_private_key: Path | None = None

    qualification_registry_endpoint: str
    certificate_registry_endpoint: str
    contact_notification_endpoint: str

    def public_files(self) -> CertificateFiles:
        """Returns the certificate files of the public listener, which asks its callers for no certificate."""
        return CertificateFiles(
            self.public_certificate or self.certificate, self.public_private_key or self.private_key, trusted=None
        )

    def endpoints(self) -> dict[str, str]:
        """Returns the addresses of the peers by name."""
        return {
            "qualification-registry": self.qualification_registry_endpoint,
            "certificate-registry": self.certificate_registry_endpoint,
            "contact-notification": self.contact_notification_endpoint,
        }
