"""The key of an officer, with its certificate, in PEM files."""

import getpass
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from operator_command.client.connection import read_file
from operator_command.officer.asking import has_terminal
from operator_command.speech import Phrase, Speech
from refusals import Code, Refusal
from signed_acts.purpose import SignedPurpose
from signed_acts.signature import LEAST_RSA_BITS, SignatureAlgorithm, prefix_purpose

_CURVES = {
    "secp256r1": (SignatureAlgorithm.ECDSA_SHA256, hashes.SHA256()),
    "secp384r1": (SignatureAlgorithm.ECDSA_SHA384, hashes.SHA384()),
}
_PASSPHRASE = Phrase("鍵のファイルのパスワード：", "Password of the key file: ")


class OfficerKey(Protocol):
    """A key of an officer, which connects to services and signs acts."""

    @property
    def certificate(self) -> bytes:
        """The certificate of the key, in DER."""

    @property
    def failure(self) -> Refusal | None:
        """What kept the key from signing the handshake of a connection, if anything did."""

    def make_credentials(self, authorities: bytes) -> grpc.ChannelCredentials:
        """Returns what a channel needs to connect as this officer; `authorities` (PEM) are the services' CAs."""

    def sign(self, purpose: bytes) -> SignedPurpose:
        """Returns an encoded purpose with the signature of the key."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key that was read from a file, and its certificates in PEM, the key's own first."""

    certificates: bytes
    certificate: bytes
    _key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    failure: None = field(default=None, init=False)

    def make_credentials(self, authorities: bytes) -> grpc.ChannelCredentials:
        """Returns the credentials of a channel over mTLS."""
        key = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return grpc.ssl_channel_credentials(authorities, key, self.certificates)

    def sign(self, purpose: bytes) -> SignedPurpose:
        """Returns an encoded purpose with the signature of the key: RSASSA-PKCS1-v1_5, or ECDSA in DER."""
        data = prefix_purpose(purpose)
        if isinstance(self._key, rsa.RSAPrivateKey):
            signature = self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
            return SignedPurpose(purpose, SignatureAlgorithm.RSA_PKCS1V15_SHA256, signature)
        algorithm, digest = _CURVES[self._key.curve.name]
        return SignedPurpose(purpose, algorithm, self._key.sign(data, ec.ECDSA(digest)))


def read_key_file(certificate: Path, private_key: Path, speech: Speech) -> KeyFile:
    """Returns the key in these files, and asks at the terminal for the password of an encrypted one.

    Raises CLIENT_FILE_UNREADABLE, OFFICER_KEY_UNREADABLE, OFFICER_KEY_ENCRYPTED, OFFICER_KEY_PASSWORD_WRONG,
    OFFICER_KEY_NOT_ACCEPTED, OFFICER_KEY_OF_ANOTHER_CERTIFICATE.
    """
    certificates = read_file(certificate)
    try:
        own = x509.load_pem_x509_certificate(certificates)
    except ValueError:
        raise Refusal("OFFICER_KEY_UNREADABLE", Code.INVALID_ARGUMENT, {"path": str(certificate)}) from None
    key = _require_accepted(_load_key(private_key, speech))
    if key.public_key() != own.public_key():
        metadata = {"path": str(private_key), "certificate": str(certificate)}
        raise Refusal("OFFICER_KEY_OF_ANOTHER_CERTIFICATE", Code.INVALID_ARGUMENT, metadata)
    return KeyFile(certificates, own.public_bytes(Encoding.DER), key)


def hash_certificate(key: OfficerKey) -> bytes:
    """Returns the SHA-256 of a key's certificate (32 bytes), by which services know the officer."""
    return sha256(key.certificate).digest()


def _load_key(file: Path, speech: Speech) -> PrivateKeyTypes:
    content = read_file(file)
    metadata = {"path": str(file)}
    try:
        return load_pem_private_key(content, None)
    except TypeError:
        # The library's way of saying that the key is encrypted.
        pass
    except (ValueError, UnsupportedAlgorithm):
        raise Refusal("OFFICER_KEY_UNREADABLE", Code.INVALID_ARGUMENT, metadata) from None
    if not has_terminal():
        raise Refusal("OFFICER_KEY_ENCRYPTED", Code.FAILED_PRECONDITION, metadata)
    try:
        return load_pem_private_key(
            content, getpass.getpass(speech.say(_PASSPHRASE)).encode("utf-8", "surrogateescape")
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refusal("OFFICER_KEY_PASSWORD_WRONG", Code.PERMISSION_DENIED, metadata) from None


def _require_accepted(key: PrivateKeyTypes) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    match key:
        case rsa.RSAPrivateKey() if key.key_size >= LEAST_RSA_BITS:
            return key
        case ec.EllipticCurvePrivateKey() if key.curve.name in _CURVES:
            return key
        case rsa.RSAPrivateKey():
            name = f"RSA-{key.key_size}"
        case ec.EllipticCurvePrivateKey():
            name = key.curve.name
        case _:
            name = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
    raise Refusal("OFFICER_KEY_NOT_ACCEPTED", Code.FAILED_PRECONDITION, {"key": name})
