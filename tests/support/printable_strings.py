"""Certificates with characters in a PrintableString that do not belong there, as real CAs issue them."""

import base64

from asn1crypto import core  # type: ignore[import-untyped]  # the library has no types
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding


def write_printable(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, text: str) -> x509.Certificate:
    """Returns a certificate in which this UTF8String is a PrintableString, signed by its CA's key.

    `cryptography` does not write such a string, so the tag is changed and the certificate signed again.
    """
    utf8, printable = core.UTF8String(text).dump(), b"\x13" + core.UTF8String(text).dump()[1:]
    der = certificate.public_bytes(Encoding.DER)
    signed = certificate.tbs_certificate_bytes
    changed = signed.replace(utf8, printable)
    assert changed != signed
    algorithm = der[der.index(signed) + len(signed) :]
    algorithm = algorithm[: 2 + algorithm[1]]
    signature = key.sign(changed, ec.ECDSA(hashes.SHA256()))
    bits = core.BitString.load(b"\x03" + bytes([len(signature) + 1, 0]) + signature).dump()
    body = changed + algorithm + bits
    return _Reencoded(b"\x30\x82" + len(body).to_bytes(2, "big") + body)  # type: ignore[return-value]  # has its bytes


class _Reencoded:
    def __init__(self, der: bytes) -> None:
        self._der = der

    def public_bytes(self, encoding: Encoding) -> bytes:
        """Returns the certificate in DER or PEM."""
        if encoding is Encoding.DER:
            return self._der
        body = base64.encodebytes(self._der)
        return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"
