"""The values of a request that an act is for, as the person sees them: all of them, and each visible."""

import base64
import binascii
import json
import unicodedata
from collections.abc import Iterator, Mapping
from hashlib import sha256

from card_agent.console import words
from card_agent.console.field_names import name_field
from card_agent.console.person import Row
from card_agent.console.place import Place
from card_agent.console.words import Words
from refusals import Code, Refusal
from signed_acts.purpose import Purpose, require_act
from signed_acts.request import read_canonical

_LABELS: Mapping[str, Words] = {
    "instance": words.INSTANCE,
    "agency": words.CHOOSE_AGENCY,
    "category": words.CHOOSE_CATEGORY,
    "request_id": words.REQUEST_ID,
    "certificate_sha256": words.CERTIFICATE_SHA256,
    "old_certificate_sha256": words.OTHER_CERTIFICATE_SHA256,
    "successor_key": words.SUCCESSOR_KEY,
    "successor_key_sha256": words.SUCCESSOR_KEY_SHA256,
    "propagate": Words("他の調達機関への反映", "The other agencies follow"),
}
# In base64 in the canonical form; shown in hexadecimal digits, as the same values of a purpose are.
_BYTES = {"certificate_sha256", "old_certificate_sha256", "successor_key", "successor_key_sha256"}
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def read_request(encoded: bytes, purpose: Purpose) -> Mapping[str, object]:
    """Returns the values of the request that a purpose is for.

    Raises REQUEST_MALFORMED, and PURPOSE_FOR_ANOTHER_REQUEST where the purpose is for another one.
    """
    act = require_act(purpose)
    found = sha256(encoded).digest()
    if found != act.request_sha256:
        raise _refuse_other(found.hex(), act.request_sha256.hex())
    values = read_canonical(encoded)
    certificate = base64.b64encode(purpose.certificate_sha256).decode()
    for name, expected in (
        ("request_id", act.request_id),
        ("instance", purpose.instance),
        ("agency", purpose.agency),
        ("category", purpose.category),
        ("bidder_id", purpose.bidder_id),
        ("certificate_sha256", certificate),
    ):
        if expected is not None and name in values and values[name] != expected:
            raise _refuse_other(name, name)
    return values


def list_request_rows(values: Mapping[str, object], place: Place) -> tuple[Row, ...]:
    """Returns the values with their labels; a field without a label has its name."""
    return tuple((_name(path, place), _show(path, value)) for path, value in _flatten(values))


def show_invisible(text: str) -> str:
    """Returns a text whose control, bidirectional and invisible characters are written as ‹U+202E›."""
    return "".join(f"‹U+{ord(each):04X}›" if unicodedata.category(each) in _INVISIBLE else each for each in text)


def _flatten(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _name(path: str, place: Place) -> Words:
    if path in _LABELS:
        return _LABELS[path]
    label = name_field(path, place)
    return Words(path, path) if label == words.UNNAMED_FIELD else label


def _show(path: str, value: object) -> Words | str:
    if isinstance(value, bool):
        return words.YES if value else words.NO_OTHER
    if isinstance(value, str) and path in _BYTES:
        try:
            return base64.b64decode(value, validate=True).hex()
        except binascii.Error:
            return show_invisible(value)
    return show_invisible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _refuse_other(found: str, expected: str) -> Refusal:
    return Refusal("PURPOSE_FOR_ANOTHER_REQUEST", Code.FAILED_PRECONDITION, {"found": found, "expected": expected})
