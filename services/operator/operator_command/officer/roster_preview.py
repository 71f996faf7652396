"""Shows an officer what an import would change."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from instance_profile.characters import replace_invisible
from operator_command.officer.roster_changes import describe_change, select_changes
from operator_command.officer.roster_decisions import NEW, describe_alike, describe_reason, has_no_suggestion
from operator_command.officer.roster_words import FIELDS, KINDS, RosterWords
from refusals.catalogue import explain
from toroku.qualification.v1.bidder_pb2 import (
    LINE_KIND_GONE,
    LINE_KIND_NEW,
    LineKind,
    PreviewLine,
    RosterPreview,
    RowError,
    UndecidedRow,
)

# Rows of each list that are shown, and errors; of the rest only the number is shown.
MOST_SHOWN = 10
MOST_ERRORS_SHOWN = 20

Lines = Mapping[LineKind.ValueType, Sequence[PreviewLine]]


def show_preview(console: Console, preview: RosterPreview, file_name: str) -> None:
    """Prints the counts, then what prevents a commit: the first errors and undecided rows."""
    heading = f"{replace_invisible(file_name)} → {replace_invisible(preview.roster)}{_describe_term(preview)}"
    _print(console, heading, _counts(preview))
    if preview.error_count:
        errors = preview.errors[:MOST_ERRORS_SHOWN]
        _print(console, f"エラー errors: {preview.error_count:,}", _errors(errors), preview.error_count - len(errors))
    if preview.undecided_row_count:
        rows = preview.undecided[:MOST_SHOWN]
        heading = f"要判断 undecided: {preview.undecided_row_count:,}"
        _print(console, heading, _undecided(rows), preview.undecided_row_count - len(rows))


def _describe_term(preview: RosterPreview) -> str:
    if not preview.term_from:
        return ""
    return f"（{preview.term_from}～{preview.term_until}）"


def list_kinds(preview: RosterPreview) -> Mapping[LineKind.ValueType, int]:
    """Returns the number of lines of each kind that is worth a list: at the first import every bidder is new."""
    is_first = not preview.changed + preview.gone + preview.unchanged
    counts = {count.kind: count.count for count in preview.counts if count.count}
    return {kind: count for kind, count in counts.items() if not (is_first and kind == LINE_KIND_NEW)}


def show_lines(console: Console, preview: RosterPreview, lines: Lines, words: RosterWords) -> None:
    """Prints the first lines of each kind, and how many more there are."""
    for kind, count in list_kinds(preview).items():
        shown = lines[kind][:MOST_SHOWN]
        _print(console, f"{KINDS.get(kind, str(kind))}: {count:,}", _lines(kind, shown, words), count - len(shown))


def _counts(preview: RosterPreview) -> Table:
    table = Table()
    # On two lines, so that the table fits into a terminal of 80 columns.
    for heading in (
        "行\nrows",
        "新規\nnew",
        "変更\nchanged",
        "名簿から\n外れる gone",
        "変更なし\nunchanged",
        "要判断\nundecided",
    ):
        table.add_column(heading, justify="right")
    table.add_column("エラー\nerrors", justify="right", style="red" if preview.error_count else "")
    numbers = (preview.rows, preview.new, preview.changed, preview.gone, preview.unchanged)
    table.add_row(*(f"{number:,}" for number in (*numbers, preview.undecided_row_count, preview.error_count)))
    return table


def _errors(errors: Sequence[RowError]) -> Table:
    table = _table("行 row", "列 column", "内容 what is wrong")
    for error in errors:
        words = explain(error.reason, {key: replace_invisible(value) for key, value in error.metadata.items()})
        row = str(error.row) if error.row else "―"
        table.add_row(
            row, Text(replace_invisible(error.column) or "―"), Text(f"{words.ja.what}{words.ja.next}\n{words.en}")
        )
    return table


def _undecided(rows: Sequence[UndecidedRow]) -> Table:
    table = _table("行 row", "商号又は名称 name", "住所 address", "候補 suggestion")
    for row in rows:
        suggestion = "" if has_no_suggestion(row) else row.suggested_bidder_id or f"{NEW}（新規）"
        others = [describe_alike(bidder) for bidder in row.alike if bidder.bidder_id != row.suggested_bidder_id]
        shown = "\n".join(map(replace_invisible, filter(None, (suggestion, describe_reason(row), *others))))
        table.add_row(
            str(row.row), Text(replace_invisible(row.name)), Text(replace_invisible(row.address)), Text(shown)
        )
    return table


def _lines(kind: LineKind.ValueType, lines: Sequence[PreviewLine], words: RosterWords) -> Table:
    values = FIELDS["address"] if kind in (LINE_KIND_NEW, LINE_KIND_GONE) else "変更前 → 変更後 before → after"
    table = _table("業者 bidder", "商号又は名称 name", values, "行 row")
    for line in lines:
        bidder_id = replace_invisible(line.bidder_id) or "（取込時に付番 assigned at the import）"
        changes = "\n".join(describe_change(kind, change, words) for change in select_changes(line))
        row = str(line.row) if line.row else "―"
        table.add_row(Text(bidder_id), Text(replace_invisible(line.name)), Text(changes), row)
    return table


def _table(*headings: str) -> Table:
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _print(console: Console, heading: str, table: Table, more: int = 0) -> None:
    """Prints a table below its heading, and above the number of the rows that are not in it."""
    # Not the table's own title, which is folded at the width of the table.
    console.print(heading, style="bold", highlight=False, markup=False, soft_wrap=True)
    console.print(table)
    if more:
        console.print(f"ほか {more:,} 件 and {more:,} more", highlight=False)
