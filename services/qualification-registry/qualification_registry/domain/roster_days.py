"""Days in rosters: of the western calendar, of Japanese eras, and as the numbers of spreadsheets (QUA-12)."""

import re
import unicodedata
from datetime import date, timedelta

from qualification_registry.domain.roster_cells import NULL

# Spreadsheets write 2026/4/1. 2026-04-1 is no day: a truncated file may have lost its last digit.
_WESTERN = re.compile(
    r"([0-9]{4})(?:([-/.]?)([0-9]{2})\2([0-9]{2})|([-/.])([1-9][0-9]?)\5([1-9][0-9]?)|年([0-9]{1,2})月([0-9]{1,2})日)"
)
_ERA = re.compile(
    r"(令和|平成|昭和|[令平昭RHSrhs])\.?"
    r"(?:(元|[0-9]{1,2})(?:年([0-9]{1,2})月([0-9]{1,2})日|([-/.])([0-9]{1,2})\5([0-9]{1,2}))|([0-9]{2})([0-9]{2})([0-9]{2}))"
)
# The year before the first one of each era, and its first day (改元). An era has no last day here: what was written
# before its end goes on with its years (平成33年3月31日).
_ERAS = {
    "令": (2018, date(2019, 5, 1)),
    "平": (1988, date(1989, 1, 8)),
    "昭": (1925, date(1926, 12, 25)),
}
_LETTERS = {"R": "令", "H": "平", "S": "昭"}
# A spreadsheet counts days from here (ECMA-376, 18.17.4.1, as its programs do after February of 1900). Numbers beyond
# these bounds, 1990 and 2099, are no days of a qualification.
_FIRST_SERIAL_DAY = date(1899, 12, 30)
_SERIALS = range(32_874, 73_051)
_SERIAL = re.compile(r"([0-9]{5})(?:\.0+)?")
_MIDNIGHT = re.compile(r"[ T]0?0:00(?::00(?:\.0+)?)?$")
# Columns repeat a few values; one that does not must not fill the memory.
_MOST_CACHED = 50_000


class Days(dict[str, str]):
    """Days as YYYY-MM-DD, by the cell that contains them.

    The value is NULL for a blank cell, and empty where the cell is wrong.
    """

    def __missing__(self, cell: str) -> str:
        if len(self) >= _MOST_CACHED:
            self.clear()
        if not cell.strip():
            return self.setdefault(cell, NULL)
        day = read_day(cell)
        return self.setdefault(cell, day.isoformat() if day else "")


def read_day(cell: str) -> date | None:
    """Returns the day in a cell: 2026-04-01, 2026/4/1, 2026.4.1, 20260401, 2026年4月1日, 令和8年4月1日, R8.4.1,
    R080401, 46113; also full-width, and with the time 0:00. None for anything else.
    """
    text = _MIDNIGHT.sub("", unicodedata.normalize("NFKC", cell).strip())
    if matched := _SERIAL.fullmatch(text):
        number = int(matched[1])
        return _FIRST_SERIAL_DAY + timedelta(number) if number in _SERIALS else None
    # 令和 8年 4月 1日 aligns its numbers.
    text = "".join(text.split())
    try:
        if matched := _WESTERN.fullmatch(text):
            return date(
                int(matched[1]),
                int(matched[3] or matched[6] or matched[8]),
                int(matched[4] or matched[7] or matched[9]),
            )
        if matched := _ERA.fullmatch(text):
            return _read_era_day(matched)
    except ValueError:
        return None
    return None


def _read_era_day(matched: re.Match[str]) -> date | None:
    name = matched[1][0].upper()
    year_before, first_day = _ERAS[_LETTERS.get(name, name)]
    year = matched[2] or matched[8]
    day = date(
        year_before + (1 if year == "元" else int(year)),
        int(matched[3] or matched[6] or matched[9]),
        int(matched[4] or matched[7] or matched[10]),
    )
    return day if day >= first_day else None
