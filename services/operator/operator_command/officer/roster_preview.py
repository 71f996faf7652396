"""Shows an officer what an import would change."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from instance_profile.characters import replace_invisible
from operator_command.officer.roster_changes import describe_change, select_changes
from operator_command.officer.roster_decisions import NEW, describe_alike, describe_reason, has_no_suggestion
from operator_command.officer.roster_words import BIDDER, FIELDS, ROW, describe_kind
from operator_command.officer.tables import make_table, print_table
from operator_command.speech import Phrase, Speech
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


def show_preview(console: Console, preview: RosterPreview, file_name: str, speech: Speech) -> None:
    """Prints the counts, then what prevents a commit: the first errors and undecided rows."""
    file, roster = replace_invisible(file_name), replace_invisible(preview.roster)
    term = describe_term(preview.term_from, preview.term_until, speech)
    heading = Phrase(
        f"ファイル「{file}」を名簿「{roster}」に取り込んだ場合{f'（有効期間{term}）' if term else ''}",
        f"What the file {file} would change in the roster {roster}{f' for the term {term}' if term else ''}",
    )
    print_table(console, speech.say(heading), _counts(preview, speech), speech)
    if count := preview.error_count:
        errors = preview.errors[:MOST_ERRORS_SHOWN]
        heading = Phrase(f"誤りのある箇所：{count:,}件", f"Errors: {count:,}")
        print_table(console, speech.say(heading), _errors(errors, speech), speech, more=count - len(errors))
    if count := preview.undecided_row_count:
        rows = preview.undecided[:MOST_SHOWN]
        heading = Phrase(f"判断の必要な行：{count:,}件", f"Rows to decide: {count:,}")
        print_table(console, speech.say(heading), _undecided(rows, speech), speech, more=count - len(rows))


def describe_term(first_day: str, last_day: str, speech: Speech) -> str:
    """Returns a term for people; empty for a roster without terms."""
    if not first_day:
        return ""
    end = last_day or speech.say(Phrase("", "the next term"))
    return speech.say(Phrase(f"{first_day}～{end}", f"{first_day} to {end}"))


def list_kinds(preview: RosterPreview) -> Mapping[LineKind.ValueType, int]:
    """Returns the number of lines of each kind that is worth a list: at the first import every bidder is new."""
    is_first = not preview.changed + preview.gone + preview.unchanged
    counts = {count.kind: count.count for count in preview.counts if count.count}
    return {kind: count for kind, count in counts.items() if not (is_first and kind == LINE_KIND_NEW)}


def show_lines(console: Console, preview: RosterPreview, lines: Lines, speech: Speech) -> None:
    """Prints the first lines of each kind, and how many more there are."""
    for kind, count in list_kinds(preview).items():
        show_kind(console, kind, lines[kind][:MOST_SHOWN], count, speech)


def show_kind(
    console: Console, kind: LineKind.ValueType, lines: Sequence[PreviewLine], count: int, speech: Speech
) -> None:
    """Prints lines of one kind, of which there are `count`."""
    name = describe_kind(kind, speech)
    heading = speech.say(Phrase(f"{name}：{count:,}件", f"{name}: {count:,}"))
    print_table(console, heading, _lines(kind, lines, speech), speech, more=count - len(lines))


def _counts(preview: RosterPreview, speech: Speech) -> Table:
    table = Table()
    # On two lines, so that the table fits into a terminal of 80 columns.
    for heading in (
        Phrase("ファイル\nの行数", "rows of\nthe file"),
        Phrase("新規", "new"),
        Phrase("変更", "changed"),
        Phrase("名簿から\n外れる", "leaving"),
        Phrase("変更\nなし", "unchanged"),
        Phrase("判断が\n必要", "to\ndecide"),
    ):
        table.add_column(speech.say(heading), justify="right")
    table.add_column(speech.say(Phrase("誤り", "errors")), justify="right", style="red" if preview.error_count else "")
    numbers = (preview.rows, preview.new, preview.changed, preview.gone, preview.unchanged)
    table.add_row(*(f"{number:,}" for number in (*numbers, preview.undecided_row_count, preview.error_count)))
    return table


def _errors(errors: Sequence[RowError], speech: Speech) -> Table:
    table = make_table(
        speech, (ROW, Phrase("列", "column"), Phrase("誤りの内容と直し方", "what is wrong, and what to do"))
    )
    for error in errors:
        words = str(speech.explain(error.reason, error.metadata))
        row = str(error.row) if error.row else "―"
        table.add_row(row, Text(replace_invisible(error.column) or "―"), Text(words))
    return table


def _undecided(rows: Sequence[UndecidedRow], speech: Speech) -> Table:
    table = make_table(speech, (ROW, FIELDS["name"], FIELDS["address"], Phrase("候補と理由", "suggestion and reason")))
    for row in rows:
        new = f"{NEW}{speech.say(Phrase('（新規の業者）', ' (a new bidder)'))}"
        suggestion = "" if has_no_suggestion(row) else row.suggested_bidder_id or new
        others = [describe_alike(bidder, speech) for bidder in row.alike if bidder.bidder_id != row.suggested_bidder_id]
        texts = (suggestion, describe_reason(row, speech), *others)
        shown = "\n".join(map(replace_invisible, filter(None, texts)))
        table.add_row(
            str(row.row), Text(replace_invisible(row.name)), Text(replace_invisible(row.address)), Text(shown)
        )
    return table


def _lines(kind: LineKind.ValueType, lines: Sequence[PreviewLine], speech: Speech) -> Table:
    changes = Phrase("変更前 → 変更後", "before → after")
    values = FIELDS["address"] if kind in (LINE_KIND_NEW, LINE_KIND_GONE) else changes
    table = make_table(speech, (BIDDER, FIELDS["name"], values, ROW))
    for line in lines:
        assigned = speech.say(Phrase("（取込時に付番）", "(assigned at the import)"))
        bidder_id = replace_invisible(line.bidder_id) or assigned
        texts = "\n".join(describe_change(kind, change, speech) for change in select_changes(line))
        row = str(line.row) if line.row else "―"
        table.add_row(Text(bidder_id), Text(replace_invisible(line.name)), Text(texts), row)
    return table
