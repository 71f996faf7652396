"""Shows an officer what an import would change, and reads the officer's decisions on undecided rows."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from instance_profile.characters import replace_invisible
from refusals import Code, Refusal
from refusals.catalogue import explain
from toroku.qualification.v1.bidder_pb2 import RosterLine, RosterPreview, RowDecision

# Longest list shown; of the rest only the number is shown.
MOST_SHOWN = 20
NEW = "new"
FIELDS = {
    "name": "商号又は名称",
    "postal_code": "郵便番号",
    "address": "住所",
    "representative_name": "代表者氏名",
    "representative_title": "代表者役職",
    "telephone": "電話番号",
    "fax": "FAX番号",
    "department": "部署名",
    "branch": "支店名等",
    "region": "地域区分",
    "permit_number": "入札参加許可番号",
    "corporate_number": "法人番号",
    "grades": "等級",
    "agencies": "調達機関",
    "valid_from": "有効期間の開始",
    "valid_until": "有効期間の終了",
}


def show_preview(console: Console, preview: RosterPreview, file_name: str) -> None:
    """Prints the counts, then what an officer must check: errors, undecided rows, changed, new and removed bidders."""
    console.print(_counts(preview, file_name))
    if preview.error_count:
        console.print(_errors(preview))
    if preview.undecided:
        console.print(_undecided(preview))
    if preview.changed_bidders:
        console.print(_changed(preview))
    # At the first import of a roster every bidder is new.
    if preview.new_bidders and preview.changed + preview.gone + preview.unchanged:
        console.print(_lines("新規の業者 new bidders", preview.new_bidders, preview.new))
    if preview.gone_bidders:
        console.print(_lines("名簿から外れる業者 gone bidders", preview.gone_bidders, preview.gone))


def read_decisions(texts: Iterable[str]) -> list[RowDecision]:
    """Parses decisions of the form `ROW=BIDDER_ID` or `ROW=new`. Raises DECISION_UNREADABLE and DECISION_TWICE."""
    decisions: dict[int, RowDecision] = {}
    for text in texts:
        row_text, separator, bidder_id = text.partition("=")
        if not (separator and bidder_id and row_text.isascii() and row_text.isdigit() and len(row_text) < 9):
            raise Refusal("DECISION_UNREADABLE", Code.INVALID_ARGUMENT, {"decision": replace_invisible(text)[:80]})
        row = int(row_text)
        if row in decisions:
            raise Refusal("DECISION_TWICE", Code.INVALID_ARGUMENT, {"row": str(row)})
        decisions[row] = RowDecision(row=row, bidder_id="" if bidder_id == NEW else bidder_id)
    return list(decisions.values())


def check_decisions(
    preview: RosterPreview, decisions: Sequence[RowDecision], *, accept_suggestions: bool
) -> list[RowDecision]:
    """Returns the decisions if they cover exactly the undecided rows; fewer are enough with `accept_suggestions`.

    Raises DECISION_NOT_ASKED, ROSTER_ROWS_UNDECIDED.
    """
    undecided_rows = {row.row for row in preview.undecided}
    decision_rows = {decision.row for decision in decisions}
    if superfluous := decision_rows - undecided_rows:
        raise Refusal("DECISION_NOT_ASKED", Code.INVALID_ARGUMENT, {"rows": _numbers(superfluous)})
    missing = undecided_rows - decision_rows
    if missing and not accept_suggestions:
        metadata = {"rows": _numbers(missing), "count": str(len(missing))}
        raise Refusal("ROSTER_ROWS_UNDECIDED", Code.FAILED_PRECONDITION, metadata)
    return list(decisions)


def _counts(preview: RosterPreview, file_name: str) -> Table:
    table = Table(
        title=Text(f"{replace_invisible(file_name)} → {replace_invisible(preview.roster)}"), title_justify="left"
    )
    for heading in (
        "行 rows",
        "新規 new",
        "変更 changed",
        "名簿から外れる gone",
        "変更なし unchanged",
        "要判断 undecided",
    ):
        table.add_column(heading, justify="right")
    table.add_column("エラー errors", justify="right", style="red" if preview.error_count else "")
    numbers = (preview.rows, preview.new, preview.changed, preview.gone, preview.unchanged)
    table.add_row(*(f"{number:,}" for number in (*numbers, len(preview.undecided), preview.error_count)))
    return table


def _errors(preview: RosterPreview) -> Table:
    table = _table("エラー errors", "行 row", "列 column", "内容 what is wrong")
    for error in preview.errors[:MOST_SHOWN]:
        words = explain(error.reason, {key: replace_invisible(value) for key, value in error.metadata.items()})
        row = str(error.row) if error.row else "―"
        table.add_row(
            row, Text(replace_invisible(error.column) or "―"), Text(f"{words.ja.what}{words.ja.next}\n{words.en}")
        )
    _more(table, preview.error_count, min(len(preview.errors), MOST_SHOWN))
    return table


def _undecided(preview: RosterPreview) -> Table:
    """Returns all undecided rows, because each needs a decision."""
    table = _table("要判断 undecided", "行 row", "商号又は名称 name", "住所 address", "候補 suggestion")
    for row in preview.undecided:
        suggestion = replace_invisible(row.suggested_bidder_id) or f"{NEW}（新規）"
        table.add_row(
            str(row.row), Text(replace_invisible(row.name)), Text(replace_invisible(row.address)), Text(suggestion)
        )
    return table


def _changed(preview: RosterPreview) -> Table:
    moved = [bidder for bidder in preview.changed_bidders if "address" in bidder.fields]
    others = [bidder for bidder in preview.changed_bidders if "address" not in bidder.fields]
    title = f"登録内容の変更 changed bidders（うち住所の変更 address: {len(moved):,}）"
    table = _table(title, "業者 bidder", "商号又は名称 name", "変わる項目 what changes")
    for bidder in (*moved, *others)[:MOST_SHOWN]:
        fields = "、".join(FIELDS.get(field, replace_invisible(field)) for field in bidder.fields)
        table.add_row(Text(replace_invisible(bidder.bidder_id)), Text(replace_invisible(bidder.name)), Text(fields))
    _more(table, len(preview.changed_bidders), min(len(preview.changed_bidders), MOST_SHOWN))
    return table


def _lines(title: str, lines: Sequence[RosterLine], count: int) -> Table:
    table = _table(title, "業者 bidder", "商号又は名称 name", "行 row")
    for line in lines[:MOST_SHOWN]:
        bidder_id = replace_invisible(line.bidder_id) or "（取込時に付番 assigned at the import）"
        table.add_row(Text(bidder_id), Text(replace_invisible(line.name)), str(line.row) if line.row else "―")
    _more(table, count, min(len(lines), MOST_SHOWN))
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=Text(title), title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _more(table: Table, count: int, shown_rows: int) -> None:
    if count > shown_rows:
        table.caption = Text(f"ほか {count - shown_rows:,} 件 and {count - shown_rows:,} more")
        table.caption_justify = "left"


def _numbers(rows: Iterable[int]) -> str:
    numbers = sorted(rows)
    return ", ".join(map(str, numbers[:MOST_SHOWN])) + (" …" if len(numbers) > MOST_SHOWN else "")
