"""The records of a CSV roster file, by column: fast where no quote stands between the reader and the cells (QUA-12)."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

# Of a text with quotes; what is read without them is about as long. A block of this size stays in the processor's
# cache, blocks of 4,000 take half as long again.
BLOCK_ROWS = 500


@dataclass(frozen=True, slots=True)
class Records:
    """Records of a file that follow each other; `first` is the number of the first one.

    `columns` has their cells by column where all are as long as the header, and none is all empty. Otherwise it is
    empty, and `rows` has the records.
    """

    first: int
    count: int
    columns: Sequence[Sequence[str]] = ()
    rows: Sequence[Sequence[str]] = ()

    def list_rows(self) -> Sequence[Sequence[str]]:
        """Returns the records."""
        return list(zip(*self.columns, strict=True)) if self.columns else self.rows


class CsvRecords:
    """The records of a text (RFC 4180) that comes in pieces of whole lines. `read` counts those that were read.

    Raises csv.Error after the records before it, and what the pieces raise.
    """

    def __init__(self, texts: Iterator[str]) -> None:
        self.read = 0
        self._texts = texts
        self._piece = io.StringIO()
        self._parser = csv.reader(self._read_lines(), strict=True)

    def read_record(self) -> list[str] | None:
        """Returns the next record; None after the last one."""
        record = next(self._parser, None)
        self.read += record is not None
        return record

    def read_further(self, width: int) -> Iterator[Records]:
        """Yields all further records, in blocks; `width` is the header's."""
        text = self._piece.read() or next(self._texts, "")
        while text and (records := _split_text(text, self.read + 1, width)):
            self.read += records.count
            yield records
            text = next(self._texts, "")
        # From the first quote on, a line break may be one of a cell, and a record may end in any later piece.
        self._piece = io.StringIO(text, newline="")
        self._parser = csv.reader(self._read_lines(), strict=True)
        broken: csv.Error | None = None
        while broken is None:
            rows: list[list[str]] = []
            try:
                # Records that were read before an exception stay in the list.
                rows.extend(islice(self._parser, BLOCK_ROWS))
            except csv.Error as error:
                broken = error
            if rows:
                first = self.read + 1
                self.read += len(rows)
                yield _arrange_rows(rows, first, width)
            elif broken is None:
                return
        raise broken

    def _read_lines(self) -> Iterator[str]:
        while True:
            yield from self._piece
            text = next(self._texts, "")
            if not text:
                return
            self._piece = io.StringIO(text, newline="")


def _split_text(text: str, first: int, width: int) -> Records | None:
    """Returns the records of whole lines; None where only a parser can tell them."""
    if '"' in text or len(text) > csv.field_size_limit():
        return None
    text = text.replace("\r\n", "\n").removesuffix("\n")
    if "\r" in text:
        return None
    # Each line break becomes a cell of its own. So the columns are slices, and whether all lines are as long as the
    # header shows in where the line breaks are.
    cells = text.replace("\n", ",\n,").split(",")
    count = text.count("\n") + 1
    if len(cells) == count * (width + 1) - 1 and cells[width :: width + 1].count("\n") == count - 1:
        columns = [cells[place :: width + 1] for place in range(width)]
        if "" not in columns[0] or ("",) * width not in zip(*columns, strict=True):
            return Records(first, count, columns)
    return Records(first, count, rows=[line.split(",") if line else [] for line in text.split("\n")])


def _arrange_rows(rows: list[list[str]], first: int, width: int) -> Records:
    if set(map(len, rows)) == {width} and [""] * width not in rows:
        return Records(first, len(rows), list(zip(*rows, strict=True)))
    return Records(first, len(rows), rows=rows)
