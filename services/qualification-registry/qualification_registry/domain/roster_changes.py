"""What becomes of a line of a roster, and which of its fields differ from the current version."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from qualification_registry.domain.roster_cells import NULL, unescape_cell
from qualification_registry.domain.roster_lines import LINE_FIELDS
from refusals import Code, Refusal

# Changes that an officer wants to see before all others.
_IDENTITY = [LINE_FIELDS.index(field) for field in ("name", "address", "representative_name")]
# Where the grades are in a line; a change of their kinds is a change of the grades.
_GRADE_KINDS, _GRADES = LINE_FIELDS.index("grade_kinds"), LINE_FIELDS.index("grades")


class LineKind(IntEnum):
    """What an import does with a line, by the numbers that are stored; lists are in this order."""

    NEW = 1
    # The name, the address or the representative differs, and perhaps more.
    IDENTITY_CHANGED = 2
    CHANGED = 3
    # Nothing but grades differs.
    GRADES_CHANGED = 4
    GONE = 5


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of a line, before and after; empty where there is no value.

    `field` is one of LINE_FIELDS, or "grade" with its kind of qualification in `kind`. Agencies are codes, separated
    by spaces.
    """

    field: str
    kind: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """A line of a previewed roster beside the current one.

    `bidder_id` is empty where the commit assigns it, `row` is 0 where the file has no row of the bidder.
    """

    kind: LineKind
    bidder_id: str
    name: str
    row: int
    changes: Sequence[FieldChange]


@dataclass(frozen=True, slots=True)
class PreviewPage:
    """Some lines of a preview; `next_page` names the next page, and is empty after the last one."""

    lines: Sequence[PreviewLine]
    next_page: str


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the list of a preview's lines: after this bidder of this kind."""

    kind: LineKind
    bidder_id: str


def read_page(page: str) -> Position:
    """Returns the position that `write_page` wrote, the beginning for an empty text. Raises PAGE_INVALID."""
    if not page:
        return Position(LineKind.NEW, "")
    kind, separator, bidder_id = page.partition(":")
    try:
        if not (separator and bidder_id.isprintable()):
            raise ValueError
        return Position(LineKind(int(kind)), bidder_id)
    except ValueError:
        raise Refusal("PAGE_INVALID", Code.INVALID_ARGUMENT) from None


def write_page(position: Position) -> str:
    """Returns a position as callers name it."""
    return f"{position.kind.value}:{position.bidder_id}"


def find_kind(before: str | None, after: str) -> LineKind:
    """Returns what an import does with a line that differs from the current one; None where there is no current one."""
    if before is None:
        return LineKind.NEW
    old, new = before.split("\t"), after.split("\t")
    for index in _IDENTITY:
        if old[index] != new[index]:
            return LineKind.IDENTITY_CHANGED
    del old[_GRADE_KINDS : _GRADES + 1], new[_GRADE_KINDS : _GRADES + 1]
    return LineKind.GRADES_CHANGED if old == new else LineKind.CHANGED


def list_changes(
    before: str | None, after: str | None, grade_kinds: Mapping[str, Sequence[str]]
) -> tuple[FieldChange, ...]:
    """Returns the fields that differ between two lines; of a single line those that are set, None being no line.

    `grade_kinds` has the kinds of grades by the number in a line.
    """
    old, new = _read_values(before, grade_kinds), _read_values(after, grade_kinds)
    keys = (key for key in dict.fromkeys((*old, *new)) if old.get(key, "") != new.get(key, ""))
    return tuple(FieldChange(*key, old.get(key, ""), new.get(key, "")) for key in keys)


def _read_values(line: str | None, grade_kinds: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], str]:
    """Returns the values of a line by field and kind, in the order of LINE_FIELDS."""
    if line is None:
        return {}
    cells = line.split("\t")
    values: dict[tuple[str, str], str] = {}
    for index, (field, cell) in enumerate(zip(LINE_FIELDS, cells, strict=True)):
        if index == _GRADES and cell != NULL:
            kinds = grade_kinds.get(cells[_GRADE_KINDS], ())
            values |= {
                ("grade", kind): grade for kind, grade in zip(kinds, json.loads(unescape_cell(cell)), strict=True)
            }
        elif index not in (_GRADE_KINDS, _GRADES):
            values[field, ""] = unescape_cell(cell)
    return values
