"""Finds the header of a roster file: the row with the mapping's columns, below titles and notes (QUA-12)."""

from collections.abc import Sequence
from dataclasses import dataclass

from instance_profile.characters import shorten_visible
from instance_profile.model import RosterMapping
from refusals import Code, Refusal

# Rows among which the header is looked for; a file may begin with a title, a date and notes.
MOST_HEADER_ROWS = 30
# A refusal travels in HTTP/2 headers, of which gRPC accepts 8 KiB.
_MOST_COLUMNS_SHOWN = 10
_MOST_COLUMN_CHARACTERS = 40
_MOST_NAMES_SHOWN = 30
_MOST_NAME_CHARACTERS = 20


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a file, as the mapping spells them, and then the optional ones that the file lacks."""

    width: int
    columns: Sequence[str]

    @property
    def absent_cells(self) -> list[str]:
        """The cells that each record lacks, because the file has no such columns."""
        return [""] * (len(self.columns) - self.width)


class HeaderSearch:
    """Looks for the header of one file, row by row. Names are compared without spaces and line breaks."""

    def __init__(self, mapping: RosterMapping) -> None:
        self._columns = mapping.list_columns()
        self._spellings = {_squeeze(column): column for column in self._columns}
        self._optional = mapping.optional_columns
        self._needed = {column for column in self._columns if column not in self._optional}
        self._best: tuple[int, Sequence[str]] = (1, ())
        self._most_found = -1

    def read_row(self, number: int, cells: Sequence[str]) -> Header | None:
        """Returns the header if this row is it. Raises ROSTER_COLUMNS_TWICE."""
        names = [self._spellings.get(_squeeze(cell), cell) for cell in cells]
        present = self._needed.intersection(names)
        if present == self._needed:
            if repeated := [column for column in self._columns if names.count(column) > 1]:
                metadata = {"columns": _join(repeated, _MOST_COLUMNS_SHOWN, _MOST_COLUMN_CHARACTERS)}
                raise Refusal("ROSTER_COLUMNS_TWICE", Code.INVALID_ARGUMENT, metadata)
            absent = [column for column in self._optional if column not in names]
            return Header(len(names), [*names, *absent])
        if len(present) > self._most_found and any(cell.strip() for cell in cells):
            self._most_found, self._best = len(present), (number, names)
        return None

    def describe_missing(self) -> Refusal:
        """Returns the refusal of a file without header, for the caller to raise: ROSTER_COLUMNS_MISSING.

        It shows the row that has most of the columns, which ones it lacks, and which it has that the mapping does not.
        """
        row, names = self._best
        missing = [column for column in self._columns if column in self._needed and column not in names]
        others = [name for name in names if name.strip() and name not in self._columns]
        metadata = {
            "columns": _join(missing, _MOST_COLUMNS_SHOWN, _MOST_COLUMN_CHARACTERS),
            "row": str(row),
            "others": _join(others, _MOST_NAMES_SHOWN, _MOST_NAME_CHARACTERS) or "-",
        }
        return Refusal("ROSTER_COLUMNS_MISSING", Code.INVALID_ARGUMENT, metadata)


def _squeeze(name: str) -> str:
    return "".join(name.split())


def _join(names: Sequence[str], most: int, most_characters: int) -> str:
    shown = [shorten_visible(name, most_characters) for name in names[:most]]
    return "、".join([*shown, *(["…"] if len(names) > most else [])])
