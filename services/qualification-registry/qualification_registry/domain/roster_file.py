"""Reads a CSV roster file: its bytes as records, numbered as a spreadsheet numbers its rows (QUA-12)."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from instance_profile.model import Encoding, RosterMapping
from qualification_registry.domain.roster_content import RosterContent
from qualification_registry.domain.roster_encoding import (
    describe_wrong_encoding,
    guess_encoding,
    may_have_other_encoding,
    refuse_other_encoding,
)
from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_header import MOST_HEADER_ROWS, Header, HeaderSearch
from qualification_registry.domain.roster_records import CsvRecords, Records
from qualification_registry.domain.roster_text import RosterText
from refusals import Code, Refusal


@dataclass(frozen=True, slots=True)
class Block:
    """Records of the file by their row numbers, of which the file's first row is 1: their cells in each column."""

    numbers: Sequence[int]
    columns: Sequence[Sequence[str]]


class RosterSource(Protocol):
    """A roster file: its header, which has all columns of the mapping, and how many rows were read so far."""

    @property
    def header(self) -> Sequence[str]:
        """The names of the columns."""

    @property
    def rows(self) -> int:
        """The rows below the header that were read so far; joined rows count once."""

    def read_blocks(self) -> Iterator[Block]:
        """Yields the rows below the header, in blocks."""


class RosterFile:
    """A CSV file (RFC 4180) with a header, which may stand below other rows; it is read while it arrives.

    Raises ROSTER_EMPTY, ROSTER_ENCODING_WRONG, ROSTER_BYTES_WRONG (also while it is read), ROSTER_COLUMNS_MISSING and
    ROSTER_COLUMNS_TWICE. `rows` counts the records read after the header: those with errors too, empty ones not.
    """

    def __init__(self, content: RosterContent, mapping: RosterMapping, errors: RosterErrors) -> None:
        self.rows = 0
        self._errors = errors
        self._encoding = mapping.encoding
        self._content = content
        self._text = RosterText(content, mapping.encoding)
        self._records = CsvRecords(self._text.read())
        self._is_broken = False
        self._is_cut_reported = False
        try:
            self._header = self._find_header(mapping)
        except Refusal:
            self._refuse_content()
            raise
        self.header = self._header.columns

    def read_blocks(self) -> Iterator[Block]:
        """Yields the records after the header, in blocks.

        A record that is wrong as a whole becomes an error and is left out; empty records are left out, but counted in
        the row numbers.
        """
        absent = self._header.absent_cells
        further = self._read_further()
        records = next(further, None)
        while records is not None:
            following = next(further, None)
            has_last = following is None and not self._is_broken
            may_be_cut = has_last and not self._text.ends_with_line_break
            if may_be_cut or self._text.has_nul or not records.columns:
                block = self._remove_wrong_records(records, has_last=has_last)
            else:
                self.rows += records.count
                block = Block(range(records.first, records.first + records.count), records.columns)
            if absent and block.numbers:
                block = Block(block.numbers, [*block.columns, *([cell] * len(block.numbers) for cell in absent)])
            yield block
            records = following
        self._refuse_content()
        if self._text.is_cut and not self._is_cut_reported:
            self._errors.add(self._records.read, "", "ROSTER_CUT_SHORT")
        if self.rows == 0 and self._errors.count == 0:
            raise Refusal("ROSTER_EMPTY", Code.INVALID_ARGUMENT)

    def _find_header(self, mapping: RosterMapping) -> Header:
        search = HeaderSearch(mapping)
        try:
            for _ in range(MOST_HEADER_ROWS):
                record = self._records.read_record()
                if record is None:
                    break
                if header := search.read_row(self._records.read, record):
                    return header
        except UnicodeDecodeError:
            raise self._describe_wrong_encoding() from None
        except csv.Error:
            # What was not found until here is missing.
            pass
        content = self._content.read_all()
        if mapping.encoding is Encoding.CP932 and guess_encoding(content, mapping.encoding):
            # EUC-JP often passes for CP932, so that only the names of the columns show that it is none.
            raise describe_wrong_encoding(content, mapping.encoding)
        raise search.describe_missing()

    def _read_further(self) -> Iterator[Records]:
        try:
            yield from self._records.read_further(self._header.width)
        except UnicodeDecodeError:
            raise self._describe_wrong_encoding() from None
        except csv.Error as error:
            # After an unclosed quote the start of the next record is unknown: reading stops.
            self._errors.add(self._records.read + 1, "", _find_reason(error))
            self._is_broken = True

    def _describe_wrong_encoding(self) -> Refusal:
        self._refuse_content()
        return describe_wrong_encoding(self._content.read_all(), self._encoding)

    def _refuse_content(self) -> None:
        """Raises what only the whole file shows, which says more than what its records show."""
        if all(map(bytes.isspace, self._content.read_pieces())):
            raise Refusal("ROSTER_EMPTY", Code.INVALID_ARGUMENT)
        if may_have_other_encoding(self._content.read_pieces(), self._encoding):
            refuse_other_encoding(self._content.read_all(), self._encoding)

    def _remove_wrong_records(self, records: Records, *, has_last: bool) -> Block:
        numbers: list[int] = []
        rows: list[Sequence[str]] = []
        width, header = self._header.width, self.header[: self._header.width]
        last = records.first + records.count - 1 if has_last else 0
        for number, row in enumerate(records.list_rows(), records.first):
            # Spreadsheets write a row of commas for a row that once had content.
            if not any(row):
                continue
            self.rows += 1
            if number == last and self._is_cut_off(row):
                self._is_cut_reported = True
                self._errors.add(number, "", "ROSTER_CUT_SHORT")
            elif len(row) != width:
                lengths = {"expected": str(width), "actual": str(len(row))}
                self._errors.add(number, "", "ROSTER_ROW_LENGTH", lengths)
            elif columns := [column for column, cell in zip(header, row, strict=True) if "\0" in cell]:
                for column in columns:
                    self._errors.add(number, column, "FIELD_HAS_CONTROL_CHARACTERS", {"characters": "U+0000"})
            else:
                numbers.append(number)
                rows.append(row)
        return Block(numbers, list(zip(*rows, strict=True)))

    def _is_cut_off(self, last: Sequence[str]) -> bool:
        """Returns whether the file ends in the middle of its last record.

        A last cell that lost some of its characters cannot be detected. One that lost all of them could pass for a
        qualification without an end, so a file without a line break at its end must not end with an empty cell.
        """
        if self._text.is_cut or self._text.ends_with_line_break:
            return self._text.is_cut
        return len(last) < self._header.width or not last[-1]


def _find_reason(error: csv.Error) -> str:
    # The csv module distinguishes these only by their text.
    if "unexpected end of data" in str(error):
        return "ROSTER_QUOTE_OPEN"
    if "field larger than field limit" in str(error):
        return "ROSTER_CELL_TOO_LONG"
    return "ROSTER_QUOTES_WRONG"
