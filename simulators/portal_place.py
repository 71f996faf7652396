"""Where a portal is, and its certificate: made before it runs, because a browser and a trust file have to know it."""

import base64
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_NAME = "portal.toroku.example"


@dataclass(frozen=True, slots=True)
class PortalPlace:
    """Where a portal is, and how a browser recognizes it."""

    name: str
    port: int
    certificate: Path
    private_key: Path
    # SHA-256 of the public key, in base64.
    key_pin: str

    @property
    def origin(self) -> str:
        """Returns the origin of the portal's pages."""
        return f"https://{self.name}:{self.port}"


def make_portal_place(folder: Path) -> PortalPlace:
    """Finds a free port, and makes a key and a certificate for a day in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding
    own, private = folder / "portal.crt", folder / "portal.key"
    own.write_bytes(certificate.public_bytes(encoding.PEM))
    private.write_bytes(
        key.private_bytes(encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public = key.public_key().public_bytes(encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return PortalPlace(_NAME, port, own, private, base64.b64encode(sha256(public).digest()).decode())
