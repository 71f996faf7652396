"""Reads certificates from DER that anyone may have sent; nothing in them is trusted yet (CRD-04).

Two libraries parse each one. `instance_profile.strict_der` refuses everything but strict DER, so that a certificate has
only one SHA-256, and bounds names and extensions before anything reads them. `asn1crypto` reads names and extensions;
the path is validated on its result.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from asn1crypto import x509  # type: ignore[import-untyped]  # the library has no types
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import Certificate as StrictCertificate
from cryptography.x509 import InvalidVersion
from typing_extensions import override

from certificate_registry.pki.card_authorities import CardAuthority
from certificate_registry.pki.names import ParsedCertificate
from instance_profile.locators import ATTRIBUTES, parse_locator
from instance_profile.strict_der import (
    MOST_CERTIFICATE_BYTES,
    NameTooLongError,
    RefusedExtensionsError,
    load_certificate,
)
from refusals import Code, Refusal

MOST_SERIAL_BYTES = 20

# What the parsers raise on hostile DER. Not `Exception`, which would report our own bugs as errors of the sender.
PARSER_ERRORS = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError),
    *(InvalidVersion, UnsupportedAlgorithm),
)

_SHORT_NAMES = dict(ATTRIBUTES.values())
_COMMON_NAME, _ORGANIZATION = "2.5.4.3", "2.5.4.10"
# What is shown of a name that a stranger's certificate has.
_MOST_NAME_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: `kind` RSA, EC or OTHER, its size in bits, its curve (`secp256r1`), its SubjectPublicKeyInfo.

    OTHER is any key that is neither RSA nor on a named elliptic curve; its size is 0.
    """

    kind: str
    bits: int
    curve: str | None
    der: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Pin of the key: SHA-256 of the SubjectPublicKeyInfo, in lower hexadecimal."""
        return sha256(self.der).hexdigest()

    @override
    def __str__(self) -> str:
        return f"{self.kind} {self.curve or self.bits}"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A readable certificate, not yet validated (see `path_validation.validate_certificate`).

    `sha256` identifies the card. `tbs_sha256` is over the signed part only: since an ECDSA signature has two valid
    encodings, a holder can derive a second certificate with another `sha256`, but never with another `tbs_sha256`.
    `serial` is big-endian without a sign byte, 1 to 20 bytes. `key_usage` and `extended_key_usages` (dotted OIDs) are
    None if the extension is absent. `crl_urls` holds http and https addresses only.
    """

    der: bytes = field(repr=False)
    sha256: bytes
    tbs_sha256: bytes = field(repr=False)
    serial: bytes
    issuer: str
    subject: str
    not_before: datetime
    not_after: datetime
    key: PublicKey
    subject_key_identifier: bytes | None
    authority_key_identifier: bytes | None
    key_usage: frozenset[str] | None
    extended_key_usages: frozenset[str] | None
    is_authority: bool
    crl_urls: tuple[str, ...]
    parsed: x509.Certificate = field(repr=False, compare=False)

    @property
    def serial_decimal(self) -> str:
        """Serial number in decimal, up to 49 digits."""
        return format_serial_decimal(self.serial)

    @property
    def serial_hexadecimal(self) -> str:
        """Serial number in upper hexadecimal, two digits per byte."""
        return format_serial_hexadecimal(self.serial)


@dataclass(frozen=True, slots=True)
class CardValues:
    """The values displayed for a card (CRD-04), unchanged from the certificate; None where it has none."""

    company_name: str | None
    company_address: str | None
    holder_name: str | None
    holder_address: str | None


def format_serial_decimal(serial: bytes) -> str:
    """Returns a serial number (big-endian, unsigned) in decimal."""
    return str(int.from_bytes(serial, "big"))


def format_serial_hexadecimal(serial: bytes) -> str:
    """Returns a serial number (big-endian, unsigned) in upper hexadecimal, two digits per byte."""
    return serial.hex().upper()


def parse_certificate(der: bytes) -> Certificate:
    """Reads a certificate in strict DER, without trailing bytes.

    Raises CERTIFICATE_MALFORMED with `part` if it is too large or unreadable, has names or extensions beyond the bounds
    of `strict_der` or an extension twice, names two signature algorithms, or has a serial number that is not positive
    or longer than 160 bits (RFC 5280, 4.1.2.2).
    """
    if len(der) > MOST_CERTIFICATE_BYTES:
        raise _malformed("size")
    try:
        return _read(der)
    except NameTooLongError as error:
        raise _malformed("names") from error
    except RefusedExtensionsError as error:
        raise _malformed("extensions") from error
    except PARSER_ERRORS as error:
        raise _malformed("encoding") from error


def read_values(certificate: Certificate, authority: CardAuthority) -> CardValues:
    """Returns company and holder, from the fields where this CA keeps them.

    A locator is `subject.<attribute>`, `san.directoryName.<attribute>` or `san.otherName.<dotted OID>`; an attribute
    is CN, O, OU, L, ST, street, serialNumber and so on, or a dotted OID. The first value of an attribute counts. `a+b`
    concatenates both, for addresses kept in parts. Raises CERTIFICATE_MALFORMED if a value contains control characters,
    ValueError for an invalid locator.
    """
    texts = (authority.company_name, authority.company_address, authority.holder_name, authority.holder_address)
    locators = [[parse_locator(text) for text in candidates] for candidates in texts]
    try:
        return CardValues(*(_read_first(certificate.parsed, candidates) for candidates in locators))
    except PARSER_ERRORS as error:
        raise _malformed("names") from error


def format_name(name: x509.Name) -> str:
    """Returns a distinguished name as text, most specific part first (RFC 4514): `CN=登録 太郎,O=Toroku,C=JP`."""
    return ",".join(
        "+".join(f"{_attribute_label(pair['type'].dotted)}={_escaped(pair['value'].native)}" for pair in parts)
        for parts in reversed(name.chosen)
    )


def name_issuer(certificate: Certificate) -> str:
    """Returns what people call the issuer: its common name, else its organization, else its whole name."""
    for oid in (_COMMON_NAME, _ORGANIZATION):
        for value in _attribute_values(certificate.parsed.issuer, oid):
            return _escaped(value)[:_MOST_NAME_CHARACTERS]
    return certificate.issuer[:_MOST_NAME_CHARACTERS]


def _read(der: bytes) -> Certificate:
    strict = load_certificate(der)
    parsed = ParsedCertificate.load(der, strict=True)
    tbs = parsed["tbs_certificate"]
    if parsed["signature_algorithm"].dump() != tbs["signature"].dump():
        raise _malformed("signature_algorithm")
    usages = parsed.extended_key_usage_value
    return Certificate(
        der=der,
        sha256=sha256(der).digest(),
        tbs_sha256=sha256(tbs.dump()).digest(),
        serial=_serial(tbs["serial_number"].native),
        issuer=format_name(parsed.issuer),
        subject=format_name(parsed.subject),
        not_before=strict.not_valid_before_utc,
        not_after=strict.not_valid_after_utc,
        key=_key(strict, parsed.public_key.dump()),
        subject_key_identifier=parsed.key_identifier,
        authority_key_identifier=parsed.authority_key_identifier,
        key_usage=None if parsed.key_usage_value is None else frozenset(parsed.key_usage_value.native),
        extended_key_usages=None if usages is None else frozenset(usage.dotted for usage in usages),
        is_authority=bool(parsed.ca),
        crl_urls=tuple(read_distribution_urls(parsed.crl_distribution_points_value)),
        parsed=parsed,
    )


def read_distribution_urls(points: x509.CRLDistributionPoints | None) -> Iterator[str]:
    """Yields the http and https addresses of distribution points or freshestCRL; skips others (LDAP)."""
    for point in points or ():
        name = point["distribution_point"]
        if not name or name.name != "full_name":
            continue
        for general_name in name.chosen:
            if general_name.name == "uniform_resource_identifier":
                url = general_name.chosen.contents.decode("ascii", "replace")
                if url.lower().startswith(("http://", "https://")):
                    yield url


def _key(strict: StrictCertificate, der: bytes) -> PublicKey:
    try:
        key = strict.public_key()
    except (ValueError, UnsupportedAlgorithm):
        # For example, an elliptic curve given by its parameters.
        return PublicKey("OTHER", 0, None, der)
    if isinstance(key, rsa.RSAPublicKey):
        return PublicKey("RSA", key.key_size, None, der)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return PublicKey("EC", key.key_size, key.curve.name, der)
    return PublicKey("OTHER", 0, None, der)


def _serial(number: int) -> bytes:
    serial = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big") if number > 0 else b""
    if not 0 < len(serial) <= MOST_SERIAL_BYTES:
        raise _malformed("serial_number")
    return serial


def _read_first(certificate: x509.Certificate, candidates: list[list[tuple[str, str]]]) -> str | None:
    for locator in candidates:
        parts = (next(_values(certificate, field, oid), None) for field, oid in locator)
        value = "".join(part for part in parts if part)
        if any(unicodedata.category(character) == "Cc" for character in value):
            raise _malformed("names")
        if value.strip():
            return value
    return None


def _values(certificate: x509.Certificate, section: str, oid: str) -> Iterator[str]:
    if section == "subject":
        yield from _attribute_values(certificate.subject, oid)
        return
    for general_name in certificate.subject_alt_name_value or ():
        if section == "san.directoryName" and general_name.name == "directory_name":
            yield from _attribute_values(general_name.chosen, oid)
        elif section == "san.otherName" and general_name.name == "other_name":
            other = general_name.chosen
            if other["type_id"].dotted == oid and isinstance(other["value"].native, str):
                yield other["value"].native


def _attribute_values(name: x509.Name, oid: str) -> Iterator[str]:
    for parts in name.chosen:
        for pair in parts:
            if pair["type"].dotted == oid and isinstance(pair["value"].native, str):
                yield pair["value"].native


def _attribute_label(oid: str) -> str:
    return _SHORT_NAMES.get(oid, oid)


def _escaped(value: object) -> str:
    if not isinstance(value, str):
        return "#" + (bytes(value).hex() if isinstance(value, bytes | bytearray) else "")
    text = "".join(map(_escaped_character, value))
    return f"\\{text}" if text.startswith(("#", " ")) else text


def _escaped_character(character: str) -> str:
    if character in ',+"\\<>;=':
        return f"\\{character}"
    if unicodedata.category(character) == "Cc":
        return "".join(f"\\{byte:02X}" for byte in character.encode())
    return character


def _malformed(part: str) -> Refusal:
    return Refusal("CERTIFICATE_MALFORMED", Code.INVALID_ARGUMENT, {"part": part})
