"""Writes all changes of a preview into a file for a spreadsheet."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from instance_profile.characters import replace_invisible
from operator_command.officer.roster_words import KINDS, RosterWords
from operator_command.officer.spreadsheet import write_table
from toroku.qualification.v1.bidder_pb2 import LINE_KIND_GONE, LINE_KIND_NEW, FieldChange, LineKind, PreviewLine

HEADINGS = (
    "種別 kind",
    "業者 bidder",
    "商号又は名称 name",
    "行 row",
    "項目 field",
    "変更前 before",
    "変更後 after",
)


def write_changes(file: Path, lines: Iterable[PreviewLine], words: RosterWords) -> None:
    """Writes one row for each field that changes, and one with the address for each new or gone bidder.

    Raises OUTPUT_NOT_WRITTEN.
    """
    write_table(file, HEADINGS, (row for line in lines for row in _compose_rows(line, words)))


def _compose_rows(line: PreviewLine, words: RosterWords) -> Iterator[Sequence[str]]:
    kind = KINDS.get(line.kind, str(line.kind))
    first = (kind, line.bidder_id, line.name, str(line.row) if line.row else "")
    for change in select_changes(line):
        yield *first, words.describe_field(change), *words.describe_values(change)


def select_changes(line: PreviewLine) -> Sequence[FieldChange]:
    """Returns the changes to show of a line: all; of a new or gone bidder, whose fields all are, the address."""
    if line.kind not in (LINE_KIND_NEW, LINE_KIND_GONE):
        # Where the mapping's kinds of grades are others, a line may be another one with the same values.
        return line.changes or [FieldChange(field="grade")]
    return [change for change in line.changes if change.field == "address"] or [FieldChange(field="address")]


def describe_change(kind: LineKind.ValueType, change: FieldChange, words: RosterWords) -> str:
    """Returns a change for a terminal: the field, the value before and after; of a new or gone bidder the value."""
    before, after = (replace_invisible(value) or "―" for value in words.describe_values(change))
    if kind == LINE_KIND_NEW:
        return after
    if kind == LINE_KIND_GONE:
        return before
    return f"{replace_invisible(words.describe_field(change))}: {before} → {after}"
