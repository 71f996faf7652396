"""Writes all changes of a preview into a file for a spreadsheet."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from instance_profile.characters import replace_invisible
from operator_command.officer.roster_words import (
    BIDDER,
    FIELDS,
    ROW,
    describe_field,
    describe_kind,
    describe_values,
)
from operator_command.officer.spreadsheet import write_table
from operator_command.speech import Phrase, Speech
from toroku.qualification.v1.bidder_pb2 import LINE_KIND_GONE, LINE_KIND_NEW, FieldChange, LineKind, PreviewLine

_HEADINGS = (
    Phrase("種別", "kind"),
    BIDDER,
    FIELDS["name"],
    ROW,
    Phrase("項目", "field"),
    Phrase("変更前", "before"),
    Phrase("変更後", "after"),
)


def write_changes(file: Path, lines: Iterable[PreviewLine], speech: Speech) -> None:
    """Writes one row for each field that changes, and one with the address for each new or gone bidder.

    Raises OUTPUT_NOT_WRITTEN.
    """
    headings = [speech.say(heading) for heading in _HEADINGS]
    write_table(file, headings, (row for line in lines for row in _compose_rows(line, speech)))


def _compose_rows(line: PreviewLine, speech: Speech) -> Iterator[Sequence[str]]:
    first = (describe_kind(line.kind, speech), line.bidder_id, line.name, str(line.row) if line.row else "")
    for change in select_changes(line):
        yield *first, describe_field(change, speech), *describe_values(change, speech)


def select_changes(line: PreviewLine) -> Sequence[FieldChange]:
    """Returns the changes to show of a line: all; of a new or gone bidder, whose fields all are, the address."""
    if line.kind not in (LINE_KIND_NEW, LINE_KIND_GONE):
        # Where the mapping's kinds of grades are others, a line may be another one with the same values.
        return line.changes or [FieldChange(field="grade")]
    return [change for change in line.changes if change.field == "address"] or [FieldChange(field="address")]


def describe_change(kind: LineKind.ValueType, change: FieldChange, speech: Speech) -> str:
    """Returns a change for a terminal: the field, the value before and after; of a new or gone bidder the value."""
    before, after = (replace_invisible(value) or "―" for value in describe_values(change, speech))
    if kind == LINE_KIND_NEW:
        return after
    if kind == LINE_KIND_GONE:
        return before
    label = replace_invisible(describe_field(change, speech))
    return speech.say(Phrase(f"{label}：{before} → {after}", f"{label}: {before} → {after}"))
