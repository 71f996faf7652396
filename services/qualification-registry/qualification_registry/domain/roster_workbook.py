"""Reads a roster from an Excel workbook, as `roster_file` reads one from CSV (QUA-12)."""

from collections.abc import Iterator
from itertools import islice

from instance_profile.characters import shorten_visible
from instance_profile.model import RosterMapping
from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_file import Block
from qualification_registry.domain.roster_header import MOST_HEADER_ROWS, Header, HeaderSearch
from qualification_registry.domain.roster_records import BLOCK_ROWS
from qualification_registry.domain.workbook import Sheet, SheetRow, Workbook
from refusals import Code, Refusal

# A refusal travels in HTTP/2 headers, of which gRPC accepts 8 KiB.
_MOST_SHEETS_SHOWN = 20
_MOST_SHEET_CHARACTERS = 40
_SERIAL_DIGITS = 5


class RosterWorkbook:
    """A workbook with the roster in one of its worksheets, under a header.

    Raises ROSTER_SHEET_MISSING, ROSTER_SHEETS_SEVERAL, ROSTER_COLUMNS_MISSING, ROSTER_COLUMNS_TWICE, ROSTER_EMPTY, and
    what `Workbook` raises, also while it is read. Hidden rows are read like all others.
    """

    def __init__(self, content: bytes, mapping: RosterMapping, errors: RosterErrors) -> None:
        self.rows = 0
        self._errors = errors
        self._workbook = Workbook(content)
        self._header, self._records = self._open_sheet(mapping)
        self.header = self._header.columns
        self._needed = {place for place, column in enumerate(self.header) if column in mapping.list_columns()}
        # Numbers of days that no format shows as such, and that a count from 1900 would take for others.
        days = (mapping.valid_from, mapping.valid_until) if self._workbook.formats.starts_in_1904 else ()
        self._days_from_1904 = [place for place, column in enumerate(self.header) if column in days]

    def read_blocks(self) -> Iterator[Block]:
        """Yields the rows below the header, in blocks; those without any text are left out."""
        while rows := list(islice(self._records, BLOCK_ROWS)):
            numbers: list[int] = []
            records: list[list[str]] = []
            for row in rows:
                if cells := self._read_cells(row):
                    numbers.append(row.number)
                    records.append(cells)
            yield Block(numbers, list(zip(*records, strict=True)))
        if self.rows == 0 and self._errors.count == 0:
            raise Refusal("ROSTER_EMPTY", Code.INVALID_ARGUMENT)

    def _read_cells(self, row: SheetRow) -> list[str]:
        """Returns a cell for each column of the header; none for a row without text, or with an unreadable cell."""
        width = self._header.width
        cells = [*row.cells[:width], *[""] * (width - len(row.cells)), *self._header.absent_cells]
        if not row.unreadable and not any(map(str.strip, cells)):
            return []
        self.rows += 1
        for place in self._days_from_1904:
            if cells[place].isdecimal() and len(cells[place]) == _SERIAL_DIGITS:
                cells[place] = self._workbook.formats.find_day(float(cells[place]))
        unreadable = [place for place in row.unreadable if place in self._needed]
        for place in unreadable:
            self._errors.add(row.number, self.header[place], "ROSTER_CELL_NOT_COMPUTED")
        return [] if unreadable else cells

    def _open_sheet(self, mapping: RosterMapping) -> tuple[Header, Iterator[SheetRow]]:
        """Returns the header of the only worksheet that has one, and the rows below it."""
        search = HeaderSearch(mapping)
        found: list[tuple[Sheet, Header, Iterator[SheetRow]]] = []
        for sheet in self._choose_sheets(mapping.sheet):
            rows = self._workbook.read_rows(sheet)
            for row in islice(rows, MOST_HEADER_ROWS):
                if header := search.read_row(row.number, row.cells):
                    found.append((sheet, header, rows))
                    break
        if not found:
            raise search.describe_missing()
        if len(found) > 1:
            sheets = _join_names([sheet for sheet, _, _ in found])
            raise Refusal("ROSTER_SHEETS_SEVERAL", Code.INVALID_ARGUMENT, {"sheets": sheets})
        return found[0][1:]

    def _choose_sheets(self, name: str | None) -> list[Sheet]:
        sheets = self._workbook.sheets
        if name is None:
            return [sheet for sheet in sheets if sheet.is_visible]
        chosen = [sheet for sheet in sheets if sheet.name == name]
        if not chosen:
            metadata = {"sheet": shorten_visible(name, _MOST_SHEET_CHARACTERS), "sheets": _join_names(sheets)}
            raise Refusal("ROSTER_SHEET_MISSING", Code.INVALID_ARGUMENT, metadata)
        return chosen


def _join_names(sheets: list[Sheet]) -> str:
    shown = [shorten_visible(sheet.name, _MOST_SHEET_CHARACTERS) for sheet in sheets[:_MOST_SHEETS_SHOWN]]
    return "、".join([*shown, *(["…"] if len(sheets) > _MOST_SHEETS_SHOWN else [])])
