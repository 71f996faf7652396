"""The two links by which a portal sends a person to the agent, read strictly (docs/hand-off.md)."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from refusals import Code, Refusal
from refusals.language import Language
from signed_acts.purpose import Operation, Role

MOST_ADDRESS_BYTES = 96 * 1024
_MOST_PURPOSE_CHARACTERS = 22 * 1024
_MOST_REQUEST_CHARACTERS = 64 * 1024
_MOST_PARAMETERS = 8

HAND_OFF = re.compile(r"[A-Za-z0-9_-]{43}")
_STEP = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_COMMON = {"handoff", "step", "language"}
_OPERATIONS = (Operation.REGISTRATION, Operation.CHANGE, Operation.RENEWAL, Operation.VIEW)


@dataclass(frozen=True, slots=True)
class Link:
    """What both links have. `address` is path and query as they came."""

    step: str
    language: Language | None
    address: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CardLink(Link):
    """A card is to be chosen."""

    operation: Operation
    role: Role
    category: str | None


@dataclass(frozen=True, slots=True)
class SignLink(Link):
    """A purpose is to be signed; `request` is the canonical request of an act, None where it was not sent."""

    purpose: bytes = field(repr=False)
    request: bytes | None = field(repr=False)


def read_hand_off(query: bytes) -> str | None:
    """Returns the id of the hand-off that a link is for; None if it has none."""
    try:
        ids = [value for name, value in _split(query) if name == "handoff"]
    except Refusal:
        return None
    return ids[0] if len(ids) == 1 and HAND_OFF.fullmatch(ids[0]) else None


def read_card_link(query: bytes) -> CardLink:
    """Returns the link to /card with this query. Raises LINK_MALFORMED with `part`."""
    values = _read_parameters(query, {"operation", "role", "category"})
    operation, role = values.get("operation"), values.get("role")
    if operation not in _OPERATIONS:
        raise _malformed("operation")
    if role not in list(Role) or (operation == Operation.RENEWAL) == (role == Role.SOLE):
        raise _malformed("role")
    category = values.get("category")
    if category is not None and not _CODE.fullmatch(category):
        raise _malformed("category")
    step, language = _read_common(values)
    return CardLink(step, language, _write_address("/card", query), Operation(operation), Role(role), category)


def read_sign_link(query: bytes) -> SignLink:
    """Returns the link to /sign with this query. Raises LINK_MALFORMED with `part`."""
    values = _read_parameters(query, {"purpose", "request"})
    if "purpose" not in values:
        raise _malformed("purpose")
    purpose = _decode(values, "purpose", _MOST_PURPOSE_CHARACTERS)
    request = _decode(values, "request", _MOST_REQUEST_CHARACTERS) if "request" in values else None
    step, language = _read_common(values)
    return SignLink(step, language, _write_address("/sign", query), purpose, request)


def _read_parameters(query: bytes, own: set[str]) -> Mapping[str, str]:
    values: dict[str, str] = {}
    for name, value in _split(query):
        if name in values or name not in _COMMON | own:
            raise _malformed(name)
        values[name] = value
    return values


def _split(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError as error:
        raise _malformed("query") from error


def _read_common(values: Mapping[str, str]) -> tuple[str, Language | None]:
    step = values.get("step", "")
    if not _STEP.fullmatch(step):
        raise _malformed("step")
    match values.get("language"):
        case None:
            return step, None
        case "ja":
            return step, "ja"
        case "en":
            return step, "en"
        case _:
            raise _malformed("language")


def _decode(values: Mapping[str, str], name: str, most: int) -> bytes:
    text = values[name]
    if len(text) > most or not _BASE64URL.fullmatch(text):
        raise _malformed(name)
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise _malformed(name) from error
    # The last character has bits that say nothing; only one encoding is accepted.
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != text:
        raise _malformed(name)
    return decoded


def _write_address(path: str, query: bytes) -> str:
    return f"{path}?{query.decode('ascii')}"


def _malformed(part: str) -> Refusal:
    shown = part if _CODE.fullmatch(part) else "?"
    return Refusal("LINK_MALFORMED", Code.INVALID_ARGUMENT, {"part": shown})
