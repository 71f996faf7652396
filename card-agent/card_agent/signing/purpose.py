"""What a card may sign: a purpose in canonical JSON (RFC 8785), read strictly, shown whole, signed byte for byte.

The agent never signs a hash or any other bytes. It signs PREFIX followed by the purpose, and only a purpose that it
can show: one encoding, the keys below and no others, for this certificate, for the instance that was asked.
Written apart from the server's own reader on purpose, so that both can't share a mistake.
"""

import base64
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785

from refusals import Code, Refusal

PREFIX = b"toroku card signature v1\x00"
LOG_IN, ACT = "log-in", "act"
REGISTRATION = "registration"
SOLE = "sole"

_MOST_BYTES = 64 * 1024
_MOST_LINES = 100
_LOG_IN_KEYS = frozenset({"instance", "type", "operation", "role", "agency", "category", "nonce", "certificate_sha256"})
_ACT_KEYS = _LOG_IN_KEYS | {"bidder_id", "request_id", "request_sha256", "lines"}
# Besides control characters: marks that turn or break the order of a text, so that it reads otherwise than it is.
_ORDER_MARKS = {*"\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
_CONTROL_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class Purpose:
    """A purpose that was read, with the bytes that it was read from. The last four are empty in a log-in."""

    encoded: bytes
    instance: str
    type: str
    operation: str
    role: str
    agency: str
    category: str
    nonce: bytes
    certificate_sha256: bytes
    bidder_id: str = ""
    request_id: str = ""
    request_sha256: bytes = b""
    lines: tuple[str, ...] = ()

    @property
    def to_be_signed(self) -> bytes:
        """The bytes that the card signs."""
        return PREFIX + self.encoded


@dataclass(frozen=True, slots=True)
class Expected:
    """What the person is doing, as this agent knows it: for an act with bidder and request."""

    type: str
    instance: str
    agency: str
    category: str
    certificate_sha256: bytes
    bidder_id: str = ""
    request_id: str = ""
    request_sha256: bytes = b""
    operation: str = REGISTRATION
    role: str = SOLE


def read_purpose(encoded: bytes) -> Purpose:
    """The purpose that these bytes are the only encoding of. Raises PURPOSE_MALFORMED with `part` for all others."""
    if len(encoded) > _MOST_BYTES:
        raise _malformed("size")
    values = _canonical(encoded)
    type_ = values.get("type")
    keys = {LOG_IN: _LOG_IN_KEYS, ACT: _ACT_KEYS}.get(type_) if isinstance(type_, str) else None
    if keys is None:
        raise _malformed("type")
    if values.keys() != keys:
        raise _malformed(", ".join(sorted(key for key in values.keys() ^ keys if key.isascii() and len(key) <= 32)))
    act = type_ == ACT
    return Purpose(
        encoded,
        instance=_text(values, "instance"),
        type=_text(values, "type"),
        operation=_text(values, "operation"),
        role=_text(values, "role"),
        agency=_text(values, "agency"),
        category=_text(values, "category"),
        nonce=_nonce(_text(values, "nonce")),
        certificate_sha256=_sha256(values, "certificate_sha256"),
        bidder_id=_text(values, "bidder_id") if act else "",
        request_id=_text(values, "request_id") if act else "",
        request_sha256=_sha256(values, "request_sha256") if act else b"",
        lines=_lines(values["lines"]) if act else (),
    )


def check_purpose(purpose: Purpose, expected: Expected) -> None:
    """Returns where the purpose is for what the person is doing, and nothing else.

    Raises PURPOSE_FOR_ANOTHER_INSTANCE, …_TYPE, …_OPERATION, …_ROLE, …_AGENCY, …_CATEGORY, …_CARD, …_BIDDER, …_REQUEST
    with `found` and `expected`.
    """
    for name, found, wanted in (
        ("INSTANCE", purpose.instance, expected.instance),
        ("TYPE", purpose.type, expected.type),
        ("OPERATION", purpose.operation, expected.operation),
        ("ROLE", purpose.role, expected.role),
        ("AGENCY", purpose.agency, expected.agency),
        ("CATEGORY", purpose.category, expected.category),
        ("CARD", purpose.certificate_sha256.hex(), expected.certificate_sha256.hex()),
        ("BIDDER", purpose.bidder_id, expected.bidder_id),
        ("REQUEST", purpose.request_id, expected.request_id),
        ("REQUEST", purpose.request_sha256.hex(), expected.request_sha256.hex()),
    ):
        if found != wanted:
            metadata = {"found": found, "expected": wanted}
            raise Refusal(f"PURPOSE_FOR_ANOTHER_{name}", Code.FAILED_PRECONDITION, metadata)


def _canonical(encoded: bytes) -> Mapping[str, Any]:
    try:
        values = json.loads(encoded.decode("utf-8"), object_pairs_hook=_without_doubles)
        if not isinstance(values, dict) or rfc8785.dumps(values) != encoded:
            raise _malformed("encoding")
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise _malformed("encoding") from error
    return values


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _malformed("encoding")
    return values


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values[key]
    if not isinstance(value, str) or not _showable(value):
        raise _malformed(key)
    return value


def _lines(lines: Any) -> tuple[str, ...]:
    if not isinstance(lines, list) or not 0 < len(lines) <= _MOST_LINES:
        raise _malformed("lines")
    if not all(isinstance(line, str) and _showable(line) for line in lines):
        raise _malformed("lines")
    return tuple(lines)


def _showable(text: str) -> bool:
    return bool(text.strip()) and not any(
        unicodedata.category(character) in _CONTROL_CATEGORIES or character in _ORDER_MARKS for character in text
    )


def _sha256(values: Mapping[str, Any], key: str) -> bytes:
    text = _text(values, key)
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise _malformed(key)
    return bytes.fromhex(text)


def _nonce(text: str) -> bytes:
    try:
        nonce = base64.urlsafe_b64decode(text + "=")
    except ValueError as error:
        raise _malformed("nonce") from error
    # Decoding overlooks foreign characters and loose bits; encoding again does not.
    if len(nonce) != 32 or base64.urlsafe_b64encode(nonce).rstrip(b"=").decode() != text:
        raise _malformed("nonce")
    return nonce


def _malformed(part: str) -> Refusal:
    return Refusal("PURPOSE_MALFORMED", Code.INVALID_ARGUMENT, {"part": part})
