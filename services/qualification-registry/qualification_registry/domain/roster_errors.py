"""Errors in a roster file, by row and column."""

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass

# Errors that are listed; all are counted.
MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class RowError:
    """An error in one cell; it never contains the content of the cell.

    `row` counts records as a spreadsheet numbers rows, from 1; 0 means the file itself. `column` is the name in the
    header, empty where the error is about the whole row.
    """

    row: int
    column: str
    reason: str
    metadata: Mapping[str, str]


class RosterErrors:
    """The first errors of one file, and the number of all."""

    def __init__(self) -> None:
        self.first: list[RowError] = []
        self.count = 0

    def add(self, row: int, column: str, reason: str, metadata: Mapping[str, str] | None = None) -> None:
        """Adds an error. Errors may come in any order: those of the first rows are kept."""
        self.count += 1
        insort(self.first, RowError(row, column, reason, metadata or {}), key=lambda error: error.row)
        del self.first[MOST_SHOWN:]
