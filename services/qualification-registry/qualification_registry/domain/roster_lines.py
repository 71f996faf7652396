"""From the records of a roster file to the lines of a roster, by the profile's mapping (QUA-12).

A line is kept as text: its values in the order of LINE_FIELDS, parted by tabs, in the text form of PostgreSQL's COPY.
That is the form in which 200,000 of them go into the database fastest, and in which two are compared by one `==`.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, repeat
from operator import gt, itemgetter

from instance_profile.model import Agency, BidderId, RosterMapping
from qualification_registry.domain.corporate_number import is_corporate_number
from qualification_registry.domain.roster_cells import (
    NOTHING,
    Agencies,
    Days,
    Grades,
    TextRule,
    all_right,
    cell_error,
    grade_rule,
    written,
)
from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_file import Block
from refusals import Code, Refusal

# The order of the values of a line; also of the columns of the table. Changing it makes every line a changed one.
LINE_FIELDS = (
    "name",
    "corporate_number",
    "postal_code",
    "address",
    "representative_name",
    "representative_title",
    "telephone",
    "fax",
    "department",
    "branch",
    "region",
    "permit_number",
    "grade_kinds",
    "grades",
    "agencies",
    "valid_from",
    "valid_until",
)
_MOST_BIDDER_ID_CHARACTERS = 40
_MOST_COLUMNS_SHOWN = 10
_MOST_COLUMN_CHARACTERS = 40
# The lengths are wider than any form's: a roster is what it is, and a length only says where a column was mixed up. A
# name, though, has to be short enough to be typed.
_TEXT_RULES = (
    TextRule("name", "company_name", 100, required=True, private_use=False),
    TextRule("postal_code", "postal_code", 10, half_width=True),
    TextRule("address", "address", 200, line_breaks=True),
    TextRule("representative_name", "representative_name", 100),
    TextRule("representative_title", "representative_title", 100),
    TextRule("telephone", "telephone", 40, half_width=True),
    TextRule("fax", "fax", 40, half_width=True),
    TextRule("department", "department", 200, line_breaks=True),
    TextRule("branch", "branch", 200, line_breaks=True),
    TextRule("region", "region", 100),
    TextRule("permit_number", "permit_number", 100),
)

Column = Sequence[str]


@dataclass(frozen=True, slots=True)
class UndecidedLine:
    """A line whose bidder can't be told without a person."""

    row: int
    name: str
    address: str
    line: str


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a block. `keys` are bidder ids or, where the mapping has them assigned, 法人番号."""

    numbers: Sequence[int] = ()
    keys: Sequence[str] = ()
    lines: Sequence[str] = ()
    undecided: Sequence[UndecidedLine] = ()


class LineReader:
    """Turns the blocks of one file into lines. Raises ROSTER_COLUMNS_MISSING and ROSTER_COLUMNS_TWICE.

    `grade_kinds` is the number under which the kinds of grades are kept: hundreds of thousands of lines repeat
    them, and each line has the grades only.
    """

    def __init__(
        self,
        mapping: RosterMapping,
        agencies: Sequence[Agency],
        bidder_id: BidderId,
        header: Sequence[str],
        errors: RosterErrors,
        *,
        grade_kinds: int,
    ) -> None:
        self._errors = errors
        self._grade_kinds = str(grade_kinds)
        self.ids_are_assigned = mapping.bidder_id is None
        self._key_column = mapping.bidder_id or mapping.corporate_number or ""
        self._corporate_number_column = mapping.corporate_number
        self._texts = {
            rule.field: replace(rule, column=column)
            for rule in _TEXT_RULES
            if (column := getattr(mapping, rule.column)) is not None
        }
        self._rules = list(self._texts.values())
        if mapping.bidder_id is not None:
            rule = TextRule("bidder_id", mapping.bidder_id, _MOST_BIDDER_ID_CHARACTERS, private_use=False)
            pattern = re.compile(bidder_id.pattern)
            self._rules.insert(0, replace(rule, required=True, half_width=True, pattern=pattern))
        self._grade_rules = [grade_rule(grades.kind, grades.column) for grades in mapping.grades]
        self._grades = Grades(self._grade_rules)
        self._agencies_column = mapping.agencies_column
        self._agencies = Agencies(agencies, mapping.category, mapping.agencies_separator)
        self._all_agencies = self._agencies.array(mapping.agencies)
        days = {"valid_from": mapping.valid_from, "valid_until": mapping.valid_until}
        self._day_columns = {field: column for field, column in days.items() if column}
        self._days = Days()
        self._first_row: dict[str, int] = {}
        # Bidder ids in the file that look like those that we assign, and the row of each.
        self.reserved: dict[str, int] = {}
        self._reserved_prefix = bidder_id.assigned_prefix if bidder_id.is_assigned else ""

        used = [rule.column for rule in (*self._rules, *self._grade_rules)]
        used += [*self._day_columns.values(), self._agencies_column or "", self._corporate_number_column or ""]
        self._columns = list(dict.fromkeys(column for column in used if column))
        self._cells = _cells(header, self._columns)

    def read(self, block: Block) -> Lines:
        """The lines of the records in which nothing is wrong; what is wrong with the others becomes errors."""
        if not block.rows:
            return Lines()
        numbers = block.numbers
        columns: Mapping[str, Column] = dict(zip(self._columns, self._cells(block.rows), strict=True))
        values = self._values(columns)
        if wrong := self._wrong(numbers, columns, values):
            right = [place not in wrong for place in range(len(numbers))]
            numbers = list(compress(numbers, right))
            columns = {column: list(compress(cells, right)) for column, cells in columns.items()}
            values = {field: list(compress(cells, right)) for field, cells in values.items()}
            if not numbers:
                return Lines()
        lines = list(map("\t".join, zip(*self._written(columns, values), strict=False)))
        if not self.ids_are_assigned:
            keys = columns[self._key_column]
            if self._reserved_prefix:
                named = zip(keys, numbers, strict=True)
                self.reserved.update({key: row for key, row in named if key.startswith(self._reserved_prefix)})
            return Lines(numbers, keys, lines)
        return self._by_corporate_number(numbers, columns, lines)

    def _values(self, columns: Mapping[str, Column]) -> Mapping[str, Column]:
        """The values that are made from cells, by field; an empty one says that its cell is wrong."""
        values: dict[str, Column] = {}
        if self._grade_rules:
            cells_of_lines = zip(*(columns[rule.column] for rule in self._grade_rules), strict=True)
            values["grades"] = list(map(self._grades.__getitem__, cells_of_lines))
        if self._agencies_column:
            values["agencies"] = list(map(self._agencies.__getitem__, columns[self._agencies_column]))
        for field, column in self._day_columns.items():
            values[field] = list(map(self._days.__getitem__, columns[column]))
        return values

    def _wrong(
        self, numbers: Sequence[int], columns: Mapping[str, Column], values: Mapping[str, Column]
    ) -> Collection[int]:
        """The places in the block at which something is wrong; each is told as an error."""
        wrong: set[int] = set()

        def tell(place: int, column: str, reason: str, metadata: Mapping[str, str]) -> None:
            wrong.add(place)
            self._errors.add(numbers[place], column, reason, metadata)

        def tell_cells(rule: TextRule, places: Iterable[int]) -> None:
            for place in places:
                if (found := cell_error(rule, columns[rule.column][place])) is not None:
                    tell(place, rule.column, *found)

        for rule in self._rules:
            if not all_right(rule, columns[rule.column]):
                tell_cells(rule, range(len(numbers)))
        if self._grade_rules and (places := _empty(values["grades"])):
            for rule in self._grade_rules:
                tell_cells(rule, places)
        if self._agencies_column:
            for place in _empty(values["agencies"]):
                tell(place, self._agencies_column, *self._agencies.wrong(columns[self._agencies_column][place]))
        for field, column in self._day_columns.items():
            for place in _empty(values[field]):
                tell(place, column, "ROSTER_DATE_WRONG", {})
        if len(self._day_columns) == 2 and any(map(gt, values["valid_from"], values["valid_until"])):
            for place, (first, last) in enumerate(zip(values["valid_from"], values["valid_until"], strict=True)):
                if first and last and NOTHING not in (first, last) and first > last:
                    tell(place, self._day_columns["valid_until"], "ROSTER_DATES_REVERSED", {})
        for place, first_row in self._twice(numbers, columns.get(self._key_column, ())):
            tell(place, self._key_column, "ROSTER_BIDDER_TWICE", {"first_row": str(first_row)})
        return wrong

    def _twice(self, numbers: Sequence[int], keys: Column) -> list[tuple[int, int]]:
        """The places of bidders that stood in the file before, and the row of each's first."""
        here = dict(zip(keys, numbers, strict=bool(keys)))
        if len(here) == len(keys) and self._first_row.keys().isdisjoint(here):
            self._first_row.update(here)
            return []
        found: list[tuple[int, int]] = []
        for place, (key, number) in enumerate(zip(keys, numbers, strict=True)):
            tells_bidder = key.strip() if not self.ids_are_assigned else is_corporate_number(key)
            if tells_bidder and (first := self._first_row.setdefault(key, number)) != number:
                found.append((place, first))
        return found

    def _written(self, columns: Mapping[str, Column], values: Mapping[str, Column]) -> list[Iterable[str]]:
        """The values of all lines in the order of LINE_FIELDS; those that are the same in all repeat for ever."""
        same = {"grade_kinds": self._grade_kinds, "grades": "[]", "agencies": self._all_agencies}
        found: list[Iterable[str]] = []
        for field in LINE_FIELDS:
            if field in values:
                found.append(values[field])
            elif field in self._texts:
                found.append(written(columns[self._texts[field].column]))
            elif field == "corporate_number" and self._corporate_number_column:
                cells = columns[self._corporate_number_column]
                found.append([cell if is_corporate_number(cell) else NOTHING for cell in cells])
            else:
                found.append(repeat(same.get(field, NOTHING)))
        return found

    def _by_corporate_number(
        self, numbers: Sequence[int], columns: Mapping[str, Column], lines: Sequence[str]
    ) -> Lines:
        keys = columns.get(self._key_column) or [""] * len(numbers)
        decided = list(map(is_corporate_number, keys))
        if all(decided):
            return Lines(numbers, keys, lines)
        names = columns[self._texts["name"].column]
        addresses = columns[self._texts["address"].column] if "address" in self._texts else [""] * len(numbers)
        return Lines(
            list(compress(numbers, decided)),
            list(compress(keys, decided)),
            list(compress(lines, decided)),
            [
                UndecidedLine(number, name, address, line)
                for known, number, name, address, line in zip(decided, numbers, names, addresses, lines, strict=True)
                if not known
            ],
        )


def _cells(header: Sequence[str], columns: Sequence[str]) -> Callable[[list[list[str]]], Iterable[Column]]:
    """What takes these columns out of records."""
    if missing := [column for column in columns if column not in header]:
        raise Refusal("ROSTER_COLUMNS_MISSING", Code.INVALID_ARGUMENT, {"columns": _some(missing)})
    if twice := [column for column in columns if header.count(column) > 1]:
        raise Refusal("ROSTER_COLUMNS_TWICE", Code.INVALID_ARGUMENT, {"columns": _some(twice)})
    places = [header.index(column) for column in columns]
    # Turning whole records is faster, unless most of a record is not needed.
    if len(places) == 1 or len(places) > len(header) // 3:
        return lambda records: map(list(zip(*records, strict=True)).__getitem__, places)
    cells = itemgetter(*places)
    return lambda records: zip(*map(cells, records), strict=True)


def _some(columns: Sequence[str]) -> str:
    # A refusal travels in headers, of which gRPC takes 8 KiB.
    shown = [column[:_MOST_COLUMN_CHARACTERS] for column in columns[:_MOST_COLUMNS_SHOWN]]
    return "、".join([*shown, *(["…"] if len(columns) > _MOST_COLUMNS_SHOWN else [])])


def _empty(values: Column) -> list[int]:
    return [place for place, value in enumerate(values) if not value] if "" in values else []
