"""A roster file as it came: bytes in, records out, with the number of each as a person would find it (QUA-12)."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from instance_profile.model import Encoding
from qualification_registry.domain.roster_errors import RosterErrors
from refusals import Code, Refusal

# Measured: with blocks of this size what a block needs stays in the processor's cache; 4,000 take half as long again.
BLOCK_ROWS = 500
_UTF_8_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Block:
    """Some records of the file, each as long as the header, and their row numbers; the header is row 1."""

    numbers: Sequence[int]
    rows: list[list[str]]


class RosterFile:
    """A CSV file (RFC 4180) with a header. Raises ROSTER_EMPTY and ROSTER_ENCODING_WRONG, also while it is read.

    `rows` counts the records after the header as far as they were read, those in error too, empty lines not.
    """

    def __init__(self, content: bytes, encoding: Encoding, errors: RosterErrors) -> None:
        self.rows = 0
        self._errors = errors
        self._encoding = encoding
        self._content = content
        if not content or content.isspace():
            raise Refusal("ROSTER_EMPTY", Code.INVALID_ARGUMENT)
        if content.startswith(_UTF_16_MARKS) or (encoding is Encoding.CP932 and _looks_like_utf_8(content)):
            raise self._encoding_wrong()
        # A file that was cut off may end in the middle of a character; what it ends with is told with its last record.
        half = _half_character(content, encoding.value)
        self._is_cut = half > 0
        self._ends_with_line_break = content.endswith((b"\n", b"\r"))
        self._has_nul = b"\0" in content
        text = io.TextIOWrapper(
            io.BytesIO(content[: len(content) - half] if half else content),
            "utf-8-sig" if encoding is Encoding.UTF_8 else encoding.value,
            newline="",
        )
        self._records: Iterator[list[str]] = csv.reader(text, strict=True)
        self._read = 0
        self._is_broken = False
        _, header = self._next_records(1)
        self.header = header[0] if header else []

    def blocks(self) -> Iterator[Block]:
        """The records after the header, in blocks. What is wrong with a record as a whole becomes an error, and the
        record is left out; empty lines are left out, but counted in the row numbers."""
        first, records = self._next_records(BLOCK_ROWS)
        while records:
            following = self._next_records(BLOCK_ROWS)
            block = Block(range(first, first + len(records)), records)
            holds_last = not following[1] and not self._is_broken
            may_be_cut = holds_last and not self._ends_with_line_break
            if may_be_cut or self._has_nul or set(map(len, records)) != {len(self.header)}:
                block = self._whole_records(block, holds_last=holds_last)
            else:
                self.rows += len(records)
            yield block
            first, records = following
        if self._is_cut:
            self._errors.add(self._read, "", "ROSTER_CUT_SHORT")
        if self.rows == 0 and self._errors.count == 0:
            raise Refusal("ROSTER_EMPTY", Code.INVALID_ARGUMENT)

    def _next_records(self, count: int) -> tuple[int, list[list[str]]]:
        """The number of the first of the next records, and the records."""
        first = self._read + 1
        records: list[list[str]] = []
        try:
            # What was read before an exception stays in the list.
            records.extend(islice(self._records, count))
        except UnicodeDecodeError:
            raise self._encoding_wrong() from None
        except csv.Error as error:
            # Quotes that do not end leave no way to tell where the next record begins: nothing more is read.
            self._errors.add(first + len(records), "", _reason(error))
            self._records = iter(())
            self._is_broken = True
        self._read += len(records)
        return first, records

    def _whole_records(self, block: Block, *, holds_last: bool) -> Block:
        numbers: list[int] = []
        rows: list[list[str]] = []
        last = block.numbers[-1] if holds_last else 0
        for number, row in zip(block.numbers, block.rows, strict=True):
            if not row:
                continue
            self.rows += 1
            if number == last and self._ends_too_soon(row):
                self._is_cut = False  # It is told here, once.
                self._errors.add(number, "", "ROSTER_CUT_SHORT")
            elif len(row) != len(self.header):
                lengths = {"expected": str(len(self.header)), "actual": str(len(row))}
                self._errors.add(number, "", "ROSTER_ROW_LENGTH", lengths)
            elif columns := [column for column, cell in zip(self.header, row, strict=True) if "\0" in cell]:
                for column in columns:
                    self._errors.add(number, column, "FIELD_HAS_CONTROL_CHARACTERS", {"characters": "U+0000"})
            else:
                numbers.append(number)
                rows.append(row)
        return Block(numbers, rows)

    def _ends_too_soon(self, last: list[str]) -> bool:
        """Whether the file ends in the middle of its last record.

        A last cell that lost some of its characters does not show. One that lost all of them could pass for a
        qualification without an end, so a file without a line break at its end must not end with an empty cell.
        """
        if self._is_cut or self._ends_with_line_break:
            return self._is_cut
        return len(last) < len(self.header) or not last[-1]

    def _encoding_wrong(self) -> Refusal:
        metadata = {"expected": _shown(self._encoding.value), "looks_like": _looks_like(self._content), "line": "1"}
        try:
            self._content.decode(self._encoding.value)
        except UnicodeDecodeError as error:
            metadata["line"] = str(self._content.count(b"\n", 0, error.start) + 1)
        return Refusal("ROSTER_ENCODING_WRONG", Code.INVALID_ARGUMENT, metadata)


def _reason(error: csv.Error) -> str:
    # The csv module tells these apart by its words only.
    if "unexpected end of data" in str(error):
        return "ROSTER_QUOTE_OPEN"
    if "field larger than field limit" in str(error):
        return "ROSTER_CELL_TOO_LONG"
    return "ROSTER_QUOTES_WRONG"


def _half_character(content: bytes, encoding: str) -> int:
    """How many bytes of an unfinished character stand at the end: 0 where it ends with a whole one (or with bytes that
    are none at all, which is another error)."""
    line_break = max(content.rfind(b"\n"), content.rfind(b"\r"))
    try:
        content[line_break + 1 :].decode(encoding)
    except UnicodeDecodeError as error:
        if error.end == len(error.object) and ("end of data" in error.reason or "incomplete" in error.reason):
            return error.end - error.start
    return 0


def _looks_like_utf_8(content: bytes) -> bool:
    """Whether bytes that are not all ASCII are good UTF-8. Japanese in CP932 practically never is."""
    if content.startswith(_UTF_8_MARK):
        return True
    if content.isascii():
        return False
    half = _half_character(content, "utf-8")
    return _decodes(content[: len(content) - half], "utf-8")


def _looks_like(content: bytes) -> str:
    """What the file seems to be instead, for people; empty where nobody can tell."""
    if content.startswith(_UTF_16_MARKS):
        return "UTF-16"
    if _looks_like_utf_8(content):
        return "UTF-8"
    # EUC-JP first: it often passes for CP932 full of half-width kana, CP932 hardly ever passes for EUC-JP.
    for encoding in ("euc_jp", "cp932"):
        if _decodes(content, encoding):
            return _shown(encoding)
    return ""


def _shown(encoding: str) -> str:
    return {"utf-8": "UTF-8", "cp932": "CP932 (Shift_JIS)", "euc_jp": "EUC-JP"}[encoding]


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
