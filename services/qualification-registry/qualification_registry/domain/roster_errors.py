"""What is wrong with a roster file, by row and column."""

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass

# As many are shown; all are counted.
MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class RowError:
    """An error in one cell. `row` counts records, the header is row 1; 0 stands for the file itself. `column` is named
    as in the header, and empty where it is about the whole row. The cell's content stands nowhere in it."""

    row: int
    column: str
    reason: str
    metadata: Mapping[str, str]


class RosterErrors:
    """The errors of one file: the first of them, and how many there are."""

    def __init__(self) -> None:
        self.first: list[RowError] = []
        self.count = 0

    def add(self, row: int, column: str, reason: str, metadata: Mapping[str, str] | None = None) -> None:
        """Takes one more error. They may come in any order: the first ones are those of the first rows."""
        self.count += 1
        insort(self.first, RowError(row, column, reason, metadata or {}), key=lambda error: error.row)
        del self.first[MOST_SHOWN:]
