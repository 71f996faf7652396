"""The settings of the portal."""

from pathlib import Path

from pydantic import Field

from servicekit.credentials import CertificateFiles
from servicekit.settings import DatabaseSettings
from servicekit.sources import SourceAddress

SERVICE = "portal"
PACKAGE = "portal"


class Settings(DatabaseSettings):
    """Where the portal listens, what it is called, and where the front door is. Addresses are `host:port`."""

    # Its pages, over TLS.
    public_listen: str
    # The certificate of its pages, if it is not the one for the other services.
    public_certificate: Path | None = None
    public_private_key: Path | None = None
    # The origin under which browsers know it, as https://touroku.example.jp: every form has to come from there, and no
    # address is ever made from a request.
    origin: str = Field(pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")
    # Ed25519 (PEM, PKCS#8) from which the key of the sealed drafts is derived; no database has it.
    draft_key: Path

    front_door_endpoint: str

    # What it admits in one process.
    public_connections: int = Field(default=2000, ge=1)
    public_concurrent_calls: int = Field(default=1000, ge=1)
    # Whose address it sees, as at the front door: with `direct` each source may send `source_burst` requests at once
    # and `source_rate` a second.
    source_address: SourceAddress = SourceAddress.NONE
    source_burst: int = Field(default=200, ge=1)
    source_rate: float = Field(default=10, gt=0)
    # The same for the forms of one browser session.
    session_burst: int = Field(default=60, ge=1)
    session_rate: float = Field(default=2, gt=0)

    def public_files(self) -> CertificateFiles:
        """Returns the certificate files of the pages, for which no client certificate is asked."""
        return CertificateFiles(
            self.public_certificate or self.certificate, self.public_private_key or self.private_key, trusted=None
        )
