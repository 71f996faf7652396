"""CSV files that officers open in a spreadsheet: UTF-8 with BOM, and no cell that it would compute or change.

A spreadsheet computes cells that begin with = + - @ (CWE-1236), drops leading zeros, rounds long numbers, and makes a
date of 1-2. Such cells get an apostrophe in front, and so do cells that begin with one; `restore_cell` takes it off.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from operator_command.officer.private_files import open_private_file
from refusals import Code, Refusal

_MARK = "'"
_COMPUTED = re.compile(
    # Half or full width, after spaces too.
    r"\s*[=+\-@＝＋－＠−'\t\r\n]"
    # Numbers that would change, and what would become a date or a number with an exponent.
    r"|(0[0-9]+|[0-9]{12,}|[0-9]{1,2}[-/][0-9]{1,2}([-/][0-9]{1,4})?|[0-9.]+[eE][0-9]+)\Z"
)
# What spreadsheets save a CSV as: the second is the Japanese Excel's default.
_ENCODINGS = ("utf-8-sig", "cp932")


def protect_cell(text: str) -> str:
    """Returns the text as a cell that a spreadsheet shows and saves as it is."""
    return f"{_MARK}{text}" if _COMPUTED.match(text) else text


def restore_cell(cell: str) -> str:
    """Returns the text of a cell, whether a spreadsheet kept the apostrophe of `protect_cell` or not."""
    return cell.removeprefix(_MARK)


def write_table(file: Path, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Writes a file with these rows, completely or not at all (0600). Raises OUTPUT_NOT_WRITTEN."""
    try:
        with open_private_file(file) as stream:
            text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
            writer = csv.writer(text)
            writer.writerow(headings)
            writer.writerows(map(protect_cell, row) for row in rows)
            text.flush()
            text.detach()
    except OSError as error:
        metadata = {"path": str(file), "cause": error.strerror or type(error).__name__}
        raise Refusal("OUTPUT_NOT_WRITTEN", Code.FAILED_PRECONDITION, metadata) from None


def read_table(file: Path, choices: Sequence[Sequence[str]]) -> Iterator[tuple[int, Sequence[str]]]:
    """Yields the number of each row (the header is row 1) and its cells under these headings, as they were written.

    `choices` are the headings in each language; the file has those of one. A spreadsheet may have saved it as UTF-8 or
    in its Japanese default, CP932. Other columns and empty rows are ignored. Raises TABLE_UNREADABLE, TABLE_WRONG.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        metadata = {"path": str(file), "cause": error.strerror or type(error).__name__}
        raise Refusal("TABLE_UNREADABLE", Code.INVALID_ARGUMENT, metadata) from None
    rows = csv.reader(io.StringIO(_decode(content, file), newline=""), strict=True)
    number = 1
    try:
        header = next(rows, [])
        headings = next((headings for headings in choices if set(headings) <= set(header)), choices[0])
        places = [header.index(heading) for heading in headings]
        for number, cells in enumerate(rows, 2):
            if any(map(str.strip, cells)):
                yield number, [restore_cell(cells[place]) for place in places]
    except (csv.Error, ValueError, IndexError):
        metadata = {
            "path": str(file),
            "row": str(number),
            "columns": " / ".join("、".join(headings) for headings in choices),
        }
        raise Refusal("TABLE_WRONG", Code.INVALID_ARGUMENT, metadata) from None


def _decode(content: bytes, file: Path) -> str:
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            pass
    metadata = {"path": str(file), "row": "1", "columns": "UTF-8, CP932"}
    raise Refusal("TABLE_WRONG", Code.INVALID_ARGUMENT, metadata)
