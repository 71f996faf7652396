"""The serial number of an expired card, as a person copies it from a screen, a receipt or a mail."""

import re
import unicodedata

from card_agent.console.field_names import PREDECESSOR_SERIAL
from refusals import Code, Refusal, Violation

# A serial number has at most 160 bits (RFC 5280, 4.1.2.2).
_MOST_BITS = 160
_FORM = re.compile(r"(?P<digits>[0-9A-Fa-f][0-9A-Fa-f:\s-]*?)\s*(\((?P<base>10進|16進|decimal|hexadecimal)\))?")


def read_serial(typed: str) -> str:
    """Returns a serial number in decimal digits; empty if nothing was typed.

    Both forms of the screens are understood, also together: `224231109942 (10進) / 3435373536 (16進)`. Without a note,
    what consists of decimal digits alone is decimal. Raises FIELDS_INVALID with SERIAL_NUMBER_INVALID.
    """
    text = unicodedata.normalize("NFKC", typed).strip()
    if not text:
        return ""
    numbers = {_read_form(part.strip()) for part in text.split("/")}
    number = numbers.pop()
    if numbers or number is None or not 0 < number.bit_length() <= _MOST_BITS:
        violation = Violation(PREDECESSOR_SERIAL, "SERIAL_NUMBER_INVALID")
        raise Refusal("FIELDS_INVALID", Code.INVALID_ARGUMENT, violations=(violation,))
    return str(number)


def _read_form(text: str) -> int | None:
    form = _FORM.fullmatch(text.removeprefix("0x"))
    if form is None:
        return None
    digits = re.sub(r"[:\s-]", "", form["digits"])
    is_hexadecimal = text.startswith("0x") or form["base"] in ("16進", "hexadecimal")
    if form["base"] is None and not is_hexadecimal:
        is_hexadecimal = not digits.isdecimal()
    if is_hexadecimal:
        return int(digits, 16)
    return int(digits) if digits.isdecimal() else None
