"""What one column of a roster may hold, looked at for many cells at once: a file has hundreds of thousands.

A column is first judged as a whole, by a few passes in C over all its cells. Only where that finds something is each
cell looked at by itself, with the rules that forms go by (`instance_profile.characters`).
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from instance_profile.characters import count_characters, find_unusable, is_half_width
from instance_profile.model import Agency

# Nothing, in the text form of PostgreSQL's COPY, in which lines are kept and compared.
NOTHING = r"\N"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})
# Visible to no person, but printable to Python; the same that `unusable` finds beside whole categories.
_INVISIBLE = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\uffa0]")
_PRIVATE_USE = re.compile(r"[\ue000-\uf8ff\U000f0000-\U0010ffff]")
_IDEOGRAPHIC_SPACE = "\u3000"
# Spreadsheets write 2026/4/1. A day that lost its last digit because the file was cut, as 2026-04-1, is none.
_DATE = re.compile(r"([0-9]{4})(?:([-/]?)([0-9]{2})\2([0-9]{2})|([-/])([1-9][0-9]?)\5([1-9][0-9]?))")
_MOST_GRADE_CHARACTERS = 40
# Columns of grades repeat a few combinations; a column that does not must not fill the memory.
_MOST_REMEMBERED = 50_000

Wrong = tuple[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class TextRule:
    """What the cells of one column may hold. `column` is its name in the header, `field` what it is for."""

    field: str
    column: str
    most: int
    required: bool = False
    half_width: bool = False
    line_breaks: bool = False
    # 外字 mean something on one PC only. They are kept where people only read them, and refused in what is compared.
    private_use: bool = True
    pattern: re.Pattern[str] | None = None


def all_right(rule: TextRule, cells: Sequence[str]) -> bool:
    """Whether certainly nothing is wrong with any of the cells; False says: look at each."""
    joined = "".join(cells)
    return (
        (joined.isprintable() or joined.replace(_IDEOGRAPHIC_SPACE, "").isprintable())
        and (joined.isascii() or (not rule.half_width and _INVISIBLE.search(joined) is None))
        and max(map(len, cells)) <= rule.most
        and (not rule.required or all(map(str.strip, cells)))
        and (rule.pattern is None or all(map(rule.pattern.fullmatch, cells)))
    )


def cell_error(rule: TextRule, cell: str) -> Wrong | None:
    """The first thing that is wrong with a cell, as a reason and what fills its words; None where nothing is."""
    if not cell.strip():
        return ("FIELD_REQUIRED", {}) if rule.required else None
    looked_at = cell.replace("\n", "").replace("\r", "") if rule.line_breaks else cell
    if rule.private_use:
        looked_at = _PRIVATE_USE.sub("", looked_at)
    if found := find_unusable(looked_at):
        return "FIELD_HAS_CONTROL_CHARACTERS", {"characters": " ".join(found[:5])}
    if (actual := count_characters(cell)) > rule.most:
        return "FIELD_TOO_LONG", {"most": str(rule.most), "actual": str(actual)}
    if rule.half_width and not is_half_width(cell):
        return "FIELD_NOT_HALF_WIDTH", {}
    if rule.pattern is not None and not rule.pattern.fullmatch(cell):
        return "ROSTER_BIDDER_ID_WRONG", {"pattern": rule.pattern.pattern}
    return None


def written(cells: Sequence[str]) -> Sequence[str]:
    """The cells as they are kept: blank ones as nothing, everything else character for character."""
    joined = "".join(cells)
    if "\\" in joined or "\n" in joined or "\r" in joined:
        return [cell.translate(_ESCAPES) if cell.strip() else NOTHING for cell in cells]
    if not all(map(str.strip, cells)):
        return [cell if cell.strip() else NOTHING for cell in cells]
    return cells


class Grades(dict[tuple[str, ...], str]):
    """The grades of a line as JSON (["A","",…], one for each of the mapping's kinds), by the cells of the grade
    columns; the value is empty where a cell is wrong."""

    def __init__(self, rules: Sequence[TextRule]) -> None:
        super().__init__()
        self._rules = rules

    def __missing__(self, cells: tuple[str, ...]) -> str:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        if any(cell_error(rule, cell) is not None for rule, cell in zip(self._rules, cells, strict=True)):
            return self.setdefault(cells, "")
        grades = [cell if cell.strip() else "" for cell in cells]
        text = json.dumps(grades, ensure_ascii=False, separators=(",", ":"))
        return self.setdefault(cells, text.translate(_ESCAPES))


def grade_rule(kind: str, column: str) -> TextRule:
    """What a grade may be; `field` is its kind."""
    return TextRule(kind, column, _MOST_GRADE_CHARACTERS, private_use=False)


class Agencies(dict[str, str]):
    """The agencies of a line as an array of codes, by the cell that lists codes or Japanese names; empty where a cell
    is wrong."""

    def __init__(self, agencies: Sequence[Agency], category: str, separator: str) -> None:
        super().__init__()
        self._separator = separator
        self._category = category
        self._agencies = agencies
        self._by_name = {name: agency for agency in agencies for name in (agency.code, agency.name.ja)}

    def __missing__(self, cell: str) -> str:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        found = [self._by_name.get(name) for name in self._names(cell)]
        codes = [agency.code for agency in found if agency is not None and self._category in agency.categories]
        return self.setdefault(cell, self.array(codes) if codes and len(codes) == len(found) else "")

    def wrong(self, cell: str) -> Wrong:
        """What is wrong with a cell whose value is empty, as a reason and what fills its words."""
        for name in self._names(cell):
            agency = self._by_name.get(name)
            if agency is None:
                return "ROSTER_AGENCY_UNKNOWN", {"agency": "".join(filter(str.isprintable, name))[:40]}
            if self._category not in agency.categories:
                return "ROSTER_AGENCY_WITHOUT_CATEGORY", {"agency": agency.name.ja}
        return "FIELD_REQUIRED", {}

    def array(self, codes: Collection[str]) -> str:
        """Codes as PostgreSQL writes an array of them, in the profile's order, so that their order is no change."""
        # A code needs quotes only where it would be taken for NULL.
        return "{" + ",".join(_quoted(agency.code) for agency in self._agencies if agency.code in codes) + "}"

    def _names(self, cell: str) -> list[str]:
        return [name.strip() for name in cell.split(self._separator) if name.strip()]


class Days(dict[str, str]):
    """A day as YYYY-MM-DD, by the cell that holds it (YYYY-MM-DD, YYYY/M/D, YYYYMMDD); nothing for a blank cell, and
    empty where a cell is wrong."""

    def __missing__(self, cell: str) -> str:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        return self.setdefault(cell, _day(cell))


def _day(cell: str) -> str:
    if not cell.strip():
        return NOTHING
    matched = _DATE.fullmatch(cell.strip())
    if matched is None:
        return ""
    try:
        return date(int(matched[1]), int(matched[3] or matched[6]), int(matched[4] or matched[7])).isoformat()
    except ValueError:
        return ""


def _quoted(code: str) -> str:
    return f'"{code}"' if code == "null" else code
