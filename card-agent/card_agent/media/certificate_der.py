"""Reads certificates whose names have a PrintableString with any visible ASCII character, as the servers do.

Certificates of real CAs have `&`, `_` or `@` in a PrintableString, and other software reads them. `cryptography`
refuses them, so it is shown a copy in which such a string is a UTF8String: the same length, the same characters. The
original is what identifies the card, and what is sent.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from cryptography import x509

_OCTET_STRING, _UTF8_STRING, _PRINTABLE_STRING = 0x04, 0x0C, 0x13
_EXPLICIT_VERSION, _EXPLICIT_EXTENSIONS, _DIRECTORY_NAME = 0xA0, 0xA3, 0xA4
_SUBJECT_ALTERNATIVE_NAME = b"\x55\x1d\x11"
_STANDARD = re.compile(rb"[A-Za-z0-9 '()+,./:=?-]*")
_VISIBLE = re.compile(rb"[ -~]*")

# Tag, start, start of the content, end.
_Element = tuple[int, int, int, int]


@lru_cache(maxsize=16)
def load_certificate(der: bytes) -> x509.Certificate:
    """Returns a certificate for reading its fields; its bytes may be those of a changed copy. Raises ValueError."""
    copy = bytearray(der)
    for name in _names(der):
        for _, _, content, end in _elements(der, name[2], name[3]):
            for _, _, parts, parts_end in _elements(der, content, end):
                for tag, at, value, value_end in _elements(der, parts, parts_end):
                    text = der[value:value_end]
                    if tag == _PRINTABLE_STRING and not _STANDARD.fullmatch(text) and _VISIBLE.fullmatch(text):
                        copy[at] = _UTF8_STRING
    return x509.load_der_x509_certificate(bytes(copy))


def _names(der: bytes) -> Iterator[_Element]:
    whole = _element(der, 0, len(der))
    signed = _element(der, whole[2], whole[3])
    fields = [field for field in _elements(der, signed[2], signed[3]) if field[0] != _EXPLICIT_VERSION]
    # serialNumber, signature, issuer, validity, subject
    if len(fields) < 5:
        raise ValueError("the certificate is incomplete")
    yield fields[2]
    yield fields[4]
    if fields[-1][0] == _EXPLICIT_EXTENSIONS:
        yield from _alternative_names(der, fields[-1])


def _alternative_names(der: bytes, field: _Element) -> Iterator[_Element]:
    _, _, content, end = _element(der, field[2], field[3])
    for _, _, inner, stop in _elements(der, content, end):
        parts = list(_elements(der, inner, stop))
        if len(parts) < 2:
            raise ValueError("an extension is incomplete")
        if der[parts[0][2] : parts[0][3]] != _SUBJECT_ALTERNATIVE_NAME or parts[-1][0] != _OCTET_STRING:
            continue
        names = _element(der, parts[-1][2], parts[-1][3])
        for tag, _, name, name_end in _elements(der, names[2], names[3]):
            if tag == _DIRECTORY_NAME:
                yield _element(der, name, name_end)


def _elements(der: bytes, at: int, end: int) -> Iterator[_Element]:
    while at < end:
        element = _element(der, at, end)
        yield element
        at = element[3]


def _element(der: bytes, at: int, end: int) -> _Element:
    # Tags above 30 do not occur where this is used.
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
    return der[at], at, content, content + length
