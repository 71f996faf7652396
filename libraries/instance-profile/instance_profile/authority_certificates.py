"""Checks of the CA entries of a profile: everything that certificate-registry needs of them when it starts (CRD-05)."""

from collections.abc import Iterator, Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate, InvalidVersion

from instance_profile.card_authority import CardAuthority
from instance_profile.strict_der import (
    MOST_CERTIFICATE_BYTES,
    decode_pem,
    find_signed_part,
    is_authority,
    load_certificate,
)

MOST_SERIAL_BITS = 160
LEAST_RSA_BITS = 2048
# Verification time grows with the square of the length.
MOST_RSA_BITS = 8192
AUTHORITY_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
HASHES = frozenset({"sha256", "sha384", "sha512"})
_UNREADABLE = (ValueError, TypeError, InvalidVersion, UnsupportedAlgorithm)

Problems = Iterator[tuple[tuple[str | int, ...], str]]


def check_authorities(authorities: Sequence[CardAuthority]) -> Problems:
    """Yields what is wrong with the certificates and pins of CA entries, with the key path below `card_authorities`.

    A certificate has to be readable and of a strong key; each pinned key needs a certificate, and belongs to one entry;
    a chain of signatures leads from every certificate to a pinned key.
    """
    certificates: dict[tuple[str | int, ...], tuple[bytes, Certificate]] = {}
    is_readable = True
    for index, authority in enumerate(authorities):
        for position, text in enumerate(authority.certificates):
            path = (index, "certificates", position)
            try:
                for number, der in enumerate(decode_pem(text.encode(), "CERTIFICATE")):
                    certificates[*path, number] = (der, _read(der))
            except _UNREADABLE as error:
                is_readable = False
                yield path, f"the CA certificate can't be read: {error}"
    wrong_pins = list(_check_pins(authorities, certificates, is_readable))
    yield from wrong_pins
    # Where a certificate or a pin is missing, chains are broken as well, and more lines would not help.
    if is_readable and not wrong_pins:
        yield from _check_chains(authorities, certificates)


def compute_pin(certificate: Certificate) -> str:
    """Returns the SHA-256 of a certificate's key (SubjectPublicKeyInfo in DER), in lower hexadecimal."""
    return sha256(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _read(der: bytes) -> Certificate:
    if len(der) > MOST_CERTIFICATE_BYTES:
        raise ValueError(f"it has more than {MOST_CERTIFICATE_BYTES} bytes")
    certificate = load_certificate(der)
    if not 0 < certificate.serial_number.bit_length() <= MOST_SERIAL_BITS or certificate.serial_number < 0:
        raise ValueError("its serial number is not positive or longer than 160 bits")
    key = certificate.public_key()
    is_rsa = isinstance(key, rsa.RSAPublicKey) and LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS
    is_ec = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in AUTHORITY_CURVES
    if not is_rsa and not is_ec:
        raise ValueError("its key is too weak, or of a kind that is not accepted")
    return certificate


def _check_pins(
    authorities: Sequence[CardAuthority],
    certificates: dict[tuple[str | int, ...], tuple[bytes, Certificate]],
    is_readable: bool,
) -> Problems:
    owners: dict[str, str] = {}
    present = {compute_pin(certificate) for _, certificate in certificates.values()}
    for index, authority in enumerate(authorities):
        for position, pin in enumerate(authority.key_sha256):
            path = (index, "key_sha256", position)
            owner = owners.setdefault(pin, authority.id)
            if owner != authority.id:
                yield path, f"{owner} pins this key too"
            elif pin not in present and is_readable:
                yield path, "no certificate of the profile has this key"


def _check_chains(
    authorities: Sequence[CardAuthority], certificates: dict[tuple[str | int, ...], tuple[bytes, Certificate]]
) -> Problems:
    pins = {pin for authority in authorities for pin in authority.key_sha256}
    issuers = [certificate for _, certificate in certificates.values() if compute_pin(certificate) in pins]
    unchained = {path: entry for path, entry in certificates.items() if compute_pin(entry[1]) not in pins}
    while issuers:
        issued = {
            path: entry for path, entry in unchained.items() if any(_is_signed_by(*entry, one) for one in issuers)
        }
        unchained = {path: entry for path, entry in unchained.items() if path not in issued}
        issuers = [certificate for der, certificate in issued.values() if is_authority(der)]
    for path in unchained:
        yield path[:3], "no pinned key vouches for this certificate"


def _is_signed_by(der: bytes, certificate: Certificate, issuer: Certificate) -> bool:
    signed, key, algorithm = find_signed_part(der), issuer.public_key(), certificate.signature_hash_algorithm
    if algorithm is None or algorithm.name not in HASHES:
        return False
    try:
        parameters = certificate.signature_algorithm_parameters
        match key, parameters:
            case rsa.RSAPublicKey(), padding.PKCS1v15() | padding.PSS():
                key.verify(certificate.signature, signed, parameters, algorithm)
            case ec.EllipticCurvePublicKey(), ec.ECDSA():
                key.verify(certificate.signature, signed, parameters)
            case _:
                return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
