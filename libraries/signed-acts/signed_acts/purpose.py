"""A purpose: what a card signs, in canonical JSON (RFC 8785), encoded and decoded strictly (CRD-01).

A purpose has exactly one encoding. Any other encoding, a missing or additional key, or a malformed value is refused, so
that what a person was shown and what was signed can't differ.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import rfc8785

from refusals import Code, Refusal
from signed_acts.keys import (
    BIDDER_ID,
    CLIENT,
    CODE,
    OPENID_NONCE,
    REDIRECT,
    REQUEST_ID,
    SubjectList,
    read_hash,
    read_lines,
    read_nonce,
    read_notes,
    read_subjects,
    read_text,
    refuse_part,
    write_nonce,
)
from signed_acts.operations import EVERY_PURPOSE, RULES, Operation, PurposeType, Role, Rule, find_row
from signed_acts.signature import SignatureAlgorithm

__all__ = ["Act", "Operation", "Purpose", "PurposeType", "Role", "SignedPurpose"]

MOST_PURPOSE_BYTES = 16 * 1024
# Of a key or an operation that is not known, in a refusal.
_MOST_SHOWN = 64


@dataclass(frozen=True, slots=True)
class Act:
    """The request of an act: `request_sha256` (32 bytes) is over its canonical form, `lines` are shown to people."""

    request_id: str
    request_sha256: bytes
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a card signs. What a purpose has not is None; hashes and the nonce have 32 bytes; see `keys.KEYS`.

    `operation` is an `Operation`, or the full name of an RPC. `act` is set for the type ACT only.
    """

    instance: str
    type: PurposeType
    operation: str
    role: Role
    nonce: bytes
    certificate_sha256: bytes
    agency: str | None = None
    category: str | None = None
    bidder_id: str | None = None
    card_sha256: bytes | None = None
    person_id: str | None = None
    subjects: SubjectList | None = None
    other_certificate_sha256: bytes | None = None
    successor_key_sha256: bytes | None = None
    proposal_sha256: bytes | None = None
    notes_sha256: tuple[bytes, ...] | None = None
    client: str | None = None
    redirect: str | None = None
    openid_nonce: str | None = None
    act: Act | None = None


@dataclass(frozen=True, slots=True)
class SignedPurpose:
    """An encoded purpose and a card's signature over it."""

    purpose: bytes
    algorithm: SignatureAlgorithm
    signature: bytes = field(repr=False)


def encode(purpose: Purpose) -> bytes:
    """Returns the encoding of a purpose. Raises as `decode` for a purpose that could not be decoded."""
    values = {key: value for key, value in _write_values(purpose).items() if value is not None}
    if _read(values) != purpose:
        raise refuse_part("value")
    encoded = rfc8785.dumps(values)
    if len(encoded) > MOST_PURPOSE_BYTES:
        raise refuse_part("size")
    return encoded


def decode(encoded: bytes) -> Purpose:
    """Returns the purpose with this encoding.

    Raises PURPOSE_OPERATION_UNKNOWN for an operation that is not in the table, PURPOSE_MALFORMED, with `part`, for any
    other bytes.
    """
    if len(encoded) > MOST_PURPOSE_BYTES:
        raise refuse_part("size")
    try:
        values = json.loads(
            encoded.decode("utf-8"), object_pairs_hook=_require_unique_keys, parse_constant=_refuse_constant
        )
        if not isinstance(values, dict) or rfc8785.dumps(values) != encoded:
            raise refuse_part("encoding")
    except (ValueError, RecursionError) as error:
        raise refuse_part("encoding") from error
    return _read(values)


def expect(
    purpose: Purpose,
    *,
    instance: str,
    type: PurposeType,
    operation: str,
    certificate_sha256: bytes,
    agency: str | None = None,
    category: str | None = None,
    role: Role = Role.SOLE,
) -> None:
    """Checks that a purpose is for exactly this; a refusal names the difference, with the found and expected value.

    Raises PURPOSE_FOR_ANOTHER_INSTANCE, …_CARD, …_TYPE, …_OPERATION, …_ROLE, …_AGENCY, …_CATEGORY.
    """
    _refuse_differences(
        (
            ("INSTANCE", purpose.instance, instance),
            ("CARD", purpose.certificate_sha256, certificate_sha256),
            ("TYPE", purpose.type, type),
            ("OPERATION", purpose.operation, operation),
            ("ROLE", purpose.role, role),
            ("AGENCY", purpose.agency, agency),
            ("CATEGORY", purpose.category, category),
        )
    )


def require_act(purpose: Purpose) -> Act:
    """Returns the act of a purpose; raises PURPOSE_FOR_ANOTHER_TYPE if there is none."""
    if purpose.act is None:
        raise _refuse_other("TYPE", purpose.type, PurposeType.ACT)
    return purpose.act


def require_bidder(purpose: Purpose) -> str:
    """Returns the bidder that a purpose names; raises PURPOSE_MALFORMED if it names none."""
    if purpose.bidder_id is None:
        raise refuse_part("bidder_id")
    return purpose.bidder_id


def expect_act(
    purpose: Purpose,
    *,
    request_id: str,
    request_sha256: bytes,
    bidder_id: str | None = None,
    card_sha256: bytes | None = None,
    person_id: str | None = None,
    subjects: SubjectList | None = None,
    other_certificate_sha256: bytes | None = None,
    successor_key_sha256: bytes | None = None,
    proposal_sha256: bytes | None = None,
    notes_sha256: tuple[bytes, ...] | None = None,
) -> Act:
    """Returns the act of a purpose if it is for exactly this request and these subjects, and names nothing else.

    Raises PURPOSE_FOR_ANOTHER_TYPE if there is no act, PURPOSE_FOR_ANOTHER_BIDDER, PURPOSE_FOR_ANOTHER_SUBJECT,
    PURPOSE_FOR_ANOTHER_REQUEST.
    """
    act = require_act(purpose)
    _refuse_differences(
        (
            ("BIDDER", purpose.bidder_id, bidder_id),
            ("SUBJECT", purpose.card_sha256, card_sha256),
            ("SUBJECT", purpose.person_id, person_id),
            ("SUBJECT", purpose.subjects, subjects),
            ("REQUEST", act.request_id, request_id),
            ("REQUEST", act.request_sha256, request_sha256),
            ("REQUEST", purpose.other_certificate_sha256, other_certificate_sha256),
            ("REQUEST", purpose.successor_key_sha256, successor_key_sha256),
            ("REQUEST", purpose.proposal_sha256, proposal_sha256),
            ("REQUEST", purpose.notes_sha256, notes_sha256),
        )
    )
    return act


_Value = str | bytes | SubjectList | tuple[bytes, ...] | None
_Json = str | list[str] | dict[str, str | int]


def _refuse_differences(differences: tuple[tuple[str, _Value, _Value], ...]) -> None:
    for what, found, expected in differences:
        if found != expected:
            raise _refuse_other(what, found, expected)


def _refuse_other(what: str, found: _Value, expected: _Value) -> Refusal:
    metadata = {"found": _show(found), "expected": _show(expected)}
    return Refusal(f"PURPOSE_FOR_ANOTHER_{what}", Code.FAILED_PRECONDITION, metadata)


def _show(value: _Value) -> str:
    match value:
        case None:
            return ""
        case str():
            return str(value)
        case bytes():
            return value.hex()
        case SubjectList():
            return f"{value.kind} {value.count} {value.sha256.hex()}"
        case tuple():
            return " ".join(note.hex() for note in value)


def _write_values(purpose: Purpose) -> Mapping[str, _Json | None]:
    return {
        "instance": purpose.instance,
        "type": purpose.type.value,
        "operation": str(purpose.operation),
        "role": purpose.role.value,
        "nonce": write_nonce(purpose.nonce),
        "certificate_sha256": purpose.certificate_sha256.hex(),
        "agency": purpose.agency,
        "category": purpose.category,
        "bidder_id": purpose.bidder_id,
        "card_sha256": _write_hash(purpose.card_sha256),
        "person_id": purpose.person_id,
        "subjects": _write_subjects(purpose.subjects),
        "other_certificate_sha256": _write_hash(purpose.other_certificate_sha256),
        "successor_key_sha256": _write_hash(purpose.successor_key_sha256),
        "proposal_sha256": _write_hash(purpose.proposal_sha256),
        "notes_sha256": None if purpose.notes_sha256 is None else [note.hex() for note in purpose.notes_sha256],
        "client": purpose.client,
        "redirect": purpose.redirect,
        "openid_nonce": purpose.openid_nonce,
        **_write_act(purpose.act),
    }


def _write_act(act: Act | None) -> Mapping[str, _Json]:
    if act is None:
        return {}
    return {"request_id": act.request_id, "request_sha256": act.request_sha256.hex(), "lines": list(act.lines)}


def _write_subjects(subjects: SubjectList | None) -> _Json | None:
    if subjects is None:
        return None
    return {"kind": subjects.kind.value, "count": subjects.count, "sha256": subjects.sha256.hex()}


def _write_hash(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _read(values: Mapping[str, object]) -> Purpose:
    type_ = PurposeType(_read_choice(values, "type", [kind.value for kind in PurposeType]))
    operation = _read_operation(values)
    role = Role(_read_choice(values, "role", [role.value for role in Role]))
    _require_keys(values, _find_rule(operation, type_, role))

    def text(key: str, pattern: re.Pattern[str]) -> str | None:
        return read_text(values[key], key, pattern) if key in values else None

    def hash_(key: str) -> bytes | None:
        return read_hash(values[key], key) if key in values else None

    return Purpose(
        instance=read_text(values["instance"], "instance", CODE),
        type=type_,
        operation=operation,
        role=role,
        nonce=read_nonce(values["nonce"]),
        certificate_sha256=read_hash(values["certificate_sha256"], "certificate_sha256"),
        agency=text("agency", CODE),
        category=text("category", CODE),
        bidder_id=text("bidder_id", BIDDER_ID),
        card_sha256=hash_("card_sha256"),
        person_id=text("person_id", CODE),
        subjects=read_subjects(values["subjects"]) if "subjects" in values else None,
        other_certificate_sha256=hash_("other_certificate_sha256"),
        successor_key_sha256=hash_("successor_key_sha256"),
        proposal_sha256=hash_("proposal_sha256"),
        notes_sha256=read_notes(values["notes_sha256"]) if "notes_sha256" in values else None,
        client=text("client", CLIENT),
        redirect=text("redirect", REDIRECT),
        openid_nonce=text("openid_nonce", OPENID_NONCE),
        act=_read_act(values) if type_ is PurposeType.ACT else None,
    )


def _read_act(values: Mapping[str, object]) -> Act:
    return Act(
        request_id=read_text(values["request_id"], "request_id", REQUEST_ID),
        request_sha256=read_hash(values["request_sha256"], "request_sha256"),
        lines=read_lines(values["lines"]),
    )


def _read_operation(values: Mapping[str, object]) -> str:
    operation = values.get("operation")
    if not isinstance(operation, str):
        raise refuse_part("operation")
    row = find_row(operation)
    if row is None:
        metadata = {"operation": _show_foreign(operation)}
        raise Refusal("PURPOSE_OPERATION_UNKNOWN", Code.INVALID_ARGUMENT, metadata)
    return Operation(operation) if row == operation else operation


def _find_rule(operation: str, type_: PurposeType, role: Role) -> Rule:
    row = find_row(operation)
    rules = {(key[1], key[2]): rule for key, rule in RULES.items() if key[0] == row}
    if all(type_ != rule_type for rule_type, _ in rules):
        raise refuse_part("type")
    if (type_, role) not in rules:
        raise refuse_part("role")
    return rules[type_, role]


def _require_keys(values: Mapping[str, object], rule: Rule) -> None:
    compulsory = EVERY_PURPOSE | rule.compulsory
    missing = compulsory - values.keys()
    if missing:
        raise refuse_part(min(missing))
    forbidden = values.keys() - compulsory - rule.optional
    if forbidden:
        raise refuse_part(f"unknown key {_show_foreign(min(forbidden))}")


def _show_foreign(text: str) -> str:
    """Returns a text from outside as far as it can't be mistaken for other words."""
    return text[:_MOST_SHOWN] if text.isascii() and text.isprintable() else ""


def _read_choice(values: Mapping[str, object], key: str, choices: list[str]) -> str:
    value = values.get(key)
    if not isinstance(value, str) or value not in choices:
        raise refuse_part(key)
    return value


def _require_unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise refuse_part("duplicate key")
    return values


def _refuse_constant(name: str) -> object:
    raise ValueError(name)
