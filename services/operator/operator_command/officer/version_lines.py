"""Lines of a version of a roster: as rows of a table, and how those of two versions differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from operator_command.officer.roster_words import BIDDER, FIELDS, ROW, UNDER_REVIEW, describe_values
from operator_command.officer.spreadsheet import write_table
from operator_command.speech import Phrase, Speech
from toroku.qualification.v1.bidder_pb2 import (
    LINE_KIND_CHANGED,
    LINE_KIND_GONE,
    LINE_KIND_GRADES_CHANGED,
    LINE_KIND_IDENTITY_CHANGED,
    LINE_KIND_NEW,
    FieldChange,
    LineKind,
    PreviewLine,
    RosterLine,
)

SINCE = Phrase("いつの版から", "since version")
# Fields of a line without the grades, of which there is one for each kind, in the order of the columns.
_FIELDS = tuple(field for field in FIELDS if field != "grade")
# Changes that an officer wants to see before all others.
_IDENTITY = frozenset({"name", "address", "representative_name"})


def write_lines(file: Path, lines: Iterable[RosterLine], speech: Speech) -> None:
    """Writes one row for each line, with all its grades in the last column. Raises OUTPUT_NOT_WRITTEN."""
    headings = [speech.say(heading) for heading in (BIDDER, *(FIELDS[field] for field in _FIELDS))]
    grades = speech.say(FIELDS["grade"])
    write_table(file, [*headings, grades, speech.say(SINCE), speech.say(ROW)], (_row(line, speech) for line in lines))


def compare_lines(before: Iterable[RosterLine], after: Iterable[RosterLine]) -> Iterator[PreviewLine]:
    """Yields the lines that differ between two versions, as a preview would have them. Both are sorted by bidder id."""
    for old, new in _pair(before, after):
        # Nothing changed a line that both versions have from the same import.
        if old is not None and new is not None and old.since_version == new.since_version:
            continue
        changes = _list_changes(old, new)
        company = (new or old or RosterLine()).company
        if changes:
            yield PreviewLine(
                kind=_find_kind(old, new, changes),
                bidder_id=company.bidder_id,
                name=company.name,
                row=new.row if new is not None else 0,
                changes=changes,
            )


def describe_line(line: RosterLine, speech: Speech) -> Mapping[str, str]:
    """Returns the values of a line by field as people read them: agencies by name, and all grades in one text."""
    values = _read_values(line)
    texts = {
        field: describe_values(FieldChange(field=field, after=values.get((field, ""), "")), speech)[1]
        for field in _FIELDS
    }
    grades = (
        speech.say(Phrase(f"{grade.kind}：{grade.grade}", f"{grade.kind}: {grade.grade}"))
        for grade in line.company.grades
    )
    return texts | {"grade": speech.say(Phrase("、", ", ")).join(grades)}


def _row(line: RosterLine, speech: Speech) -> Sequence[str]:
    values = describe_line(line, speech)
    cells = (values[field] for field in (*_FIELDS, "grade"))
    return line.company.bidder_id, *cells, str(line.since_version), str(line.row)


def _pair(
    before: Iterable[RosterLine], after: Iterable[RosterLine]
) -> Iterator[tuple[RosterLine | None, RosterLine | None]]:
    """Yields the lines of each bidder, in the order of their ids; None where one side has none."""
    old_lines, new_lines = iter(before), iter(after)
    old, new = next(old_lines, None), next(new_lines, None)
    while old is not None or new is not None:
        # By code points, as the registry sorts them.
        if new is None or (old is not None and old.company.bidder_id < new.company.bidder_id):
            yield old, None
            old = next(old_lines, None)
        elif old is None or new.company.bidder_id < old.company.bidder_id:
            yield None, new
            new = next(new_lines, None)
        else:
            yield old, new
            old, new = next(old_lines, None), next(new_lines, None)


def _list_changes(old: RosterLine | None, new: RosterLine | None) -> Sequence[FieldChange]:
    before, after = _read_values(old), _read_values(new)
    keys = (key for key in dict.fromkeys((*before, *after)) if before.get(key, "") != after.get(key, ""))
    return [
        FieldChange(field=field, kind=kind, before=before.get((field, kind), ""), after=after.get((field, kind), ""))
        for field, kind in keys
    ]


def _read_values(line: RosterLine | None) -> Mapping[tuple[str, str], str]:
    """Returns the values of a line by field and kind of grade; empty for no line."""
    if line is None:
        return {}
    own = {
        "agencies": " ".join(sorted(line.agencies)),
        "valid_from": line.valid_from,
        "valid_until": line.valid_until,
        "predecessor": line.predecessor,
        "predecessor_kind": line.predecessor_kind,
        "review": UNDER_REVIEW if line.under_review else "",
    }
    values = {(field, ""): own[field] if field in own else str(getattr(line.company, field)) for field in _FIELDS}
    return values | {("grade", grade.kind): grade.grade for grade in line.company.grades}


def _find_kind(old: RosterLine | None, new: RosterLine | None, changes: Sequence[FieldChange]) -> LineKind.ValueType:
    if old is None or new is None:
        return LINE_KIND_NEW if old is None else LINE_KIND_GONE
    fields = {change.field for change in changes}
    if fields & _IDENTITY:
        return LINE_KIND_IDENTITY_CHANGED
    return LINE_KIND_GRADES_CHANGED if fields == {"grade"} else LINE_KIND_CHANGED
