"""Certificate files (PKCS#12, RFC 7292) as tokens. The password is the PIN; tries are not counted."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, pkcs12

from card_agent.media.issuers import list_issuers
from card_agent.media.pkcs12_structure import EncodedKey, read_structure
from card_agent.media.token import Pin, TokenCertificate, refuse_key
from refusals import Code, Refusal
from signed_acts.signature import SignatureAlgorithm

_MOST_BYTES = 1024 * 1024
# Of the derivation of a key from the password. Usual are 2,000 to 600,000; ten million take ten seconds.
_MOST_ITERATIONS = 10_000_000
_HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


@dataclass(frozen=True, slots=True)
class Pkcs12File:
    """A token medium: a file, read anew for each use."""

    path: Path

    @property
    def pin_before_reading(self) -> bool:
        """Always true: the certificates are encrypted too."""
        return True

    @contextlib.contextmanager
    def open(self) -> Iterator["Pkcs12Token"]:
        """Reads the file and yields its token. Raises CARD_FILE_NOT_FOUND, CARD_FILE_UNREADABLE."""
        try:
            with self.path.open("rb") as file:
                content = file.read(_MOST_BYTES + 1)
        except FileNotFoundError as error:
            raise Refusal("CARD_FILE_NOT_FOUND", Code.NOT_FOUND, {"file": str(self.path)}) from error
        except OSError as error:
            raise _unreadable(self.path) from error
        if len(content) > _MOST_BYTES:
            raise _unreadable(self.path)
        yield Pkcs12Token(self.path, content)


@dataclass(slots=True)
class Pkcs12Token:
    """The content of a file; its keys are available after `verify_pin`. A slot is the position of a key, from 1."""

    path: Path
    content: bytes = field(repr=False)
    _keys: tuple[PrivateKeyTypes, ...] | None = field(default=None, repr=False)
    _certificates: tuple[x509.Certificate, ...] = field(default=(), repr=False)

    def certificates(self) -> Sequence[TokenCertificate]:
        """Returns the certificate of each key with its issuers as far as the file has them.

        Raises CARD_WITHOUT_CERTIFICATE.
        """
        others = [each.public_bytes(Encoding.DER) for each in self._certificates]
        found = [
            TokenCertificate(der, str(number), list_issuers(der, others))
            for number, key in enumerate(self._require_keys(), 1)
            for certificate, der in zip(self._certificates, others, strict=True)
            if certificate.public_key() == key.public_key()
        ]
        if not found:
            raise Refusal("CARD_WITHOUT_CERTIFICATE", Code.NOT_FOUND, {"slot": self.path.name})
        return found

    def pin_tries_left(self) -> int | None:
        """Returns None, because a file does not count tries."""
        return None

    def verify_pin(self, pin: Pin) -> None:
        """Decrypts the file. Raises CARD_FILE_PASSWORD_WRONG, CARD_FILE_UNREADABLE, CARD_FILE_TOO_COSTLY."""
        password = pin.encode()
        # No file has such a password, and the library's own error would show it.
        if b"\0" in password or not _is_utf_8(password):
            raise Refusal("CARD_FILE_PASSWORD_WRONG", Code.PERMISSION_DENIED)
        try:
            structure = read_structure(self.content)
        except ValueError as error:
            raise _unreadable(self.path) from error
        if structure.iterations > _MOST_ITERATIONS:
            metadata = {"file": str(self.path), "iterations": str(structure.iterations), "most": str(_MOST_ITERATIONS)}
            raise Refusal("CARD_FILE_TOO_COSTLY", Code.INVALID_ARGUMENT, metadata)
        try:
            archive = pkcs12.load_pkcs12(self.content, password)
            # The library returns the first key only.
            keys = [_load_key(key, password) for key in structure.keys] if len(structure.keys) > 1 else [archive.key]
        except ValueError as error:
            # The library raises one exception for both; only its message differs, and a test would notice a change.
            if str(error).startswith("Invalid password"):
                raise Refusal("CARD_FILE_PASSWORD_WRONG", Code.PERMISSION_DENIED) from error
            raise _unreadable(self.path) from error
        self._keys = tuple(key for key in keys if key is not None)
        certificates = [archive.cert] if archive.cert is not None else []
        found = (each.certificate for each in (*certificates, *archive.additional_certs))
        self._certificates = tuple(dict.fromkeys(found))

    def sign(self, certificate: TokenCertificate, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Returns the signature over `data`. Raises CARD_PIN_NOT_VERIFIED, CARD_KEY_NOT_SUPPORTED."""
        key = self._require_keys()[int(certificate.slot) - 1]
        kind, digest = algorithm.value.partition("_")[0], _HASHES[algorithm.hash_name]
        if isinstance(key, rsa.RSAPrivateKey) and kind == "RSA" and key.key_size >= 2048:
            if "PSS" in algorithm.value:
                return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
            return key.sign(data, padding.PKCS1v15(), digest)
        if isinstance(key, ec.EllipticCurvePrivateKey) and kind == "ECDSA":
            return key.sign(data, ec.ECDSA(digest))
        raise refuse_key(certificate.certificate.public_key())

    def _require_keys(self) -> tuple[PrivateKeyTypes, ...]:
        if self._keys is None:
            raise Refusal("CARD_PIN_NOT_VERIFIED")
        return self._keys


def _load_key(key: EncodedKey, password: bytes) -> PrivateKeyTypes:
    return load_der_private_key(key.der, password if key.encrypted else None)


def _is_utf_8(password: bytes) -> bool:
    try:
        password.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unreadable(path: Path) -> Refusal:
    return Refusal("CARD_FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"file": str(path)})
