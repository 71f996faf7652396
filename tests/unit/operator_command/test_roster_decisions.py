"""Officers' decisions on undecided rows, typed or in a file (QUA-12)."""

from pathlib import Path

import pytest

from operator_command.officer.roster_decisions import Decision, check_decisions, read_decisions, write_undecided
from operator_command.speech import Language, Speech
from refusals import Refusal
from toroku.qualification.v1.bidder_pb2 import AlikeBidder, RowDecision, UndecidedRow

UNDECIDED = [
    UndecidedRow(row=7, name="共同企業体𠮷", address="岡山県", suggested_bidder_id="0900000001"),
    UndecidedRow(row=12, name="=組合", address="広島県"),
]
HEADER = "行,商号又は名称,住所,理由,似た業者,候補,判断"
JAPANESE, ENGLISH = map(Speech, Language)


def test_decisions_are_parsed() -> None:
    assert read_decisions(["7=9000000001", "12=new"]) == [Decision(7, "9000000001"), Decision(12, "")]


@pytest.mark.parametrize("decision", ["", "7", "7=", "=1", "x=1", "-7=1", "７=1", "1.5=new", "9999999999=new"])
def test_malformed_decision_is_refused(decision: str) -> None:
    with pytest.raises(Refusal, match="DECISION_UNREADABLE"):
        read_decisions([decision])


def test_second_decision_on_a_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="DECISION_TWICE"):
        read_decisions(["7=new", "7=9000000001"])
    file = tmp_path / "decisions.csv"
    file.write_text(f"{HEADER}\n7,共同企業体𠮷,,,,,new\n", "utf-8")
    with pytest.raises(Refusal, match="DECISION_TWICE"):
        read_decisions(["7=new"], file)


def test_every_undecided_row_needs_a_decision() -> None:
    with pytest.raises(Refusal, match="ROSTER_ROWS_UNDECIDED") as refused:
        check_decisions(UNDECIDED, [Decision(7, "")], accept_suggestions=False)
    assert refused.value.metadata["rows"] == "12"
    assert check_decisions(UNDECIDED, [Decision(7, "")], accept_suggestions=True) == [RowDecision(row=7)]
    both = [Decision(7, "9000000001"), Decision(12, "")]
    assert check_decisions(UNDECIDED, both, accept_suggestions=False) == [
        RowDecision(row=7, bidder_id="9000000001"),
        RowDecision(row=12),
    ]


def test_decision_on_a_decided_row_is_refused() -> None:
    with pytest.raises(Refusal, match="DECISION_NOT_ASKED"):
        check_decisions(UNDECIDED, [Decision(8, "")], accept_suggestions=True)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp932"])
def test_file_of_undecided_rows_is_filled_in_and_given_back(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "undecided.csv"
    write_undecided(file, UNDECIDED, JAPANESE)
    header, one, other = file.read_text("utf-8-sig").splitlines()
    assert header == HEADER
    assert (one, other) == ("7,共同企業体𠮷,岡山県,,,'0900000001,", "12,'=組合,広島県,,,new,")
    # As a spreadsheet saves it: a character that the encoding lacks is ?, once for each half of a pair.
    saved = "\r\n".join((header, f"{one}'0900000001", f"{other}ＮＥＷ", ""))
    file.write_bytes(saved.replace("𠮷", "??" if encoding == "cp932" else "𠮷").encode(encoding))
    decisions = read_decisions([], file)
    assert check_decisions(UNDECIDED, decisions, accept_suggestions=False) == [
        RowDecision(row=7, bidder_id="0900000001"),
        RowDecision(row=12),
    ]


def test_file_in_one_language_is_read_in_the_other(tmp_path: Path) -> None:
    file = tmp_path / "undecided.csv"
    write_undecided(file, UNDECIDED, ENGLISH)
    header, one, other = file.read_text("utf-8-sig").splitlines()
    assert header == "row,name,address,reason,candidates,suggestion,decision"
    file.write_text(f"{header}\n{one}new\n{other}new\n", "utf-8")
    assert read_decisions([], file) == [Decision(7, "", "共同企業体𠮷"), Decision(12, "", "=組合")]


def test_empty_decision_leaves_the_row_undecided(tmp_path: Path) -> None:
    file = tmp_path / "undecided.csv"
    write_undecided(file, UNDECIDED, JAPANESE)
    assert read_decisions([], file) == []


def test_file_shows_whom_a_row_may_be(tmp_path: Path) -> None:
    alike = [AlikeBidder(bidder_id="1", name="甲", address="乙市"), AlikeBidder(bidder_id="2", name="丙")]
    file = tmp_path / "undecided.csv"
    write_undecided(file, [UndecidedRow(row=2, name="甲", reason="FIELD_REQUIRED", alike=alike)], JAPANESE)
    text = file.read_text("utf-8-sig")
    assert "1（甲、乙市） / 2（丙）" in text
    assert "入力" in text


def test_decisions_on_another_roster_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "undecided.csv"
    file.write_text(f"{HEADER}\n7,別の企業体,,,,,new\n", "utf-8")
    with pytest.raises(Refusal, match="DECISIONS_OF_ANOTHER_ROSTER") as refused:
        check_decisions(UNDECIDED, read_decisions([], file), accept_suggestions=True)
    assert refused.value.metadata == {"row": "7"}


@pytest.mark.parametrize("row", ["x", "１", "", "999999999"])
def test_row_that_is_no_number_is_refused(tmp_path: Path, row: str) -> None:
    file = tmp_path / "undecided.csv"
    file.write_text(f"{HEADER}\n{row},甲,,,,,new\n", "utf-8")
    with pytest.raises(Refusal, match="TABLE_WRONG"):
        read_decisions([], file)
