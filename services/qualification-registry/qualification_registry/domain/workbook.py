"""An Excel workbook (.xlsx) as rows of texts: its worksheets, read one row at a time (ECMA-376, part 1, 18).

Own code, and no package: see docs/adr/0017-workbooks-are-read-as-streams.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from qualification_registry.domain.workbook_cells import NumberFormats, read_escapes
from qualification_registry.domain.workbook_package import (
    WorkbookPackage,
    workbook_broken,
    workbook_too_large,
)

_MOST_SHEET_BYTES = 512 * 1024**2
_MOST_STRINGS_BYTES = 96 * 1024**2
_MOST_STRINGS = 3_000_000
_MOST_CELLS = 20_000_000
_MOST_COLUMNS = 16_384
# A spreadsheet holds 32,767 characters in a cell.
_MOST_CHARACTERS = 100_000
_DIGITS = "0123456789"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A worksheet, and the part of the workbook that holds its cells."""

    name: str
    part: str
    is_visible: bool


@dataclass(slots=True)
class SheetRow:
    """A row: its number, its cells as texts, and the columns (from 0) of cells that have no value to read.

    Such a cell shows an error (#N/A), or has a formula whose result was never stored.
    """

    number: int
    cells: list[str] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)


class Workbook:
    """The worksheets of a workbook. Raises what `WorkbookPackage` raises, also while rows are read."""

    def __init__(self, content: bytes) -> None:
        self._package = WorkbookPackage(content)
        roots = self._package.find_related("").values()
        self._part = next((part for kind, part in roots if kind == "officeDocument"), "xl/workbook.xml")
        related = self._package.find_related(self._part)
        description = _DescriptionReader()
        self._package.read(self._part, description)
        self.sheets = [
            Sheet(name, related[reference][1], state == "visible")
            for name, reference, state in description.sheets
            if related.get(reference, ("",))[0] == "worksheet"
        ]
        if not self.sheets:
            raise workbook_broken(self._part)
        parts = dict(related.values())
        styles = _StyleReader()
        if "styles" in parts:
            self._package.read(parts["styles"], styles)
        self.formats = NumberFormats(styles.list_formats(), starts_in_1904=description.starts_in_1904)
        self._strings = self._read_strings(parts.get("sharedStrings"))

    def read_rows(self, sheet: Sheet) -> Iterator[SheetRow]:
        """Yields the rows of a worksheet that have cells."""
        reader = _SheetReader(sheet.part, self._strings, self.formats)
        for _ in self._package.parse(sheet.part, reader, _MOST_SHEET_BYTES):
            rows = reader.rows
            reader.rows = []
            yield from rows

    def _read_strings(self, part: str | None) -> list[str]:
        reader = _StringReader(part or "")
        if part is not None:
            for _ in self._package.parse(part, reader, _MOST_STRINGS_BYTES):
                pass
        return reader.strings


class _DescriptionReader:
    """Reads the names of the worksheets, the ids of their parts, whether they are shown, and where days begin."""

    def __init__(self) -> None:
        self.sheets: list[tuple[str, str, str]] = []
        self.starts_in_1904 = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sheet":
            reference = next((value for key, value in attributes.items() if key.endswith(" id")), "")
            self.sheets.append((attributes["name"], reference, attributes.get("state", "visible")))
        elif name == "workbookPr":
            self.starts_in_1904 = attributes.get("date1904") in ("1", "true")

    def end(self, name: str) -> None:
        pass

    def add_text(self, text: str) -> None:
        pass


class _StyleReader:
    """Reads how the styles of cells show numbers."""

    def __init__(self) -> None:
        self._codes: dict[int, str] = {}
        self._formats: list[int] = []
        self._is_in_cells = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt":
            # Differential formats (dxf) have some too, for conditions; their ids are the same.
            self._codes.setdefault(int(attributes["numFmtId"]), attributes["formatCode"])
        elif name == "cellXfs":
            self._is_in_cells = True
        elif name == "xf" and self._is_in_cells:
            self._formats.append(int(attributes.get("numFmtId", "0")))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._is_in_cells = False

    def add_text(self, text: str) -> None:
        pass

    def list_formats(self) -> list[str | int]:
        """Returns the codes of formats by style, or their number where the workbook has no code for it."""
        return [self._codes.get(number, number) for number in self._formats]


class _StringReader:
    """Reads the texts that cells share, without the readings above them (rPh, ふりがな)."""

    def __init__(self, part: str) -> None:
        self._part = part
        self.strings: list[str] = []
        self._pieces: list[str] = []
        self._length = 0
        self._is_text = False
        self._is_reading = False

    def start(self, name: str, _: dict[str, str]) -> None:
        if name == "t":
            self._is_text = not self._is_reading
        elif name == "si":
            self._pieces = []
            self._length = 0
        elif name == "rPh":
            self._is_reading = True

    def end(self, name: str) -> None:
        if name == "t":
            self._is_text = False
        elif name == "si":
            if len(self.strings) >= _MOST_STRINGS:
                raise workbook_too_large(self._part)
            self.strings.append(read_escapes("".join(self._pieces)))
        elif name == "rPh":
            self._is_reading = False

    def add_text(self, text: str) -> None:
        if self._is_text:
            self._pieces.append(text)
            self._length += len(text)
            if self._length > _MOST_CHARACTERS:
                raise workbook_too_large(self._part)


class _SheetReader:
    """Reads the cells of a worksheet; finished rows stand in `rows` until they are taken."""

    def __init__(self, part: str, strings: list[str], formats: NumberFormats) -> None:
        self._part = part
        self._strings = strings
        self._formats = formats
        self.rows: list[SheetRow] = []
        self._row = SheetRow(0)
        self._count = 0
        self._columns: dict[str, int] = {"": -1}
        # Of the current cell.
        self._column = -1
        self._type = "n"
        self._style = -1
        self._has_formula = False
        self._pieces: list[str] = []
        self._length = 0
        self._is_text = False
        self._is_reading = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._start_cell(attributes)
        elif name in ("v", "t"):
            self._is_text = not self._is_reading
        elif name == "f":
            self._has_formula = True
        elif name == "row":
            number = attributes.get("r")
            self._row = SheetRow(int(number) if number else self._row.number + 1)
            self._column = -1
        elif name == "rPh":
            self._is_reading = True

    def end(self, name: str) -> None:
        if name in ("v", "t"):
            self._is_text = False
        elif name == "c":
            self._end_cell()
        elif name == "row":
            if self._row.cells:
                self.rows.append(self._row)
        elif name == "rPh":
            self._is_reading = False

    def add_text(self, text: str) -> None:
        if self._is_text:
            self._pieces.append(text)
            self._length += len(text)
            if self._length > _MOST_CHARACTERS:
                raise workbook_too_large(self._part)

    def _start_cell(self, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MOST_CELLS:
            raise workbook_too_large(self._part)
        self._type = attributes.get("t", "n")
        self._style = int(attributes.get("s", "-1"))
        # A cell without reference stands beside the one before it.
        reference = attributes.get("r")
        self._column = self._find_column(reference) if reference else self._column + 1
        if self._column >= _MOST_COLUMNS:
            raise workbook_broken(self._part)
        self._has_formula = False
        self._pieces = []
        self._length = 0

    def _end_cell(self) -> None:
        text = "".join(self._pieces)
        if not text and not self._has_formula:
            return
        cells, column = self._row.cells, self._column
        missing = column + 1 - len(cells)
        if missing > 0:
            cells.extend([""] * missing)
        kind = self._type
        if kind == "s":
            cells[column] = self._strings[int(text)]
        elif kind == "e" or (not text and kind != "str"):
            self._row.unreadable.append(column)
        elif kind == "n":
            cells[column] = self._formats.show(text, self._style)
        elif kind == "b":
            cells[column] = "TRUE" if text == "1" else "FALSE"
        elif kind == "d":
            cells[column] = text.removesuffix("Z").removesuffix("T00:00:00")
        else:
            cells[column] = read_escapes(text)

    def _find_column(self, reference: str) -> int:
        letters = reference.rstrip(_DIGITS)
        column = self._columns.get(letters)
        if column is None:
            column = 0
            for letter in letters:
                column = column * 26 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(letter) + 1
                if column > _MOST_COLUMNS:
                    raise workbook_broken(self._part)
            column -= 1
            self._columns[letters] = column
        return column
