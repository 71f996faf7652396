"""What a cell of a workbook says, as the text that a person sees in it (ECMA-376, part 1, 18.3.1.4 and 18.8)."""

import re
from datetime import date, timedelta

# Formats of dates that have no code in the workbook (18.8.30); from 27 on those of Japan, of which 32 and 33 are times.
_DATE_FORMATS = frozenset({14, 15, 16, 17, 22, *range(27, 32), *range(34, 37), *range(50, 59)})
# In a format's code what is in quotes or brackets, or after a backslash, is no part of a date.
_LITERAL = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.')
_DATE_LETTERS = re.compile(r"[yd]", re.IGNORECASE)
_ZEROS = re.compile("0{2,40}")
_POSTAL_CODE = re.compile(r"0{3}\\?-0{4}")
# Excel writes a control character as _x000D_, and a text that looks so with _x005F_ before it.
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
# 1900 is a leap year to a spreadsheet: its days are right from March of 1900 on.
_FIRST_DAY, _FIRST_DAY_OF_1904 = date(1899, 12, 30), date(1904, 1, 1)
_FIRST_TRUE_SERIAL, _LAST_SERIAL = 61, 2_958_465


class NumberFormats:
    """How numbers are shown, by the index of a cell's style. A number without a known style is shown as it is."""

    def __init__(self, codes: list[str | int], *, starts_in_1904: bool) -> None:
        self._codes = codes
        self.starts_in_1904 = starts_in_1904
        self._first_day = _FIRST_DAY_OF_1904 if starts_in_1904 else _FIRST_DAY
        self._is_date = [_is_date(code) for code in codes]

    def show(self, number: str, style: int) -> str:
        """Returns the text that a number shows: a day as YYYY-MM-DD, with leading zeros where its format has them."""
        value = float(number)
        if not 0 <= style < len(self._codes):
            return _show_number(number, value)
        if self._is_date[style] and (day := self.find_day(value)):
            return day
        text = _show_number(number, value)
        code = self._codes[style]
        if isinstance(code, str) and text.isdigit():
            if _ZEROS.fullmatch(code):
                return text.zfill(len(code))
            if _POSTAL_CODE.fullmatch(code):
                text = text.zfill(7)
                return f"{text[:-4]}-{text[-4:]}"
        return text

    def find_day(self, value: float) -> str:
        """Returns the day (and time, if it is not midnight) of a date's number in this workbook; empty for none."""
        if not _FIRST_TRUE_SERIAL <= value <= _LAST_SERIAL:
            return ""
        day = (self._first_day + timedelta(int(value))).isoformat()
        minutes = round((value % 1) * 1440)
        return f"{day} {minutes // 60:02}:{minutes % 60:02}" if minutes else day


def read_escapes(text: str) -> str:
    """Returns a text of a workbook without the escapes of control characters."""
    return _ESCAPE.sub(_read_escape, text) if "_x" in text else text


def _read_escape(matched: re.Match[str]) -> str:
    point = int(matched[1], 16)
    return matched[0] if 0xD800 <= point <= 0xDFFF else chr(point)


def _is_date(code: str | int) -> bool:
    if isinstance(code, int):
        return code in _DATE_FORMATS
    # Only the first section is for positive numbers.
    return _DATE_LETTERS.search(_LITERAL.sub("", code).split(";")[0]) is not None


def _show_number(number: str, value: float) -> str:
    if number.isascii() and number.isdigit():
        return number
    # A spreadsheet shows at most 15 digits.
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
