"""Reads certificates and CRLs as strict DER, except that a PrintableString may have any visible ASCII character.

Certificates of real CAs have `&`, `_` or `@` in a PrintableString, and other software reads them. `cryptography`
refuses them, so it is shown a copy in which such a string is a UTF8String: the same length, the same characters. The
original is what is stored, hashed, and what a signature is over.
"""

import binascii
import re
from collections.abc import Iterator
from itertools import islice

from cryptography.x509 import (
    Certificate,
    CertificateRevocationList,
    load_der_x509_certificate,
    load_der_x509_crl,
)

# Certificates on cards have 1 to 3 KB; anything much larger is an attack.
MOST_CERTIFICATE_BYTES = 16 * 1024
# Bounds of a distinguished name. Names on cards have a few hundred bytes; preparing one for comparison (RFC 4518) costs
# up to 18 characters for each character in it.
MOST_NAME_BYTES = 2 * 1024
MOST_VALUE_CHARACTERS = 512
MOST_ATTRIBUTES = 32
# Bounds of extensions. Certificates have about a dozen, and one or two addresses of CRLs.
MOST_EXTENSIONS = 32
MOST_LIST_EXTENSION_BYTES = 2 * 1024

_INTEGER, _UTF8_STRING, _PRINTABLE_STRING, _SEQUENCE, _SET = 0x02, 0x0C, 0x13, 0x30, 0x31
_BMP_STRING, _UNIVERSAL_STRING = 0x1E, 0x1C
_EXPLICIT_VERSION, _EXPLICIT_EXTENSIONS = 0xA0, 0xA3
# cRLDistributionPoints and extendedKeyUsage: lists that are read entry by entry (2.5.29.31 and 2.5.29.37).
_BASIC_CONSTRAINTS, _TRUE = b"\x55\x1d\x13", b"\x01\x01\xff"
_LIST_EXTENSIONS = (b"\x55\x1d\x1f", b"\x55\x1d\x25")
_BYTES_PER_CHARACTER = {_BMP_STRING: 2, _UNIVERSAL_STRING: 4}
_STANDARD = re.compile(rb"[A-Za-z0-9 '()+,./:=?-]*")
_VISIBLE = re.compile(rb"[ -~]*")
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.DOTALL)


class NameTooLongError(ValueError):
    """A distinguished name beyond the bounds."""


class RefusedExtensionsError(ValueError):
    """Extensions beyond the bounds, or one that is there twice."""


def load_certificate(der: bytes) -> Certificate:
    """Returns a certificate for reading its fields; not for verifying signatures, since names may be a changed copy.

    Raises NameTooLongError for an issuer or subject beyond the bounds, RefusedExtensionsError for extensions beyond
    theirs or one that is there twice, ValueError for anything but strict DER.
    """
    signed = _open_signed_part(der)
    fields = [field for field in _elements(der, *signed) if field[0] != _EXPLICIT_VERSION]
    # serialNumber, signature, issuer, validity, subject
    if len(fields) < 5:
        raise ValueError("the certificate is incomplete")
    seen: set[bytes] = set()
    for oid, size, _ in _extensions(der, fields[-1]):
        if oid in seen:
            raise RefusedExtensionsError("it has an extension twice")
        seen.add(oid)
        if len(seen) > MOST_EXTENSIONS:
            raise RefusedExtensionsError(f"it has more than {MOST_EXTENSIONS} extensions")
        if size > MOST_LIST_EXTENSION_BYTES and oid in _LIST_EXTENSIONS:
            raise RefusedExtensionsError(f"a list in an extension has more than {MOST_LIST_EXTENSION_BYTES} bytes")
    return load_der_x509_certificate(_relax_names(der, (fields[2], fields[4])))


def load_revocation_list(der: bytes) -> CertificateRevocationList:
    """Returns a CRL for reading its fields; raises as `load_certificate`."""
    start, end = _open_signed_part(der)
    fields = []
    for field in _elements(der, start, end):
        fields.append(field)
        # version?, signature, issuer: what follows can be megabytes.
        if len(fields) == 3:
            break
    if fields and fields[0][0] == _INTEGER:
        fields = fields[1:]
    if len(fields) < 2:
        raise ValueError("the list is incomplete")
    return load_der_x509_crl(_relax_names(der, (fields[1],)))


def decode_pem(text: bytes, label: str) -> tuple[bytes, ...]:
    """Returns the contents of all PEM blocks with this label, for example CERTIFICATE.

    Raises ValueError if there is none, or if one is not base64.
    """
    blocks = [body for kind, body in _PEM.findall(text) if kind == label.encode()]
    if not blocks:
        raise ValueError(f"it has no block -----BEGIN {label}-----")
    try:
        return tuple(binascii.a2b_base64(b"".join(body.split()), strict_mode=True) for body in blocks)
    except binascii.Error as error:
        raise ValueError(f"a block {label} is not base64") from error


def find_signed_part(der: bytes) -> bytes:
    """Returns the part of a certificate or CRL that its signature is over; raises ValueError for malformed DER."""
    _, content, end = _element(der, 0, len(der))
    _, _, stop = _element(der, content, end)
    return der[content:stop]


def is_authority(der: bytes) -> bool:
    """Returns whether a certificate that was loaded before says that it is a CA's (basicConstraints)."""
    *_, last = _elements(der, *_open_signed_part(der))
    for oid, _, value in _extensions(der, last):
        if oid == _BASIC_CONSTRAINTS:
            _, content, end = _element(value, 0, len(value))
            return value[content : min(end, content + 3)] == _TRUE
    return False


def _relax_names(der: bytes, names: tuple[tuple[int, int, int, int], ...]) -> bytes:
    copy: bytearray | None = None
    for tag, start, content, stop in names:
        if tag != _SEQUENCE:
            raise ValueError("a name is not a sequence")
        if stop - start > MOST_NAME_BYTES:
            raise NameTooLongError(f"a name has more than {MOST_NAME_BYTES} bytes")
        for number, (kind, at, value) in enumerate(_values(der, content, stop), 1):
            if number > MOST_ATTRIBUTES:
                raise NameTooLongError(f"a name has more than {MOST_ATTRIBUTES} attributes")
            if _count_characters(kind, value) > MOST_VALUE_CHARACTERS:
                raise NameTooLongError(f"a value of a name has more than {MOST_VALUE_CHARACTERS} characters")
            if kind == _PRINTABLE_STRING and not _STANDARD.fullmatch(value) and _VISIBLE.fullmatch(value):
                copy = copy or bytearray(der)
                copy[at] = _UTF8_STRING
    return der if copy is None else bytes(copy)


def _extensions(der: bytes, field: tuple[int, int, int, int]) -> Iterator[tuple[bytes, int, bytes]]:
    # The OID, the size in bytes and the value of each extension.
    if field[0] != _EXPLICIT_EXTENSIONS:
        return
    _, content, end = _element(der, *field[2:])
    for _, start, inner, stop in _elements(der, content, end):
        parts = list(islice(_elements(der, inner, stop), 4))
        if not parts:
            raise ValueError("an extension is empty")
        yield der[parts[0][2] : parts[0][3]], stop - start, der[parts[-1][2] : parts[-1][3]]


def _values(der: bytes, content: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    for set_tag, _, pairs, set_end in _elements(der, content, end):
        for pair_tag, _, parts, pair_end in _elements(der, pairs, set_end):
            fields = list(_elements(der, parts, pair_end))
            if set_tag != _SET or pair_tag != _SEQUENCE or len(fields) != 2:
                raise ValueError("a name is malformed")
            kind, at, start, stop = fields[1]
            yield kind, at, der[start:stop]


def _count_characters(kind: int, value: bytes) -> int:
    if kind == _UTF8_STRING:
        return len(value.decode("utf-8", "replace"))
    return len(value) // _BYTES_PER_CHARACTER.get(kind, 1)


def _open_signed_part(der: bytes) -> tuple[int, int]:
    _, content, end = _element(der, 0, len(der))
    _, start, stop = _element(der, content, end)
    return start, stop


def _elements(der: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    while at < end:
        tag, content, stop = _element(der, at, end)
        yield tag, at, content, stop
        at = stop


def _element(der: bytes, at: int, end: int) -> tuple[int, int, int]:
    # Tag, start and end of the content. Tags above 30 do not occur where this is used.
    if at + 2 > end:
        raise ValueError("an element is cut off")
    length, content = der[at + 1], at + 2
    if length >= 0x80:
        size = length & 0x7F
        if not 0 < size <= 4 or content + size > end:
            raise ValueError("a length is malformed")
        length, content = int.from_bytes(der[content : content + size], "big"), content + size
    if content + length > end:
        raise ValueError("an element is cut off")
    return der[at], content, content + length
