"""What a card signs: a purpose in canonical JSON (RFC 8785), encoded and decoded strictly (CRD-01).

A purpose has exactly one encoding. Any other encoding, a missing or additional key, or a malformed value is refused, so
that what a person was shown and what was signed can't differ.
"""

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import rfc8785

from certificate_registry.pki.signature import SignatureAlgorithm
from refusals import Code, Refusal

MOST_PURPOSE_BYTES = 16 * 1024
MOST_LINES = 32
MOST_LINE_LENGTH = 400
NONCE_BYTES = 32

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BIDDER_ID = re.compile(r"[!-~]{1,64}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Marks that change the direction of writing would display a line differently from its content.
_ORDER_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSHOWABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


class PurposeType(StrEnum):
    """A log-in proves possession of the card; an act agrees to its lines."""

    LOG_IN = "log-in"
    ACT = "act"


class Operation(StrEnum):
    """The operations with a card: 登録, 変更, ICカード更新."""

    REGISTRATION = "registration"
    CHANGE = "change"
    RENEWAL = "renewal"


class Role(StrEnum):
    """The role of the card: the old or the new one in a renewal, otherwise the sole one."""

    SOLE = "sole"
    OLD = "old"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Act:
    """The content of an act: `request_sha256` (32 bytes) is over the canonical request, `lines` are shown to people."""

    bidder_id: str
    request_id: str
    request_sha256: bytes
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a card signs. `nonce` and `certificate_sha256` have 32 bytes; `act` is set only for the type ACT."""

    instance: str
    type: PurposeType
    operation: Operation
    role: Role
    agency: str
    category: str
    nonce: bytes
    certificate_sha256: bytes
    act: Act | None = None


@dataclass(frozen=True, slots=True)
class SignedPurpose:
    """An encoded purpose and a card's signature over it."""

    purpose: bytes
    algorithm: SignatureAlgorithm
    signature: bytes = field(repr=False)


def encode(purpose: Purpose) -> bytes:
    """Returns the encoding of a purpose. Raises PURPOSE_MALFORMED, with `part`, for a malformed value."""
    values: dict[str, str | list[str]] = {
        "instance": purpose.instance,
        "type": purpose.type.value,
        "operation": purpose.operation.value,
        "role": purpose.role.value,
        "agency": purpose.agency,
        "category": purpose.category,
        "nonce": base64.urlsafe_b64encode(purpose.nonce).rstrip(b"=").decode(),
        "certificate_sha256": purpose.certificate_sha256.hex(),
    }
    if purpose.act is not None:
        values["bidder_id"] = purpose.act.bidder_id
        values["request_id"] = purpose.act.request_id
        values["request_sha256"] = purpose.act.request_sha256.hex()
        values["lines"] = list(purpose.act.lines)
    if _read(values) != purpose:
        raise _malformed("value")
    encoded = rfc8785.dumps(values)
    if len(encoded) > MOST_PURPOSE_BYTES:
        raise _malformed("size")
    return encoded


def decode(encoded: bytes) -> Purpose:
    """Returns the purpose with this encoding. Raises PURPOSE_MALFORMED, with `part`, for any other bytes."""
    if len(encoded) > MOST_PURPOSE_BYTES:
        raise _malformed("size")
    try:
        values = json.loads(
            encoded.decode("utf-8"), object_pairs_hook=_require_unique_keys, parse_constant=_refuse_constant
        )
        if not isinstance(values, dict) or rfc8785.dumps(values) != encoded:
            raise _malformed("encoding")
    except (ValueError, RecursionError) as error:
        raise _malformed("encoding") from error
    return _read(values)


def expect(
    purpose: Purpose,
    *,
    instance: str,
    type: PurposeType,
    operation: Operation,
    agency: str,
    category: str,
    certificate_sha256: bytes,
    role: Role = Role.SOLE,
) -> None:
    """Checks that a purpose is for exactly this; a refusal names the difference, with the found and expected value.

    Raises PURPOSE_FOR_ANOTHER_INSTANCE, …_CARD, …_TYPE, …_OPERATION, …_ROLE, …_AGENCY, …_CATEGORY.
    """
    differences = (
        ("INSTANCE", purpose.instance, instance),
        ("CARD", purpose.certificate_sha256.hex(), certificate_sha256.hex()),
        ("TYPE", purpose.type.value, type.value),
        ("OPERATION", purpose.operation.value, operation.value),
        ("ROLE", purpose.role.value, role.value),
        ("AGENCY", purpose.agency, agency),
        ("CATEGORY", purpose.category, category),
    )
    _refuse_differences(differences)


def require_act(purpose: Purpose) -> Act:
    """Returns the act of a purpose; raises PURPOSE_FOR_ANOTHER_TYPE if there is none."""
    if purpose.act is None:
        raise _for_another("TYPE", purpose.type.value, PurposeType.ACT.value)
    return purpose.act


def expect_act(purpose: Purpose, *, bidder_id: str, request_id: str, request_sha256: bytes) -> Act:
    """Returns the act of a purpose if it is for this bidder and this request.

    Raises PURPOSE_FOR_ANOTHER_TYPE if there is no act, PURPOSE_FOR_ANOTHER_BIDDER, PURPOSE_FOR_ANOTHER_REQUEST.
    """
    act = require_act(purpose)
    _refuse_differences(
        (
            ("BIDDER", act.bidder_id, bidder_id),
            ("REQUEST", act.request_id, request_id),
            ("REQUEST", act.request_sha256.hex(), request_sha256.hex()),
        )
    )
    return act


def _refuse_differences(differences: tuple[tuple[str, str, str], ...]) -> None:
    for what, found, expected in differences:
        if found != expected:
            raise _for_another(what, found, expected)


def _for_another(what: str, found: str, expected: str) -> Refusal:
    metadata = {"found": found, "expected": expected}
    return Refusal(f"PURPOSE_FOR_ANOTHER_{what}", Code.FAILED_PRECONDITION, metadata)


def _read(values: Mapping[str, object]) -> Purpose:
    rest = dict(values)
    type_ = PurposeType(_one_of(rest, "type", [kind.value for kind in PurposeType]))
    purpose = Purpose(
        instance=_text(rest, "instance", _CODE),
        type=type_,
        operation=Operation(_one_of(rest, "operation", [operation.value for operation in Operation])),
        role=Role(_one_of(rest, "role", [role.value for role in Role])),
        agency=_text(rest, "agency", _CODE),
        category=_text(rest, "category", _CODE),
        nonce=_nonce(rest),
        certificate_sha256=bytes.fromhex(_text(rest, "certificate_sha256", _SHA256)),
        act=_act(rest) if type_ is PurposeType.ACT else None,
    )
    if rest:
        raise _malformed(f"unknown key {min(rest)[:32]}")
    return purpose


def _act(rest: dict[str, object]) -> Act:
    return Act(
        bidder_id=_text(rest, "bidder_id", _BIDDER_ID),
        request_id=_text(rest, "request_id", _UUID),
        request_sha256=bytes.fromhex(_text(rest, "request_sha256", _SHA256)),
        lines=_lines(rest),
    )


def _text(rest: dict[str, object], key: str, pattern: re.Pattern[str]) -> str:
    value = rest.pop(key, None)
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise _malformed(key)
    return value


def _one_of(rest: dict[str, object], key: str, choices: list[str]) -> str:
    value = rest.pop(key, None)
    if not isinstance(value, str) or value not in choices:
        raise _malformed(key)
    return value


def _nonce(rest: dict[str, object]) -> bytes:
    text = _text(rest, "nonce", re.compile(r"[A-Za-z0-9_-]{43}"))
    try:
        nonce = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise _malformed("nonce") from error
    # The last character has two unused bits; only one encoding of a nonce is accepted.
    if base64.urlsafe_b64encode(nonce).rstrip(b"=").decode() != text:
        raise _malformed("nonce")
    return nonce


def _lines(rest: dict[str, object]) -> tuple[str, ...]:
    lines = rest.pop("lines", None)
    if not isinstance(lines, list) or not 0 < len(lines) <= MOST_LINES:
        raise _malformed("lines")
    for line in lines:
        if not isinstance(line, str) or not 0 < len(line) <= MOST_LINE_LENGTH:
            raise _malformed("lines")
        if any(unicodedata.category(character) in _UNSHOWABLE or character in _ORDER_MARKS for character in line):
            raise _malformed("lines")
    return tuple(lines)


def _require_unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _malformed("duplicate key")
    return values


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _malformed(part: str) -> Refusal:
    return Refusal("PURPOSE_MALFORMED", Code.INVALID_ARGUMENT, {"part": part})
