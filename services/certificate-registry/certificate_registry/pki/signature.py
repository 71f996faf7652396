"""Verifies a card's signature over a purpose (CRD-01).

The signed data is a fixed prefix followed by the purpose, so that a signature made in another protocol is not valid
here, nor one made here in another protocol.
"""

from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from certificate_registry.pki.certificate import PublicKey
from certificate_registry.pki.strength import CARD_CURVES, is_strong
from refusals import Code, Refusal

PURPOSE_PREFIX = b"toroku card signature v1\x00"
# A signature has the length of an RSA modulus, or less than 150 bytes on an elliptic curve.
MOST_SIGNATURE_BYTES = 1024


class SignatureAlgorithm(StrEnum):
    """The algorithms that a card may sign with, by the names of the interface.

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


@dataclass(frozen=True, slots=True)
class _Scheme:
    kind: str
    hash: hashes.HashAlgorithm
    pss: bool = False
    curve: str | None = None


_SCHEMES = {
    SignatureAlgorithm.RSA_PKCS1V15_SHA256: _Scheme("RSA", hashes.SHA256()),
    SignatureAlgorithm.RSA_PKCS1V15_SHA384: _Scheme("RSA", hashes.SHA384()),
    SignatureAlgorithm.RSA_PKCS1V15_SHA512: _Scheme("RSA", hashes.SHA512()),
    SignatureAlgorithm.RSA_PSS_SHA256: _Scheme("RSA", hashes.SHA256(), pss=True),
    SignatureAlgorithm.RSA_PSS_SHA384: _Scheme("RSA", hashes.SHA384(), pss=True),
    SignatureAlgorithm.RSA_PSS_SHA512: _Scheme("RSA", hashes.SHA512(), pss=True),
    SignatureAlgorithm.ECDSA_SHA256: _Scheme("EC", hashes.SHA256(), curve="secp256r1"),
    SignatureAlgorithm.ECDSA_SHA384: _Scheme("EC", hashes.SHA384(), curve="secp384r1"),
}


def prefix_purpose(purpose: bytes) -> bytes:
    """What the card signs for a purpose: the fixed text, a zero byte, the purpose as it is."""
    return PURPOSE_PREFIX + purpose


def parse_signature_algorithm(name: str) -> SignatureAlgorithm:
    """Returns the algorithm with this name; raises SIGNATURE_ALGORITHM_NOT_ACCEPTED if there is none."""
    try:
        return SignatureAlgorithm(name)
    except ValueError:
        raise _not_accepted(name) from None


def verify_card_signature(key: PublicKey, algorithm: SignatureAlgorithm, purpose: bytes, signature: bytes) -> None:
    """Verifies that the card with this key signed this encoded purpose with this algorithm.

    Raises SIGNATURE_ALGORITHM_NOT_ACCEPTED if key and algorithm do not match, CERTIFICATE_KEY_WEAK for a key below
    RSA-2048 or on a curve other than P-256 and P-384, SIGNATURE_INVALID otherwise.
    """
    if not is_strong(key, CARD_CURVES):
        raise Refusal("CERTIFICATE_KEY_WEAK", Code.FAILED_PRECONDITION, {"key": str(key)})
    scheme = _SCHEMES[algorithm]
    if scheme.kind != key.kind or scheme.curve != key.curve:
        raise _not_accepted(algorithm.value, str(key))
    if len(signature) > MOST_SIGNATURE_BYTES:
        raise Refusal("SIGNATURE_INVALID", Code.INVALID_ARGUMENT)
    try:
        _verify(key.der, scheme, prefix_purpose(purpose), signature)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm) as error:
        raise Refusal("SIGNATURE_INVALID", Code.INVALID_ARGUMENT) from error


def _verify(der: bytes, scheme: _Scheme, data: bytes, signature: bytes) -> None:
    key = load_der_public_key(der)
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


def _not_accepted(algorithm: str, key: str = "") -> Refusal:
    metadata = {"algorithm": algorithm[:64], **({"key": key} if key else {})}
    return Refusal("SIGNATURE_ALGORITHM_NOT_ACCEPTED", Code.INVALID_ARGUMENT, metadata)
