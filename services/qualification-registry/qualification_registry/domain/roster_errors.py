"""Errors in a roster file, by row and column."""

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice

# Errors that are listed; all are counted.
MOST_SHOWN = 200
# A column is wrong as a whole only in a file with so many rows; in a smaller one the rows say more.
FEWEST_ROWS = 10


@dataclass(frozen=True, slots=True)
class RowError:
    """An error in one cell. It never contains the content of the cell, but for what a conversion left of a character.

    `row` counts records as a spreadsheet numbers rows, from 1; 0 means the file itself. `column` is the name in the
    header, empty where the error is about the whole row. An error of a whole column has row 0, and perhaps the
    one word in it.
    """

    row: int
    column: str
    reason: str
    metadata: Mapping[str, str]


@dataclass(slots=True)
class _ColumnErrors:
    """The first errors of a column, the number of all, their reasons, and all rows that have one."""

    first: list[RowError] = field(default_factory=list)
    count: int = 0
    reasons: set[str] = field(default_factory=set)
    rows: set[int] = field(default_factory=set)


class RosterErrors:
    """The first errors of one file, and the number of all."""

    def __init__(self) -> None:
        self._columns: dict[str, _ColumnErrors] = {}
        self.count = 0

    @property
    def first(self) -> list[RowError]:
        """The errors of the first rows."""
        by_column = (errors.first for errors in self._columns.values())
        return list(islice(merge(*by_column, key=lambda error: error.row), MOST_SHOWN))

    def add(self, row: int, column: str, reason: str, metadata: Mapping[str, str] | None = None) -> None:
        """Adds an error. Errors may come in any order: those of the first rows are kept."""
        self.count += 1
        errors = self._columns.setdefault(column, _ColumnErrors())
        errors.count += 1
        errors.reasons.add(reason)
        errors.rows.add(row)
        insort(errors.first, RowError(row, column, reason, metadata or {}), key=lambda error: error.row)
        del errors.first[MOST_SHOWN:]

    def join_columns(self, rows: int, same_words: Mapping[str, str]) -> None:
        """Replaces the errors of a column that is wrong throughout by one error of the column.

        `rows` is the number of rows in the file. `same_words` has the word that every row has in a column in which
        rows must differ, shortened, by column.
        """
        if rows < FEWEST_ROWS:
            return
        for column, word in same_words.items():
            self._replace(column, "ROSTER_COLUMN_ONE_WORD", {"word": word, "rows": str(rows)})
        for column, errors in list(self._columns.items()):
            if not column or len(errors.rows) != rows or column in same_words:
                continue
            if errors.reasons == {"ROSTER_BIDDER_ID_SHORT"}:
                # That zeros were lost says more than that all ids are wrong.
                self._replace(column, "ROSTER_BIDDER_ID_SHORT", {"pattern": errors.first[0].metadata["pattern"]})
            else:
                reason = "ROSTER_COLUMN_EMPTY" if errors.reasons == {"FIELD_REQUIRED"} else "ROSTER_COLUMN_WRONG"
                self._replace(column, reason, {"rows": str(rows)})

    def _replace(self, column: str, reason: str, metadata: Mapping[str, str]) -> None:
        if column in self._columns:
            self.count -= self._columns.pop(column).count
        self.add(0, column, reason, metadata)
