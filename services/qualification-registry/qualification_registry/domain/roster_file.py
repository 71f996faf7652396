"""Reads a CSV roster file: its bytes as records, numbered as a spreadsheet numbers its rows (QUA-12)."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from instance_profile.model import Encoding, RosterMapping
from qualification_registry.domain.roster_encoding import (
    count_incomplete_bytes,
    describe_wrong_encoding,
    guess_encoding,
    refuse_other_encoding,
)
from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_header import MOST_HEADER_ROWS, Header, HeaderSearch
from refusals import Code, Refusal

# Measured: a block of this size stays in the processor's cache; blocks of 4,000 take half as long again.
BLOCK_ROWS = 500


@dataclass(frozen=True, slots=True)
class Block:
    """Records of the file, each as long as the header, and their row numbers; the file's first row is row 1."""

    numbers: Sequence[int]
    rows: list[list[str]]


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
    """A CSV file (RFC 4180) with a header, which may stand below other rows.

    Raises ROSTER_EMPTY, ROSTER_ENCODING_WRONG, ROSTER_BYTES_WRONG (also while it is read), ROSTER_COLUMNS_MISSING and
    ROSTER_COLUMNS_TWICE. `rows` counts the records read after the header: those with errors too, empty ones not.
    """

    def __init__(self, content: bytes, mapping: RosterMapping, errors: RosterErrors) -> None:
        self.rows = 0
        self._errors = errors
        self._encoding = mapping.encoding
        self._content = content
        if not content or content.isspace():
            raise Refusal("ROSTER_EMPTY", Code.INVALID_ARGUMENT)
        refuse_other_encoding(content, mapping.encoding)
        # A truncated file may end in the middle of a character; the error is reported for its last record.
        incomplete = count_incomplete_bytes(content, mapping.encoding.value)
        self._is_cut = incomplete > 0
        self._ends_with_line_break = content.endswith((b"\n", b"\r"))
        self._has_nul = b"\0" in content
        text = io.TextIOWrapper(
            io.BytesIO(content[: len(content) - incomplete] if incomplete else content),
            "utf-8-sig" if mapping.encoding is Encoding.UTF_8 else mapping.encoding.value,
            newline="",
        )
        self._records: Iterator[list[str]] = csv.reader(text, strict=True)
        self._read = 0
        self._is_broken = False
        self._header = self._find_header(mapping)
        self.header = self._header.columns

    def read_blocks(self) -> Iterator[Block]:
        """Yields the records after the header, in blocks.

        A record that is wrong as a whole becomes an error and is left out; empty records are left out, but counted in
        the row numbers.
        """
        width, absent = self._header.width, self._header.absent_cells
        empty = [""] * width
        first, records = self._next_records(BLOCK_ROWS)
        while records:
            following = self._next_records(BLOCK_ROWS)
            block = Block(range(first, first + len(records)), records)
            has_last = not following[1] and not self._is_broken
            may_be_cut = has_last and not self._ends_with_line_break
            if may_be_cut or self._has_nul or set(map(len, records)) != {width} or empty in records:
                block = self._remove_wrong_records(block, has_last=has_last)
            else:
                self.rows += len(records)
            yield Block(block.numbers, [[*row, *absent] for row in block.rows]) if absent else block
            first, records = following
        if self._is_cut:
            self._errors.add(self._read, "", "ROSTER_CUT_SHORT")
        if self.rows == 0 and self._errors.count == 0:
            raise Refusal("ROSTER_EMPTY", Code.INVALID_ARGUMENT)

    def _find_header(self, mapping: RosterMapping) -> Header:
        search = HeaderSearch(mapping)
        for _ in range(MOST_HEADER_ROWS):
            number, records = self._next_records(1)
            if not records:
                break
            if header := search.read_row(number, records[0]):
                return header
        if mapping.encoding is Encoding.CP932 and guess_encoding(self._content, mapping.encoding):
            # EUC-JP often passes for CP932, so that only the names of the columns show that it is none.
            raise describe_wrong_encoding(self._content, mapping.encoding)
        raise search.describe_missing()

    def _next_records(self, count: int) -> tuple[int, list[list[str]]]:
        """Returns the row number of the first of the next records, and the records."""
        first = self._read + 1
        records: list[list[str]] = []
        try:
            # Records that were read before an exception stay in the list.
            records.extend(islice(self._records, count))
        except UnicodeDecodeError:
            raise describe_wrong_encoding(self._content, self._encoding) from None
        except csv.Error as error:
            # After an unclosed quote the start of the next record is unknown: reading stops.
            self._errors.add(first + len(records), "", _find_reason(error))
            self._records = iter(())
            self._is_broken = True
        self._read += len(records)
        return first, records

    def _remove_wrong_records(self, block: Block, *, has_last: bool) -> Block:
        numbers: list[int] = []
        rows: list[list[str]] = []
        width, header = self._header.width, self.header[: self._header.width]
        last = block.numbers[-1] if has_last else 0
        for number, row in zip(block.numbers, block.rows, strict=True):
            # Spreadsheets write a row of commas for a row that once had content.
            if not any(row):
                continue
            self.rows += 1
            if number == last and self._is_cut_off(row):
                self._is_cut = False  # Reported here, so not at the end again.
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
        return Block(numbers, rows)

    def _is_cut_off(self, last: list[str]) -> bool:
        """Returns whether the file ends in the middle of its last record.

        A last cell that lost some of its characters cannot be detected. One that lost all of them could pass for a
        qualification without an end, so a file without a line break at its end must not end with an empty cell.
        """
        if self._is_cut or self._ends_with_line_break:
            return self._is_cut
        return len(last) < self._header.width or not last[-1]


def _find_reason(error: csv.Error) -> str:
    # The csv module distinguishes these only by their text.
    if "unexpected end of data" in str(error):
        return "ROSTER_QUOTE_OPEN"
    if "field larger than field limit" in str(error):
        return "ROSTER_CELL_TOO_LONG"
    return "ROSTER_QUOTES_WRONG"
