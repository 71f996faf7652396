"""Certificate files (PKCS#12, RFC 7292) as tokens. The password is the PIN; tries are not counted."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from card_agent.media.token import Pin, TokenCertificate, refuse_key
from refusals import Code, Refusal
from signed_acts.signature import SignatureAlgorithm

_MOST_BYTES = 1024 * 1024
_SLOT = "file"
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
    """The content of a file; the key is available after `verify_pin`."""

    path: Path
    content: bytes = field(repr=False)
    _decrypted: pkcs12.PKCS12KeyAndCertificates | None = field(default=None, repr=False)

    def certificates(self) -> Sequence[TokenCertificate]:
        """Returns the key's certificate, with the others as its chain. Raises CARD_WITHOUT_CERTIFICATE."""
        archive = self._require_decrypted()
        if archive.cert is None or archive.key is None:
            raise Refusal("CARD_WITHOUT_CERTIFICATE", Code.NOT_FOUND, {"slot": self.path.name})
        chain = tuple(additional.certificate.public_bytes(Encoding.DER) for additional in archive.additional_certs)
        return [TokenCertificate(archive.cert.certificate.public_bytes(Encoding.DER), _SLOT, chain)]

    def pin_tries_left(self) -> int | None:
        """Returns None, because a file does not count tries."""
        return None

    def verify_pin(self, pin: Pin) -> None:
        """Decrypts the file. Raises CARD_FILE_PASSWORD_WRONG, CARD_FILE_UNREADABLE."""
        try:
            self._decrypted = pkcs12.load_pkcs12(self.content, pin.encode())
        except ValueError as error:
            # The library raises one exception for both; only its message differs, and a test would notice a change.
            if str(error).startswith("Invalid password"):
                raise Refusal("CARD_FILE_PASSWORD_WRONG", Code.PERMISSION_DENIED) from error
            raise _unreadable(self.path) from error

    def sign(self, certificate: TokenCertificate, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Returns the signature over `data`. Raises CARD_PIN_NOT_VERIFIED, CARD_KEY_NOT_SUPPORTED."""
        key = self._require_decrypted().key
        kind, digest = algorithm.value.partition("_")[0], _HASHES[algorithm.hash_name]
        if isinstance(key, rsa.RSAPrivateKey) and kind == "RSA" and key.key_size >= 2048:
            if "PSS" in algorithm.value:
                return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
            return key.sign(data, padding.PKCS1v15(), digest)
        if isinstance(key, ec.EllipticCurvePrivateKey) and kind == "ECDSA":
            return key.sign(data, ec.ECDSA(digest))
        raise refuse_key(certificate.certificate.public_key())

    def _require_decrypted(self) -> pkcs12.PKCS12KeyAndCertificates:
        if self._decrypted is None:
            raise Refusal("CARD_PIN_NOT_VERIFIED")
        return self._decrypted


def _unreadable(path: Path) -> Refusal:
    return Refusal("CARD_FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"file": str(path)})
