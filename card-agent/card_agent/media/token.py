"""The abstract token: the functions that every medium with a private key has, a card in a reader or a file."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from card_agent.media.certificate_der import load_certificate
from refusals import Refusal
from signed_acts.signature import SignatureAlgorithm


@dataclass(frozen=True, slots=True)
class Pin:
    """A PIN, or the password of a file. No repr contains it, and so no log and no traceback."""

    _text: str = field(repr=False)

    def encode(self) -> bytes:
        """Returns the PIN's bytes, for the medium only; those that were no UTF-8 come back as they were."""
        # A strict codec would show the whole PIN in its error.
        return self._text.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class TokenCertificate:
    """A certificate on a token that also holds its key, in DER as the token has it.

    `slot` names the key on the medium. `chain_der` contains the medium's certificates of its issuers.
    """

    der: bytes = field(repr=False)
    slot: str
    chain_der: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate, for reading its fields. Its bytes are those of `der`, which it may not have itself."""
        return load_certificate(self.der)

    @property
    def sha256(self) -> bytes:
        """The SHA-256 of the certificate in DER, which identifies the card: 32 bytes."""
        return sha256(self.der).digest()


class Token(Protocol):
    """Exclusive access to an open medium.

    Every method raises CARD_REMOVED, CARD_READER_NOT_FOUND, SMART_CARD_SERVICE_NOT_RUNNING or CARD_FAILED when the
    medium is removed or fails. The token is unusable then; a new `TokenMedium.open` may succeed.
    """

    def certificates(self) -> Sequence[TokenCertificate]:
        """Returns the certificates to choose from, at least one.

        Raises CARD_WITHOUT_CERTIFICATE, CERTIFICATE_MALFORMED.
        """

    def pin_tries_left(self) -> int | None:
        """Returns how often the PIN may still be wrong, without using a try; None if that is unknown."""

    def verify_pin(self, pin: Pin) -> None:
        """Verifies the PIN, once. To be called immediately before each `sign`, because some keys require that.

        Raises CARD_PIN_WRONG with `tries_left` or CARD_PIN_WRONG_UNCOUNTED, CARD_PIN_BLOCKED, and CARD_PIN_FORM with
        the `least` and `most` characters
        without using a try.
        """

    def sign(self, certificate: TokenCertificate, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Returns the signature over `data` (not over a hash); for ECDSA in DER (RFC 3279, 2.2.3).

        Raises CARD_PIN_NOT_VERIFIED, CARD_KEY_NOT_SUPPORTED.
        """


class TokenMedium(Protocol):
    """The source of a token for each use: a reader, a file."""

    @property
    def pin_before_reading(self) -> bool:
        """Whether certificates can be read only after `verify_pin`."""

    def open(self) -> AbstractContextManager[Token]:
        """Opens the token for the duration of the block.

        Raises SMART_CARD_SERVICE_NOT_RUNNING, CARD_READER_NOT_FOUND, CARD_NOT_INSERTED, CARDS_SEVERAL, CARD_IN_USE,
        CARD_UNREADABLE, CARD_NOT_SUPPORTED; for files CARD_FILE_NOT_FOUND, CARD_FILE_UNREADABLE.
        """


@lru_cache(maxsize=4)
def public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    """Returns the certificate's public key; cached for the uses in one operation."""
    return certificate.public_key()


def choose_algorithm(certificate: x509.Certificate) -> SignatureAlgorithm:
    """Returns the algorithm that every card with such a key supports. Raises CARD_KEY_NOT_SUPPORTED."""
    key = public_key(certificate)
    if isinstance(key, rsa.RSAPublicKey):
        return SignatureAlgorithm.RSA_PKCS1V15_SHA256
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1":
        return SignatureAlgorithm.ECDSA_SHA256
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp384r1":
        return SignatureAlgorithm.ECDSA_SHA384
    raise refuse_key(key)


def refuse_key(key: object) -> Refusal:
    """Returns the refusal CARD_KEY_NOT_SUPPORTED with the kind of key, for example `RSA-1024`."""
    if isinstance(key, rsa.RSAPublicKey):
        kind = f"RSA-{key.key_size}"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        kind = f"ECDSA {key.curve.name}"
    else:
        kind = type(key).__name__.removesuffix("PublicKey")
    return Refusal("CARD_KEY_NOT_SUPPORTED", metadata={"key": kind})
