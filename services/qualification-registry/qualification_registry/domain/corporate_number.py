"""法人番号, the number that the National Tax Agency assigns to every corporation."""

import re
import unicodedata
from collections.abc import Sequence

CORPORATE_NUMBER_DIGITS = 13
# How often each digit, from the left, counts in the sum that is a multiple of 9.
_WEIGHTS = tuple(1 + place % 2 for place in range(CORPORATE_NUMBER_DIGITS))
_VALUES = bytes.maketrans(b"0123456789", bytes(range(10)))
_REMAINDERS = bytes(value % 9 for value in range(256))
# Also the T that invoices put before it (適格請求書発行事業者の登録番号 of a corporation), and what groups the digits.
_NUMBER = re.compile(r"T?[0-9][0-9 -]*")


def is_corporate_number(text: str) -> bool:
    """Returns whether a text is 13 half-width digits of which the first is the right check digit.

    Source: 法人番号の指定等に関する省令, article 2: the check digit is 9 − (Σ Pn × Qn mod 9), where Pn is the n-th of
    the other twelve digits from the right and Qn is 1 for an odd n, 2 for an even one. So the check digit, the twelve
    digits, and those with an even n once more are together a multiple of 9; modulo 9 a number is the sum of its digits.
    """
    return (
        len(text) == CORPORATE_NUMBER_DIGITS
        and text.isascii()
        and text.isdigit()
        and text[0] != "0"
        and (int(text) + int(text[1::2])) % 9 == 0
    )


def are_corporate_numbers(texts: Sequence[str]) -> bool:
    """Returns whether all texts are as `is_corporate_number` says, in a tenth of its time."""
    joined = "".join(texts)
    if not joined.isascii() or not joined.isdigit() or set(map(len, texts)) != {CORPORATE_NUMBER_DIGITS}:
        return False
    digits = joined.encode()
    if b"0" in digits[::CORPORATE_NUMBER_DIGITS]:
        return False
    # All sums at once: a byte of a long integer for each text, which 19 times 9 does not overflow.
    columns = (
        int.from_bytes(digits[place::CORPORATE_NUMBER_DIGITS].translate(_VALUES))
        for place in range(CORPORATE_NUMBER_DIGITS)
    )
    sums = sum(weight * column for weight, column in zip(_WEIGHTS, columns, strict=True))
    return not any(sums.to_bytes(len(texts)).translate(_REMAINDERS))


def read_corporate_number(cell: str) -> str | None:
    """Returns the 13 digits of a cell in any width, with or without T; None where they are no 法人番号.

    Empty where the cell has no digit: it is blank, or says in words that there is none (個人, JV).
    """
    if is_corporate_number(cell):
        return cell
    text = unicodedata.normalize("NFKC", cell).strip()
    if not any(map(str.isdigit, text)):
        return ""
    number = text.removeprefix("T").replace(" ", "").replace("-", "")
    return number if _NUMBER.fullmatch(text) and is_corporate_number(number) else None
