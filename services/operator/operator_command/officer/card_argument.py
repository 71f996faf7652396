"""A card on the command line: the SHA-256 of its certificate, or a file with the certificate."""

import re
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from instance_profile.characters import shorten_visible
from refusals import Code, Refusal

_HASH = re.compile(r"[0-9A-Fa-f]{64}")
_MOST_SHOWN = 100


def read_card(value: str) -> bytes:
    """Returns the SHA-256 of the certificate (32 bytes) that an argument names. Raises CARD_ARGUMENT_UNREADABLE."""
    if _HASH.fullmatch(value):
        return bytes.fromhex(value)
    try:
        content = Path(value).read_bytes()
        is_pem = b"-----BEGIN" in content
        certificate = x509.load_pem_x509_certificate(content) if is_pem else x509.load_der_x509_certificate(content)
    except (OSError, ValueError):
        metadata = {"card": shorten_visible(value, _MOST_SHOWN)}
        raise Refusal("CARD_ARGUMENT_UNREADABLE", Code.INVALID_ARGUMENT, metadata) from None
    return sha256(certificate.public_bytes(Encoding.DER)).digest()
