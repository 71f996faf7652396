"""Verifies a card's signature over a purpose (CRD-01).

The signed data is a fixed prefix followed by the purpose, so that a signature made in another protocol is not valid
here, nor one made here in another protocol.
"""

from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from refusals import Code, Refusal

PURPOSE_PREFIX = b"toroku card signature v1\x00"
# A signature has the length of an RSA modulus, or less than 150 bytes on an elliptic curve.
MOST_SIGNATURE_BYTES = 1024
# NIST SP 800-57 part 1; longer keys cost time and no card has them.
LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 8192


class SignatureAlgorithm(StrEnum):
    """The algorithms that a card may sign with, named as in toroku.act.v1.SignatureAlgorithm.

    An RSASSA-PSS salt is as long as the hash, and its mask uses the same hash (RFC 8017). ECDSA signatures are in DER,
    with SHA-256 on P-256 and SHA-384 on P-384.
    """

    RSA_PKCS1V15_SHA256 = "RSA_PKCS1V15_SHA256"
    RSA_PKCS1V15_SHA384 = "RSA_PKCS1V15_SHA384"
    RSA_PKCS1V15_SHA512 = "RSA_PKCS1V15_SHA512"
    RSA_PSS_SHA256 = "RSA_PSS_SHA256"
    RSA_PSS_SHA384 = "RSA_PSS_SHA384"
    RSA_PSS_SHA512 = "RSA_PSS_SHA512"
    ECDSA_SHA256 = "ECDSA_SHA256"
    ECDSA_SHA384 = "ECDSA_SHA384"

    @property
    def hash_name(self) -> str:
        """The name of the hash for hashlib."""
        return self.value.rpartition("_")[2].lower()


@dataclass(frozen=True, slots=True)
class _Scheme:
    hash: hashes.HashAlgorithm
    pss: bool = False
    # The curve of ECDSA; None for RSA.
    curve: str | None = None


_SCHEMES = {
    SignatureAlgorithm.RSA_PKCS1V15_SHA256: _Scheme(hashes.SHA256()),
    SignatureAlgorithm.RSA_PKCS1V15_SHA384: _Scheme(hashes.SHA384()),
    SignatureAlgorithm.RSA_PKCS1V15_SHA512: _Scheme(hashes.SHA512()),
    SignatureAlgorithm.RSA_PSS_SHA256: _Scheme(hashes.SHA256(), pss=True),
    SignatureAlgorithm.RSA_PSS_SHA384: _Scheme(hashes.SHA384(), pss=True),
    SignatureAlgorithm.RSA_PSS_SHA512: _Scheme(hashes.SHA512(), pss=True),
    SignatureAlgorithm.ECDSA_SHA256: _Scheme(hashes.SHA256(), curve="secp256r1"),
    SignatureAlgorithm.ECDSA_SHA384: _Scheme(hashes.SHA384(), curve="secp384r1"),
}
_CURVES = frozenset(scheme.curve for scheme in _SCHEMES.values() if scheme.curve is not None)


def prefix_purpose(purpose: bytes) -> bytes:
    """Returns what the card signs for an encoded purpose: the fixed text, a zero byte, the purpose as it is."""
    return PURPOSE_PREFIX + purpose


def parse_signature_algorithm(name: str) -> SignatureAlgorithm:
    """Returns the algorithm with this name; raises SIGNATURE_ALGORITHM_NOT_ACCEPTED if there is none."""
    try:
        return SignatureAlgorithm(name)
    except ValueError:
        raise _refuse_algorithm(name) from None


def verify_card_signature(key_der: bytes, algorithm: SignatureAlgorithm, purpose: bytes, signature: bytes) -> None:
    """Verifies that the card with this key (SubjectPublicKeyInfo in DER) signed this encoded purpose.

    Raises CERTIFICATE_KEY_WEAK for a key below RSA-2048 or on a curve other than P-256 and P-384,
    SIGNATURE_ALGORITHM_NOT_ACCEPTED if key and algorithm do not match, SIGNATURE_INVALID otherwise.
    """
    scheme = _SCHEMES[algorithm]
    try:
        key = load_der_public_key(key_der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refusal("CERTIFICATE_KEY_WEAK", Code.FAILED_PRECONDITION, {"key": "OTHER"}) from error
    name = _require_strong(key)
    if scheme.curve != (key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else None):
        raise _refuse_algorithm(algorithm.value, name)
    if len(signature) > MOST_SIGNATURE_BYTES:
        raise Refusal("SIGNATURE_INVALID", Code.INVALID_ARGUMENT)
    try:
        _verify(key, scheme, prefix_purpose(purpose), signature)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm) as error:
        raise Refusal("SIGNATURE_INVALID", Code.INVALID_ARGUMENT) from error


def _require_strong(key: PublicKeyTypes) -> str:
    """Returns the kind of a key; raises CERTIFICATE_KEY_WEAK with it as `key`."""
    match key:
        case rsa.RSAPublicKey():
            name, strong = f"RSA {key.key_size}", LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS
        case ec.EllipticCurvePublicKey():
            name, strong = f"EC {key.curve.name}", key.curve.name in _CURVES
        case _:
            name, strong = "OTHER", False
    if not strong:
        raise Refusal("CERTIFICATE_KEY_WEAK", Code.FAILED_PRECONDITION, {"key": name})
    return name


def _verify(key: PublicKeyTypes, scheme: _Scheme, data: bytes, signature: bytes) -> None:
    match key:
        case rsa.RSAPublicKey() if scheme.pss:
            mask = padding.MGF1(scheme.hash)
            key.verify(signature, data, padding.PSS(mask, scheme.hash.digest_size), scheme.hash)
        case rsa.RSAPublicKey():
            key.verify(signature, data, padding.PKCS1v15(), scheme.hash)
        case ec.EllipticCurvePublicKey():
            key.verify(signature, data, ec.ECDSA(scheme.hash))
        case _:
            raise InvalidSignature


def _refuse_algorithm(algorithm: str, key: str = "") -> Refusal:
    metadata = {"algorithm": algorithm[:64], **({"key": key} if key else {})}
    return Refusal("SIGNATURE_ALGORITHM_NOT_ACCEPTED", Code.INVALID_ARGUMENT, metadata)
