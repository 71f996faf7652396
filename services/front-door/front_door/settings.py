"""The settings of the front door."""

from pathlib import Path

from servicekit.credentials import CertificateFiles
from servicekit.settings import ServiceSettings


class RegistrationSettings(ServiceSettings):
    """Where the front door listens, and where its peers are. Addresses are `host:port`."""

    public_listen: str
    # What contractors' PCs see, where it is not the certificate that the other services see: in production it comes
    # from a CA that those PCs trust already.
    public_certificate: Path | None = None
    public_private_key: Path | None = None

    qualification_registry_endpoint: str
    certificate_registry_endpoint: str
    contact_notification_endpoint: str

    def public_files(self) -> CertificateFiles:
        """The public listener's certificate; it asks its callers for none."""
        return CertificateFiles(
            self.public_certificate or self.certificate, self.public_private_key or self.private_key, trusted=None
        )

    def endpoints(self) -> dict[str, str]:
        """The peers by name."""
        return {
            "qualification-registry": self.qualification_registry_endpoint,
            "certificate-registry": self.certificate_registry_endpoint,
            "contact-notification": self.contact_notification_endpoint,
        }
