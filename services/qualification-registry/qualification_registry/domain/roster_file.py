"""Reads a roster file: its bytes as records, numbered as a spreadsheet numbers its rows (QUA-12)."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from instance_profile.model import Encoding
from qualification_registry.domain.roster_errors import RosterErrors
from refusals import Code, Refusal

# Measured: a block of this size stays in the processor's cache; blocks of 4,000 take half as long again.
BLOCK_ROWS = 500
_UTF_8_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Block:
    """Records of the file, each as long as the header, and their row numbers; the header is row 1."""

    numbers: Sequence[int]
    rows: list[list[str]]


class RosterFile:
    """A CSV file (RFC 4180) with a header. Raises ROSTER_EMPTY and ROSTER_ENCODING_WRONG, also while it is read.

    `rows` counts the records read after the header: those with errors too, empty lines not.
    """

    def __init__(self, content: bytes, encoding: Encoding, errors: RosterErrors) -> None:
        self.rows = 0
        self._errors = errors
        self._encoding = encoding
        self._content = content
        if not content or content.isspace():
            raise Refusal("ROSTER_EMPTY", Code.INVALID_ARGUMENT)
        if content.startswith(_UTF_16_MARKS) or (encoding is Encoding.CP932 and _looks_like_utf_8(content)):
            raise self._wrong_encoding()
        # A truncated file may end in the middle of a character; the error is reported for its last record.
        incomplete = _count_incomplete_bytes(content, encoding.value)
        self._is_cut = incomplete > 0
        self._ends_with_line_break = content.endswith((b"\n", b"\r"))
        self._has_nul = b"\0" in content
        text = io.TextIOWrapper(
            io.BytesIO(content[: len(content) - incomplete] if incomplete else content),
            "utf-8-sig" if encoding is Encoding.UTF_8 else encoding.value,
            newline="",
        )
        self._records: Iterator[list[str]] = csv.reader(text, strict=True)
        self._read = 0
        self._is_broken = False
        _, header = self._next_records(1)
        self.header = header[0] if header else []

    def read_blocks(self) -> Iterator[Block]:
        """Yields the records after the header, in blocks.

        A record that is wrong as a whole becomes an error and is left out; empty lines are left out, but counted in
        the row numbers.
        """
        first, records = self._next_records(BLOCK_ROWS)
        while records:
            following = self._next_records(BLOCK_ROWS)
            block = Block(range(first, first + len(records)), records)
            has_last = not following[1] and not self._is_broken
            may_be_cut = has_last and not self._ends_with_line_break
            if may_be_cut or self._has_nul or set(map(len, records)) != {len(self.header)}:
                block = self._remove_wrong_records(block, has_last=has_last)
            else:
                self.rows += len(records)
            yield block
            first, records = following
        if self._is_cut:
            self._errors.add(self._read, "", "ROSTER_CUT_SHORT")
        if self.rows == 0 and self._errors.count == 0:
            raise Refusal("ROSTER_EMPTY", Code.INVALID_ARGUMENT)

    def _next_records(self, count: int) -> tuple[int, list[list[str]]]:
        """Returns the row number of the first of the next records, and the records."""
        first = self._read + 1
        records: list[list[str]] = []
        try:
            # Records that were read before an exception stay in the list.
            records.extend(islice(self._records, count))
        except UnicodeDecodeError:
            raise self._wrong_encoding() from None
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
        last = block.numbers[-1] if has_last else 0
        for number, row in zip(block.numbers, block.rows, strict=True):
            if not row:
                continue
            self.rows += 1
            if number == last and self._is_cut_off(row):
                self._is_cut = False  # Reported here, so not at the end again.
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

    def _is_cut_off(self, last: list[str]) -> bool:
        """Returns whether the file ends in the middle of its last record.

        A last cell that lost some of its characters cannot be detected. One that lost all of them could pass for a
        qualification without an end, so a file without a line break at its end must not end with an empty cell.
        """
        if self._is_cut or self._ends_with_line_break:
            return self._is_cut
        return len(last) < len(self.header) or not last[-1]

    def _wrong_encoding(self) -> Refusal:
        metadata = {
            "expected": _name_encoding(self._encoding.value),
            "looks_like": _guess_encoding(self._content),
            "line": "1",
        }
        try:
            self._content.decode(self._encoding.value)
        except UnicodeDecodeError as error:
            metadata["line"] = str(self._content.count(b"\n", 0, error.start) + 1)
        return Refusal("ROSTER_ENCODING_WRONG", Code.INVALID_ARGUMENT, metadata)


def _find_reason(error: csv.Error) -> str:
    # The csv module distinguishes these only by their text.
    if "unexpected end of data" in str(error):
        return "ROSTER_QUOTE_OPEN"
    if "field larger than field limit" in str(error):
        return "ROSTER_CELL_TOO_LONG"
    return "ROSTER_QUOTES_WRONG"


def _count_incomplete_bytes(content: bytes, encoding: str) -> int:
    """Returns the number of bytes of an incomplete character at the end.

    0 where the content ends with a complete one, or with bytes that belong to no character, which is another error.
    """
    line_break = max(content.rfind(b"\n"), content.rfind(b"\r"))
    try:
        content[line_break + 1 :].decode(encoding)
    except UnicodeDecodeError as error:
        if error.end == len(error.object) and ("end of data" in error.reason or "incomplete" in error.reason):
            return error.end - error.start
    return 0


def _looks_like_utf_8(content: bytes) -> bool:
    """Returns whether bytes that are not all ASCII are valid UTF-8. Japanese in CP932 practically never is."""
    if content.startswith(_UTF_8_MARK):
        return True
    if content.isascii():
        return False
    incomplete = _count_incomplete_bytes(content, "utf-8")
    return _is_decodable(content[: len(content) - incomplete], "utf-8")


def _guess_encoding(content: bytes) -> str:
    """Returns the name of the encoding that the file probably has, for people; empty where it is not clear."""
    if content.startswith(_UTF_16_MARKS):
        return "UTF-16"
    if _looks_like_utf_8(content):
        return "UTF-8"
    # EUC-JP first: it often passes for CP932 full of half-width kana, CP932 hardly ever passes for EUC-JP.
    for encoding in ("euc_jp", "cp932"):
        if _is_decodable(content, encoding):
            return _name_encoding(encoding)
    return ""


def _name_encoding(encoding: str) -> str:
    return {"utf-8": "UTF-8", "cp932": "CP932 (Shift_JIS)", "euc_jp": "EUC-JP"}[encoding]


def _is_decodable(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
