"""A serial number is understood in every form in which screens, receipts and mails print it."""

import pytest

from card_agent.registration.predecessor import read_serial
from refusals import Refusal

DECIMAL, HEXADECIMAL = "224231109942", "3435373536"


@pytest.mark.parametrize(
    ("typed", "serial"),
    [
        ("", ""),
        (" 　", ""),
        (DECIMAL, DECIMAL),
        (f"{DECIMAL} (10進)", DECIMAL),
        (f"{DECIMAL}（10進）", DECIMAL),
        ("２２４２３１１０９９４２", DECIMAL),
        (f"{HEXADECIMAL} (16進)", DECIMAL),
        (f"{HEXADECIMAL} (hexadecimal)", DECIMAL),
        (f"0x{HEXADECIMAL}", DECIMAL),
        (f"{DECIMAL} (10進) / {HEXADECIMAL} (16進)", DECIMAL),
        (f"{DECIMAL} (decimal) / {HEXADECIMAL} (hexadecimal)", DECIMAL),
        ("34:35:37:35:36 (16進)", DECIMAL),
        ("0A1B", "2587"),
        ("0a 1b", "2587"),
        # Digits alone are decimal, as in a mail or on a receipt.
        (HEXADECIMAL, HEXADECIMAL),
        ("f" * 40, str(2**160 - 1)),
    ],
)
def test_serial_number_is_read_in_the_forms_of_the_screens(typed: str, serial: str) -> None:
    assert read_serial(typed) == serial


@pytest.mark.parametrize(
    "typed",
    ["前のカード", "12G4", "0", f"{DECIMAL} / {HEXADECIMAL} (10進)", "1" + "f" * 40, "AB (10進)", "/", "-", "12 (8進)"],
)
def test_what_is_no_serial_number_is_refused_at_its_field(typed: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_serial(typed)
    [violation] = refused.value.violations
    assert (violation.field, violation.reason) == ("predecessor_serial", "SERIAL_NUMBER_INVALID")
