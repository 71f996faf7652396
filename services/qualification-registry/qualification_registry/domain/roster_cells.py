"""What one column of a roster may contain, checked for many cells at once: a file has hundreds of thousands.

A column is first checked as a whole, in a few passes of C code over all its cells. Only where that finds something is
each cell checked separately, with the rules that apply to forms (`instance_profile.characters`).
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from instance_profile.characters import (
    BLANK_CHARACTERS,
    count_characters,
    find_unusable,
    is_half_width,
    shorten_visible,
)
from instance_profile.model import Agency

# NULL in the text form of PostgreSQL's COPY, in which lines are stored and compared.
NULL = r"\N"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})
_ESCAPED_BREAKS = ((r"\n", "\n"), (r"\r", "\r"), (r"\t", "\t"))
# Printable for Python although nothing is drawn, so `isprintable` does not find them.
_BLANK = re.compile(f"[{''.join(sorted(BLANK_CHARACTERS))}]")
_PRIVATE_USE = re.compile(r"[\ue000-\uf8ff\U000f0000-\U0010ffff]")
_IDEOGRAPHIC_SPACE = "\u3000"
_MOST_GRADE_CHARACTERS = 40
# Of an unknown agency in an error.
_MOST_AGENCY_CHARACTERS = 40
# Columns repeat a few values; one that does not must not fill the memory.
_MOST_CACHED = 50_000

# A reason and the metadata of its words.
CellError = tuple[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class TextRule:
    """What the cells of one column may contain. `column` is its name in the header, `field` the field it fills."""

    field: str
    column: str
    most: int
    required: bool = False
    half_width: bool = False
    line_breaks: bool = False
    # 外字 have a meaning on one PC only: kept in fields that people only read, refused in fields that are compared.
    private_use: bool = True
    pattern: re.Pattern[str] | None = None


def is_column_valid(rule: TextRule, cells: Sequence[str]) -> bool:
    """Returns whether certainly every cell is valid; after False each cell has to be checked."""
    joined = "".join(cells)
    return (
        (joined.isprintable() or joined.replace(_IDEOGRAPHIC_SPACE, "").isprintable())
        and (joined.isascii() or (not rule.half_width and _BLANK.search(joined) is None))
        and max(map(len, cells)) <= rule.most
        and (not rule.required or not _has_blank(cells, joined))
        and (rule.pattern is None or all(map(rule.pattern.fullmatch, cells)))
    )


def _has_blank(cells: Sequence[str], joined: str) -> bool:
    """Returns whether a cell has nothing but spaces; `joined` are all cells."""
    # Most columns have no space at all, so that no cell has to be looked at.
    return not all(cells) or (joined.split(None, 1) != [joined] and not all(map(str.strip, cells)))


def find_cell_error(rule: TextRule, cell: str) -> CellError | None:
    """Returns the first error of a cell, or None."""
    if not cell.strip():
        return ("FIELD_REQUIRED", {}) if rule.required else None
    checked = cell.replace("\n", "").replace("\r", "") if rule.line_breaks else cell
    if rule.private_use:
        checked = _PRIVATE_USE.sub("", checked)
    if characters := find_unusable(checked):
        return "FIELD_HAS_CONTROL_CHARACTERS", {"characters": " ".join(characters[:5])}
    if (actual := count_characters(cell)) > rule.most:
        return "FIELD_TOO_LONG", {"most": str(rule.most), "actual": str(actual)}
    if rule.half_width and not is_half_width(cell):
        return "FIELD_NOT_HALF_WIDTH", {}
    if rule.pattern is not None and not rule.pattern.fullmatch(cell):
        lengths = range(len(cell) + 1, rule.most + 1)
        if cell.isdigit() and any(rule.pattern.fullmatch(cell.zfill(length)) for length in lengths):
            return "ROSTER_BIDDER_ID_SHORT", {"pattern": rule.pattern.pattern}
        return "ROSTER_BIDDER_ID_WRONG", {"pattern": rule.pattern.pattern}
    return None


def escape_cells(cells: Sequence[str]) -> Sequence[str]:
    """Returns the cells in the text form of COPY: blank ones as NULL, all others character for character."""
    joined = "".join(cells)
    if "\\" in joined or "\n" in joined or "\r" in joined:
        return [cell.translate(_ESCAPES) if cell.strip() else NULL for cell in cells]
    if _has_blank(cells, joined):
        return [cell if cell.strip() else NULL for cell in cells]
    return cells


def unescape_cell(value: str) -> str:
    """Returns the cell that `escape_cells` turned into this value; empty for NULL."""
    if value == NULL:
        return ""
    if "\\" not in value:
        return value
    parts = value.split("\\\\")
    for escaped, character in _ESCAPED_BREAKS:
        parts = [part.replace(escaped, character) for part in parts]
    return "\\".join(parts)


class Grades(dict[tuple[str, ...], str]):
    """Grades of a line as JSON (["A","",…], one for each of the mapping's kinds), by the cells of its grade columns.

    The value is empty where a cell is wrong.
    """

    def __init__(self, rules: Sequence[TextRule]) -> None:
        super().__init__()
        self._rules = rules

    def __missing__(self, cells: tuple[str, ...]) -> str:
        if len(self) >= _MOST_CACHED:
            self.clear()
        if any(find_cell_error(rule, cell) is not None for rule, cell in zip(self._rules, cells, strict=True)):
            return self.setdefault(cells, "")
        grades = [cell if cell.strip() else "" for cell in cells]
        text = json.dumps(grades, ensure_ascii=False, separators=(",", ":"))
        return self.setdefault(cells, text.translate(_ESCAPES))


def build_grade_rule(kind: str, column: str) -> TextRule:
    """Returns the rule of a column of grades; `field` is the kind."""
    return TextRule(kind, column, _MOST_GRADE_CHARACTERS, private_use=False)


class Agencies(dict[str, str]):
    """Agencies of a line as their codes with spaces between, by the cell that lists codes or Japanese names.

    The value is empty where the cell is wrong.
    """

    def __init__(self, agencies: Sequence[Agency], category: str, separator: str) -> None:
        super().__init__()
        self._separator = separator
        self._category = category
        self._agencies = agencies
        self._by_name = {name: agency for agency in agencies for name in (agency.code, agency.name.ja)}

    def __missing__(self, cell: str) -> str:
        if len(self) >= _MOST_CACHED:
            self.clear()
        agencies = [self._by_name.get(name) for name in self._names(cell)]
        codes = [agency.code for agency in agencies if agency is not None and self._category in agency.categories]
        return self.setdefault(cell, self.write_codes(codes) if codes and len(codes) == len(agencies) else "")

    def find_error(self, cell: str) -> CellError:
        """Returns the error of a cell whose value is empty."""
        for name in self._names(cell):
            agency = self._by_name.get(name)
            if agency is None:
                return "ROSTER_AGENCY_UNKNOWN", {"agency": shorten_visible(name, _MOST_AGENCY_CHARACTERS)}
            if self._category not in agency.categories:
                return "ROSTER_AGENCY_WITHOUT_CATEGORY", {"agency": agency.name.ja}
        return "FIELD_REQUIRED", {}

    def write_codes(self, codes: Collection[str]) -> str:
        """Returns codes as a line has them, in the profile's order: another order is no change."""
        return " ".join(agency.code for agency in self._agencies if agency.code in codes)

    def _names(self, cell: str) -> list[str]:
        return [name.strip() for name in cell.split(self._separator) if name.strip()]
