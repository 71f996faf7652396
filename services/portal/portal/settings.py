"""The settings of the portal."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from portal.pages.visits import FormLimits
from servicekit.credentials import CertificateFiles
from servicekit.exceptions import CommandFailed
from servicekit.sealing import load_root_key
from servicekit.settings import DatabaseSettings
from servicekit.sources import SourceAddress, Sources
from servicekit.token_buckets import Rate, TokenBuckets

SERVICE = "portal"
PACKAGE = "portal"


class WorkerSettings(DatabaseSettings):
    """What the worker reads."""


class Settings(DatabaseSettings):
    """Where the portal listens, what it is called, and where the front door is. Addresses are `host:port`."""

    # Its pages, over TLS.
    public_listen: str
    # The certificate of its pages, if it is not the one for the other services.
    public_certificate: Path | None = None
    public_private_key: Path | None = None
    # The origin under which browsers know it, as https://touroku.example.jp: no address is ever made from a request.
    origin: str = Field(pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")
    # A file with an Ed25519 key, from which the key of the drafts is derived: PEM, PKCS#8, without a password. No
    # database has it.
    draft_key: Path

    front_door_endpoint: str
    # For the help desk's record of what the portal refuses by itself.
    certificate_registry_endpoint: str

    # Connections of browsers in one process, most of them idle; more get nothing but a status of HTTP.
    public_connections: int = Field(default=2000, ge=1)
    # Pages at a time in one process; more are refused.
    public_concurrent_calls: int = Field(default=1000, ge=1)
    # Forms of one browser session: so many at once, and so many a second.
    session_burst: int = Field(default=60, ge=1)
    session_rate: float = Field(default=2, gt=0)
    # Forms of all browsers without a session, each of which may begin one.
    newcomer_burst: int = Field(default=500, ge=1)
    newcomer_rate: float = Field(default=50, gt=0)
    # Whose address the portal sees. `direct`, the browser's own: each source (an IPv4 address, an IPv6 /64) may send
    # `source_burst` forms at once and `source_rate` a second. `none`, a gateway's: sources are not counted.
    source_address: SourceAddress = SourceAddress.NONE
    source_burst: int = Field(default=200, ge=1)
    source_rate: float = Field(default=10, gt=0)

    def public_files(self) -> CertificateFiles:
        """Returns the certificate files of the pages, for which no client certificate is asked."""
        return CertificateFiles(
            self.public_certificate or self.certificate, self.public_private_key or self.private_key, trusted=None
        )

    def form_limits(self) -> FormLimits:
        """Returns how often forms may come."""
        is_seen = self.source_address is SourceAddress.DIRECT
        return FormLimits(
            by_session=TokenBuckets(Rate(self.session_burst, self.session_rate)),
            newcomers=TokenBuckets(Rate(self.newcomer_burst, self.newcomer_rate)),
            sources=Sources(Rate(self.source_burst, self.source_rate)) if is_seen else None,
        )

    def load_draft_key(self) -> Ed25519PrivateKey:
        """Returns the key of the drafts; raises CommandFailed where the file has none."""
        try:
            return load_root_key(self.draft_key.read_bytes())
        except (OSError, ValueError) as error:
            raise CommandFailed(f"TOROKU_DRAFT_KEY: {error}") from error
