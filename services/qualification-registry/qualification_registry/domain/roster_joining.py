"""Joins the rows of one bidder, one for each trade, branch or agency, to one row (QUA-12)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from instance_profile.characters import shorten_visible
from instance_profile.model import RosterMapping
from instance_profile.roster_mapping import JoinedRows
from qualification_registry.domain.corporate_number import read_corporate_number
from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_file import Block, RosterSource
from qualification_registry.domain.roster_numbers import read_half_width
from qualification_registry.domain.roster_records import BLOCK_ROWS

# Of an unknown kind in an error.
_MOST_KIND_CHARACTERS = 40


@dataclass(slots=True)
class _Bidder:
    """What the rows of one bidder say so far. `row` is the first one that counts; `rank` is lower where it counts more.

    `differing` are rows that count as much and say something else, with the first column in which they do.
    """

    number: int
    row: tuple[str, ...]
    rank: int
    differing: list[tuple[int, str]] = field(default_factory=list)
    grades: dict[str, tuple[str, int]] = field(default_factory=dict)
    agencies: dict[str, None] = field(default_factory=dict)


class JoinedRoster:
    """A roster file in which several rows are one bidder. Its blocks have one row for each, after all were read.

    The kinds that rows name are columns of their own in it (`RosterMapping.list_grades`). A row's number is that of the
    first row that counts.
    """

    def __init__(self, source: RosterSource, mapping: RosterMapping, joined: JoinedRows, errors: RosterErrors) -> None:
        self._source = source
        self._joined = joined
        self._errors = errors
        self._columns = mapping.list_columns()
        self._sources = [list(source.header).index(column) for column in self._columns]
        places = {column: place for place, column in enumerate(self._columns)}
        self._place = places.get
        self._key = mapping.bidder_id or mapping.corporate_number or ""
        self._ids_are_assigned = mapping.bidder_id is None
        self._names = [places[column] for column in (mapping.company_name, *mapping.list_address_columns())]
        self._agencies = places.get(mapping.agencies_column or "")
        self._separator = mapping.agencies_separator
        self._ranks = {value: rank for rank, value in enumerate(joined.counting.values)} if joined.counting else {}
        not_compared = {joined.kind, joined.grade, self._key, mapping.agencies_column, *joined.may_differ}
        if joined.counting:
            not_compared.add(joined.counting.column)
        self._compared = [(places[column], column) for column in self._columns if column not in not_compared]
        self._kinds = mapping.list_grades() if joined.kind else ()
        self.header = [*self._columns, *(kind.column for kind in self._kinds)]
        self._bidders: dict[object, _Bidder] = {}

    @property
    def rows(self) -> int:
        """The bidders that were read so far."""
        return len(self._bidders)

    def read_blocks(self) -> Iterator[Block]:
        """Yields an empty block for each one that is read, for the sake of progress, and then the joined rows."""
        for block in self._source.read_blocks():
            if block.numbers:
                records = zip(*(block.columns[place] for place in self._sources), strict=True)
                for number, row in zip(block.numbers, records, strict=True):
                    self._add(number, row)
            yield Block((), [])
        bidders = list(self._bidders.values())
        for first in range(0, len(bidders), BLOCK_ROWS):
            numbers: list[int] = []
            rows: list[list[str]] = []
            for bidder in bidders[first : first + BLOCK_ROWS]:
                if self._is_joined(bidder):
                    numbers.append(bidder.number)
                    rows.append(self._build_row(bidder))
            yield Block(numbers, list(zip(*rows, strict=True)))

    def _add(self, number: int, row: tuple[str, ...]) -> None:
        """Adds a row to its bidder."""
        rank = self._find_rank(row)
        key = self._find_key(number, row)
        bidder = self._bidders.get(key)
        if bidder is None:
            bidder = self._bidders[key] = _Bidder(number, row, rank)
        elif rank < bidder.rank:
            bidder.number, bidder.row, bidder.rank, bidder.differing = number, row, rank, []
        elif rank == bidder.rank:
            # One for each row, so that a column that doesn't tell bidders apart doesn't fill the memory.
            differing = ((number, name) for place, name in self._compared if row[place] != bidder.row[place])
            bidder.differing.extend(islice(differing, 1))
        if self._agencies is not None and (agencies := row[self._agencies]).strip():
            bidder.agencies[agencies] = None
        if self._joined.kind:
            self._add_grade(bidder, number, row, self._joined.kind)

    def _add_grade(self, bidder: _Bidder, number: int, row: tuple[str, ...], column: str) -> None:
        cell = self._read(row, column).strip()
        kind = self._joined.kinds.get(cell)
        if kind is None:
            if cell:
                shown = {"kind": shorten_visible(cell, _MOST_KIND_CHARACTERS)}
                self._errors.add(number, column, "ROSTER_KIND_UNKNOWN", shown)
            else:
                self._errors.add(number, column, "FIELD_REQUIRED")
            return
        grade = self._read(row, self._joined.grade) if self._joined.grade else ""
        grade = grade if grade.strip() else self._joined.ungraded
        before, first_row = bidder.grades.setdefault(kind, (grade, number))
        if before != grade:
            column = self._joined.grade or column
            self._errors.add(number, column, "ROSTER_KIND_TWICE", {"kind": kind, "first_row": str(first_row)})

    def _is_joined(self, bidder: _Bidder) -> bool:
        """Returns whether the rows of a bidder are one; adds the errors otherwise."""
        if self._joined.counting and bidder.rank == len(self._ranks):
            values = "、".join(self._joined.counting.values)
            self._errors.add(
                bidder.number, self._joined.counting.column, "ROSTER_NO_ROW_COUNTS", {"values": values[:200]}
            )
            return False
        for number, column in bidder.differing:
            self._errors.add(number, column, "ROSTER_ROWS_DIFFER", {"first_row": str(bidder.number)})
        return not bidder.differing

    def _build_row(self, bidder: _Bidder) -> list[str]:
        cells = list(bidder.row)
        if self._agencies is not None:
            cells[self._agencies] = self._separator.join(bidder.agencies)
        grades = [bidder.grades.get(kind.kind, ("", 0))[0] for kind in self._kinds]
        return [*cells, *grades]

    def _find_key(self, number: int, row: tuple[str, ...]) -> object:
        key = read_half_width(self._read(row, self._key)).strip()
        if not self._ids_are_assigned:
            # Every row without id is an error of its own.
            return key or number
        return read_corporate_number(key) or tuple(row[place] for place in self._names)

    def _find_rank(self, row: tuple[str, ...]) -> int:
        if not self._joined.counting:
            return 0
        return self._ranks.get(self._read(row, self._joined.counting.column).strip(), len(self._ranks))

    def _read(self, row: tuple[str, ...], column: str) -> str:
        place = self._place(column)
        return row[place] if place is not None else ""
