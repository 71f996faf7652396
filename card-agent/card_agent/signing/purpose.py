"""The purpose, which is all that a card signs: canonical JSON (RFC 8785), read strictly, shown completely.

The agent never signs a hash or other bytes. It signs PREFIX followed by the bytes of the purpose, and only a purpose
that it can show: in the canonical encoding, with exactly the keys below, for this certificate and this instance.
Deliberately written independently of the server's reader, so that both do not share a mistake.
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
# Besides control characters: bidirectional marks, which change the order in which a text is displayed.
_ORDER_MARKS = {*"\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
_CONTROL_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class Purpose:
    """A purpose with its encoded bytes. The last four values are empty in a log-in."""

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
class ExpectedPurpose:
    """The purpose that fits the person's current operation; only an act has a bidder and a request."""

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
    """Returns the purpose with this canonical encoding; raises PURPOSE_MALFORMED with `part` for any other bytes."""
    if len(encoded) > _MOST_BYTES:
        raise _malformed("size")
    values = _parse_canonical(encoded)
    type_ = values.get("type")
    keys = {LOG_IN: _LOG_IN_KEYS, ACT: _ACT_KEYS}.get(type_) if isinstance(type_, str) else None
    if keys is None:
        raise _malformed("type")
    if values.keys() != keys:
        raise _malformed(", ".join(sorted(key for key in values.keys() ^ keys if key.isascii() and len(key) <= 32)))
    is_act = type_ == ACT
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
        bidder_id=_text(values, "bidder_id") if is_act else "",
        request_id=_text(values, "request_id") if is_act else "",
        request_sha256=_sha256(values, "request_sha256") if is_act else b"",
        lines=_lines(values["lines"]) if is_act else (),
    )


def check_purpose(purpose: Purpose, expected: ExpectedPurpose) -> None:
    """Checks that the purpose is exactly the expected one.

    Raises PURPOSE_FOR_ANOTHER_INSTANCE, …_TYPE, …_OPERATION, …_ROLE, …_AGENCY, …_CATEGORY, …_CARD, …_BIDDER, …_REQUEST
    with `found` and `expected`.
    """
    for name, actual, expected_value in (
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
        if actual != expected_value:
            metadata = {"found": actual, "expected": expected_value}
            raise Refusal(f"PURPOSE_FOR_ANOTHER_{name}", Code.FAILED_PRECONDITION, metadata)


def _parse_canonical(encoded: bytes) -> Mapping[str, Any]:
    try:
        values = json.loads(encoded.decode("utf-8"), object_pairs_hook=_reject_duplicate_keys)
        if not isinstance(values, dict) or rfc8785.dumps(values) != encoded:
            raise _malformed("encoding")
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise _malformed("encoding") from error
    return values


def _reject_duplicate_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _malformed("encoding")
    return values


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values[key]
    if not isinstance(value, str) or not _is_showable(value):
        raise _malformed(key)
    return value


def _lines(lines: Any) -> tuple[str, ...]:
    if not isinstance(lines, list) or not 0 < len(lines) <= _MOST_LINES:
        raise _malformed("lines")
    if not all(isinstance(line, str) and _is_showable(line) for line in lines):
        raise _malformed("lines")
    return tuple(lines)


def _is_showable(text: str) -> bool:
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
    # The decoder ignores foreign characters and trailing bits; comparing with the encoder's result detects them.
    if len(nonce) != 32 or base64.urlsafe_b64encode(nonce).rstrip(b"=").decode() != text:
        raise _malformed("nonce")
    return nonce


def _malformed(part: str) -> Refusal:
    return Refusal("PURPOSE_MALFORMED", Code.INVALID_ARGUMENT, {"part": part})
