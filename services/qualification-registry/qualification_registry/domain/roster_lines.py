"""Turns the records of a roster file into the lines of a roster, by the profile's mapping (QUA-12).

A line is a text: its values in the order of LINE_FIELDS, separated by tabs, in the text form of PostgreSQL's COPY. In
this form 200,000 lines enter the database fastest, and two lines are compared by one `==`.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, repeat
from operator import gt

from instance_profile.characters import shorten_visible
from instance_profile.model import Agency, BidderId, RosterMapping
from qualification_registry.domain.broken_text import BROKEN_FIELDS, find_broken, may_be_broken
from qualification_registry.domain.corporate_number import (
    CORPORATE_NUMBER_DIGITS,
    are_corporate_numbers,
    read_corporate_number,
)
from qualification_registry.domain.roster_cells import (
    NULL,
    Agencies,
    Grades,
    TextRule,
    build_grade_rule,
    escape_cells,
    find_cell_error,
    is_column_valid,
)
from qualification_registry.domain.roster_days import Days
from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_file import Block
from qualification_registry.domain.roster_numbers import Preparation
from qualification_registry.domain.roster_predecessors import Succession, convert_kinds, find_kind_error
from qualification_registry.domain.roster_review import convert_reviews, find_review_error

# The order of the values of a line; also of the columns of the table. Changing it makes every line a changed one.
LINE_FIELDS = (
    "name",
    "corporate_number",
    "postal_code",
    "address",
    "representative_name",
    "contract_party_name",
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
    "predecessor",
    "predecessor_kind",
    "review",
)
_MOST_BIDDER_ID_CHARACTERS = 40
_MOST_WORD_CHARACTERS = 40
# What a program leaves in a cell that it did not fill: $業者コード$, {name}, <name>, %name%, #REF!
_TEMPLATE_WORD = re.compile(r"\$.+\$|\{.+\}|<.+>|%.+%|#(?:REF!|N/A|NAME\?|VALUE!)")
# The lengths are wider than those of forms: they only detect columns that were mixed up, because a roster's content
# cannot be changed here. A name, though, has to be short enough to be typed.
_TEXT_RULES = (
    TextRule("name", "company_name", 100, required=True, private_use=False),
    TextRule("postal_code", "postal_code", 10, half_width=True),
    TextRule("address", "address", 200, line_breaks=True),
    TextRule("representative_name", "representative_name", 100),
    TextRule("contract_party_name", "contract_party_name", 100),
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
    """A line whose bidder an officer has to decide."""

    row: int
    name: str
    address: str
    line: str
    # 13 digits; empty where the line has none.
    corporate_number: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a block. `keys` are bidder ids or, where the registry assigns these, 法人番号."""

    numbers: Sequence[int] = ()
    keys: Sequence[str] = ()
    lines: Sequence[str] = ()
    undecided: Sequence[UndecidedLine] = ()


class LineReader:
    """Turns the blocks of one file into lines. The header has all columns of the mapping.

    `grade_kinds` is the number under which the kinds of grades are stored: hundreds of thousands of lines share
    them, so that each line has the grades only.
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
        self._preparation = Preparation(mapping)
        self._texts = {
            rule.field: replace(rule, column=self._preparation.address if rule.field == "address" else column)
            for rule in _TEXT_RULES
            if (column := getattr(mapping, rule.column)) is not None
        }
        self._rules = list(self._texts.values())
        if mapping.bidder_id is not None:
            rule = TextRule("bidder_id", mapping.bidder_id, _MOST_BIDDER_ID_CHARACTERS, private_use=False)
            pattern = re.compile(bidder_id.pattern)
            self._rules.insert(0, replace(rule, required=True, half_width=True, pattern=pattern))
        self._predecessor = mapping.predecessor
        if mapping.predecessor is not None:
            rule = TextRule("predecessor", mapping.predecessor.bidder_id, _MOST_BIDDER_ID_CHARACTERS, half_width=True)
            rule = replace(rule, private_use=False, pattern=re.compile(bidder_id.pattern))
            self._texts["predecessor"] = rule
            self._rules.append(rule)
        self._review = mapping.review
        self._grade_rules = [build_grade_rule(grades.kind, grades.column) for grades in mapping.list_grades()]
        self._grades = Grades(self._grade_rules)
        self._agencies_column = mapping.agencies_column
        self._agencies = Agencies(agencies, mapping.category, mapping.agencies_separator)
        self._all_agencies = self._agencies.write_codes(mapping.agencies)
        days = {"valid_from": mapping.valid_from, "valid_until": mapping.valid_until}
        self._day_columns = {field: column for field, column in days.items() if column}
        self._days = Days()
        self._keys: set[str] = set()
        # The keys and numbers of the blocks that were read, until one of the keys repeats.
        self._key_blocks: list[tuple[Column, Sequence[int]]] = []
        self._first_row: dict[str, int] = {}
        # What the lines in the file have as their agencies.
        self._named_agencies: set[str] = set() if self._agencies_column else {self._all_agencies}
        # The columns that have had one word only, and the word.
        texts = (self._key_column, self._corporate_number_column, *(rule.column for rule in self._rules))
        self._one_word: dict[str, str | None] = dict.fromkeys(column for column in texts if column)
        # The bidders of the file that took another one's place.
        self.successions: list[Succession] = []
        # Bidder ids in the file with the prefix of assigned ones, and the row of each.
        self.reserved: dict[str, int] = {}
        self._reserved_prefix = bidder_id.assigned_prefix if bidder_id.is_assigned else ""

        columns = [rule.column for rule in (*self._rules, *self._grade_rules)]
        columns += [*self._day_columns.values(), self._agencies_column or "", self._corporate_number_column or ""]
        columns.append((self._predecessor.kind_column if self._predecessor else None) or "")
        columns.append(self._review.column if self._review else "")
        sources = self._preparation.list_source_columns([column for column in columns if column])
        # Where the columns are in the file.
        self._places = {column: list(header).index(column) for column in sources}

    def read(self, block: Block) -> Lines:
        """Returns the lines of the valid records; the others become errors."""
        if not block.numbers:
            return Lines()
        numbers = block.numbers
        columns = self._preparation.prepare({column: block.columns[place] for column, place in self._places.items()})
        self._note_words(columns)
        values = self._convert(columns)
        if wrong := self._find_errors(numbers, columns, values):
            is_valid = [index not in wrong for index in range(len(numbers))]
            numbers = list(compress(numbers, is_valid))
            columns = {column: list(compress(cells, is_valid)) for column, cells in columns.items()}
            values = {field: list(compress(cells, is_valid)) for field, cells in values.items()}
            if not numbers:
                return Lines()
        if self._agencies_column:
            self._named_agencies.update(values["agencies"])
        lines = list(map("\t".join, zip(*self._arrange(columns, values), strict=False)))
        if not self.ids_are_assigned:
            keys = columns[self._key_column]
            if self._predecessor is not None:
                predecessors = columns[self._predecessor.bidder_id]
                named = map(Succession, numbers, keys, predecessors)
                self.successions.extend(compress(named, map(str.strip, predecessors)))
            if self._reserved_prefix:
                rows = zip(keys, numbers, strict=True)
                self.reserved.update({key: row for key, row in rows if key.startswith(self._reserved_prefix)})
            return Lines(numbers, keys, lines)
        return self._key_by_corporate_number(numbers, columns, values, lines)

    @property
    def agencies(self) -> Collection[str]:
        """The codes of the agencies in the lines that were read."""
        return set(" ".join(self._named_agencies).split())

    def names(self, bidder_id: str) -> bool:
        """Returns whether a row that was read is a bidder's."""
        return bidder_id in self._keys

    @property
    def one_word_columns(self) -> Mapping[str, str]:
        """The columns that wrongly have the same word in every row, and the word, shortened.

        A bidder id or 法人番号 is any one row's, and in a column of other texts a template's word is no text.
        """
        numbers = (self._key_column, self._corporate_number_column)
        words = {column: (word or "").strip() for column, word in self._one_word.items()}
        return {
            column: shorten_visible(word, _MOST_WORD_CHARACTERS)
            for column, word in words.items()
            if word and (column in numbers or _TEMPLATE_WORD.fullmatch(word))
        }

    def _note_words(self, columns: Mapping[str, Column]) -> None:
        for column, word in list(self._one_word.items()):
            cells = columns[column]
            if (word is not None and cells[0] != word) or cells.count(cells[0]) != len(cells):
                del self._one_word[column]
            else:
                self._one_word[column] = cells[0]

    def _convert(self, columns: Mapping[str, Column]) -> Mapping[str, Column]:
        """Returns the values that are computed from cells, by field; empty where the cell is wrong."""
        values: dict[str, Column] = {}
        if self._grade_rules:
            cells_of_lines = zip(*(columns[rule.column] for rule in self._grade_rules), strict=True)
            values["grades"] = list(map(self._grades.__getitem__, cells_of_lines))
        if self._agencies_column:
            values["agencies"] = list(map(self._agencies.__getitem__, columns[self._agencies_column]))
        for field, column in self._day_columns.items():
            values[field] = list(map(self._days.__getitem__, columns[column]))
        if self._corporate_number_column:
            values["corporate_number"] = _convert_numbers(columns[self._corporate_number_column])
        if self._predecessor is not None:
            values["predecessor_kind"] = list(convert_kinds(self._predecessor, columns))
        if self._review is not None:
            values["review"] = list(convert_reviews(self._review, columns[self._review.column]))
        return values

    def _find_errors(
        self, numbers: Sequence[int], columns: Mapping[str, Column], values: Mapping[str, Column]
    ) -> Collection[int]:
        """Returns the indices of the wrong records in the block, after adding the errors."""
        wrong: set[int] = set()

        def add(index: int, column: str, reason: str, metadata: Mapping[str, str]) -> None:
            wrong.add(index)
            self._errors.add(numbers[index], column, reason, metadata)

        def check_cells(rule: TextRule, indices: Iterable[int]) -> None:
            for index in indices:
                if (error := find_cell_error(rule, columns[rule.column][index])) is not None:
                    add(index, rule.column, *error)

        for rule in self._rules:
            if not is_column_valid(rule, columns[rule.column]):
                check_cells(rule, range(len(numbers)))
        for field in BROKEN_FIELDS:
            if field in self._texts and may_be_broken("".join(columns[self._texts[field].column])):
                column = self._texts[field].column
                for index, cell in enumerate(columns[column]):
                    if broken := find_broken(cell):
                        add(index, column, "ROSTER_TEXT_BROKEN", {"found": broken})
        if self._grade_rules and (empty := _find_empty(values["grades"])):
            for rule in self._grade_rules:
                check_cells(rule, empty)
        if self._agencies_column:
            for index in _find_empty(values["agencies"]):
                add(index, self._agencies_column, *self._agencies.find_error(columns[self._agencies_column][index]))
        for field, column in self._day_columns.items():
            for index in _find_empty(values[field]):
                add(index, column, "ROSTER_DATE_WRONG", {})
        if self._corporate_number_column:
            for index in _find_empty(values["corporate_number"]):
                add(index, self._corporate_number_column, "ROSTER_CORPORATE_NUMBER_WRONG", {})
        if self._predecessor is not None and (kind_column := self._predecessor.kind_column):
            for index in _find_empty(values["predecessor_kind"]):
                add(index, kind_column, *find_kind_error(columns[kind_column][index]))
        if self._review is not None:
            for index in _find_empty(values["review"]):
                add(index, self._review.column, *find_review_error(columns[self._review.column][index]))
        if len(self._day_columns) == 2 and any(map(gt, values["valid_from"], values["valid_until"])):
            for index, (first, last) in enumerate(zip(values["valid_from"], values["valid_until"], strict=True)):
                if first and last and NULL not in (first, last) and first > last:
                    add(index, self._day_columns["valid_until"], "ROSTER_DATES_REVERSED", {})
        keys = values.get("corporate_number", ()) if self.ids_are_assigned else columns[self._key_column]
        for index, first_row in self._find_repeated(numbers, keys):
            add(index, self._key_column, "ROSTER_BIDDER_TWICE", {"first_row": str(first_row)})
        return wrong

    def _find_repeated(self, numbers: Sequence[int], keys: Column) -> list[tuple[int, int]]:
        """Returns the indices of bidders that an earlier row of the file names, each with that row."""
        before = len(self._keys)
        self._keys.update(keys)
        if len(self._keys) == before + len(keys):
            self._key_blocks.append((keys, numbers))
            return []
        for earlier_keys, earlier_numbers in self._key_blocks:
            self._first_row.update(zip(earlier_keys, earlier_numbers, strict=True))
        self._key_blocks.clear()
        repeated: list[tuple[int, int]] = []
        for index, (key, number) in enumerate(zip(keys, numbers, strict=True)):
            if key.strip() and key != NULL and (first := self._first_row.setdefault(key, number)) != number:
                repeated.append((index, first))
        return repeated

    def _arrange(self, columns: Mapping[str, Column], values: Mapping[str, Column]) -> list[Iterable[str]]:
        """Returns the values of all lines in the order of LINE_FIELDS; constant ones repeat without end."""
        constants = {"grade_kinds": self._grade_kinds, "grades": "[]", "agencies": self._all_agencies}
        arranged: list[Iterable[str]] = []
        for field in LINE_FIELDS:
            if field in values:
                arranged.append(values[field])
            elif field in self._texts:
                arranged.append(escape_cells(columns[self._texts[field].column]))
            else:
                arranged.append(repeat(constants.get(field, NULL)))
        return arranged

    def _key_by_corporate_number(
        self,
        numbers: Sequence[int],
        columns: Mapping[str, Column],
        values: Mapping[str, Column],
        lines: Sequence[str],
    ) -> Lines:
        keys = values.get("corporate_number") or [NULL] * len(numbers)
        if NULL not in keys:
            return Lines(numbers, keys, lines)
        names = columns[self._texts["name"].column]
        addresses = columns[self._texts["address"].column] if "address" in self._texts else [""] * len(numbers)
        has_number = [key != NULL for key in keys]
        return Lines(
            list(compress(numbers, has_number)),
            list(compress(keys, has_number)),
            list(compress(lines, has_number)),
            [
                UndecidedLine(number, name, address, line)
                for has, number, name, address, line in zip(has_number, numbers, names, addresses, lines, strict=True)
                if not has
            ],
        )


def _convert_numbers(cells: Column) -> Column:
    """Returns the 法人番号 of cells as `_convert_number` does."""
    plain = [cell for cell in cells if len(cell) == CORPORATE_NUMBER_DIGITS]
    if plain and not are_corporate_numbers(plain):
        return list(map(_convert_number, cells))
    if len(plain) == len(cells):
        return cells
    return [cell if len(cell) == CORPORATE_NUMBER_DIGITS else _convert_number(cell) for cell in cells]


def _convert_number(cell: str) -> str:
    """Returns the 法人番号 of a cell as a value of a line: NULL where it has none, and empty where it is wrong."""
    number = read_corporate_number(cell)
    return "" if number is None else number or NULL


def _find_empty(values: Column) -> list[int]:
    return [index for index, value in enumerate(values) if not value] if "" in values else []
