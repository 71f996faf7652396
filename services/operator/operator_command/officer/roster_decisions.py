"""Officers' decisions on undecided rows: on the command line, or in a file that a spreadsheet edited."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from instance_profile.characters import replace_invisible
from operator_command.officer.roster_words import FIELDS, ROW
from operator_command.officer.spreadsheet import read_table, write_table
from operator_command.speech import Language, Phrase, Speech
from refusals import Code, Refusal
from toroku.qualification.v1.bidder_pb2 import AlikeBidder, RowDecision, UndecidedRow

NEW = "new"
_NEW_WORDS = (NEW, "新規")
DECISION = Phrase("判断", "decision")
_READ = (ROW, FIELDS["name"], DECISION)
_HEADINGS = (
    ROW,
    FIELDS["name"],
    FIELDS["address"],
    Phrase("理由", "reason"),
    Phrase("似た業者", "candidates"),
    Phrase("候補", "suggestion"),
    DECISION,
)
_MOST_ROWS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Decision:
    """The bidder of an undecided row, empty for a new one, and the row's name where a file of decisions has it."""

    row: int
    bidder_id: str
    name: str | None = None


def read_decisions(texts: Iterable[str], file: Path | None = None) -> list[Decision]:
    """Parses decisions of the form `ROW=BIDDER_ID` or `ROW=new`, and those in a file.

    Raises DECISION_UNREADABLE, DECISION_TWICE, TABLE_UNREADABLE, TABLE_WRONG.
    """
    decisions: dict[int, Decision] = {}
    for decision in (*map(_parse, texts), *(_read_file(file) if file is not None else ())):
        if decision.row in decisions:
            raise Refusal("DECISION_TWICE", Code.INVALID_ARGUMENT, {"row": str(decision.row)})
        decisions[decision.row] = decision
    return list(decisions.values())


def check_decisions(
    undecided: Sequence[UndecidedRow], decisions: Sequence[Decision], *, accept_suggestions: bool
) -> list[RowDecision]:
    """Returns the decisions if they cover exactly the undecided rows; fewer are enough with `accept_suggestions`.

    Rows without a suggestion need a decision even then.

    Raises DECISION_NOT_ASKED, DECISIONS_OF_ANOTHER_ROSTER, ROSTER_ROWS_UNDECIDED.
    """
    names = {row.row: row.name for row in undecided}
    decided = {decision.row for decision in decisions}
    if superfluous := decided - names.keys():
        raise Refusal("DECISION_NOT_ASKED", Code.INVALID_ARGUMENT, {"rows": _list_rows(superfluous)})
    for decision in decisions:
        if decision.name is not None and not _is_same_name(decision.name, names[decision.row]):
            raise Refusal("DECISIONS_OF_ANOTHER_ROSTER", Code.INVALID_ARGUMENT, {"row": str(decision.row)})
    missing = {row.row for row in undecided if not accept_suggestions or has_no_suggestion(row)} - decided
    if missing:
        metadata = {"rows": _list_rows(missing), "count": str(len(missing))}
        raise Refusal("ROSTER_ROWS_UNDECIDED", Code.FAILED_PRECONDITION, metadata)
    return [RowDecision(row=decision.row, bidder_id=decision.bidder_id) for decision in decisions]


def write_undecided(file: Path, rows: Iterable[UndecidedRow], speech: Speech) -> None:
    """Writes undecided rows into a file whose last column is for the officer's decisions. Raises OUTPUT_NOT_WRITTEN."""
    write_table(file, [speech.say(heading) for heading in _HEADINGS], (_compose_row(row, speech) for row in rows))


def has_no_suggestion(row: UndecidedRow) -> bool:
    """Returns whether not even a new bidder is suggested for a row."""
    return row.reason == "ROSTER_ROW_PERHAPS_SAME"


def describe_reason(row: UndecidedRow, speech: Speech) -> str:
    """Returns why a row is undecided; empty where the registry says none."""
    return speech.explain(row.reason, {}).what if row.reason else ""


def describe_alike(bidder: AlikeBidder, speech: Speech) -> str:
    """Returns a bidder that a row may be: its id, name, address and 法人番号."""
    details = list(filter(None, (bidder.name, bidder.address, bidder.corporate_number)))
    japanese, english = "、".join(details), ", ".join(details)
    return f"{bidder.bidder_id}{speech.say(Phrase(f'（{japanese}）', f' ({english})'))}"


def _compose_row(row: UndecidedRow, speech: Speech) -> Sequence[str]:
    candidates = " / ".join(describe_alike(bidder, speech) for bidder in row.alike)
    suggestion = "" if has_no_suggestion(row) else row.suggested_bidder_id or NEW
    return str(row.row), row.name, row.address, describe_reason(row, speech), candidates, suggestion, ""


def _parse(text: str) -> Decision:
    row, separator, bidder_id = text.partition("=")
    if not (separator and bidder_id and _is_row(row)):
        raise Refusal("DECISION_UNREADABLE", Code.INVALID_ARGUMENT, {"decision": replace_invisible(text)[:80]})
    return Decision(int(row), "" if bidder_id == NEW else bidder_id)


def _read_file(file: Path) -> Iterable[Decision]:
    # Whichever language it was written in.
    headings = [tuple(Speech(language).say(heading) for heading in _READ) for language in Language]
    for number, (row, name, text) in read_table(file, headings):
        decision = unicodedata.normalize("NFKC", text).strip()
        if not decision:
            continue
        if not _is_row(row.strip()):
            metadata = {"path": str(file), "row": str(number), "columns": " / ".join((ROW.ja, ROW.en))}
            raise Refusal("TABLE_WRONG", Code.INVALID_ARGUMENT, metadata)
        yield Decision(int(row), "" if decision.lower() in _NEW_WORDS else decision, name)


def _is_row(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 9


def _is_same_name(saved: str, name: str) -> bool:
    """Returns whether a spreadsheet may have saved this name so: in CP932 it writes ? for what it can't."""
    return saved == name or re.fullmatch(re.sub(r"(\\\?)+", ".+", re.escape(saved)), name) is not None


def _list_rows(rows: Iterable[int]) -> str:
    numbers = sorted(rows)
    return ", ".join(map(str, numbers[:_MOST_ROWS_SHOWN])) + (" …" if len(numbers) > _MOST_ROWS_SHOWN else "")
