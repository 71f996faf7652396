"""The preview of an import, and officers' decisions on undecided rows (QUA-12)."""

import io

import pytest
from rich.console import Console

from operator_command.officer.roster_preview import check_decisions, read_decisions, show_preview
from refusals import Refusal
from toroku.qualification.v1.bidder_pb2 import (
    ChangedBidder,
    RosterLine,
    RosterPreview,
    RowDecision,
    RowError,
    UndecidedRow,
)

UNDECIDED = RosterPreview(
    undecided=[
        UndecidedRow(row=7, name="共同企業体", address="岡山県", suggested_bidder_id="9000000001"),
        UndecidedRow(row=12, name="組合", address="広島県"),
    ]
)


def text_of(preview: RosterPreview, file_name: str = "list.csv") -> str:
    out = io.StringIO()
    show_preview(Console(file=out, width=160), preview, file_name)
    return out.getvalue()


@pytest.mark.requirement("QUA-12")
def test_preview_counts_new_changed_and_removed_bidders() -> None:
    text = text_of(RosterPreview(roster="works", rows=4237, new=1, changed=3915, gone=0, unchanged=321))
    for part in ("list.csv → works", "新規", "変更", "名簿から外れる", "4,237", "3,915", "321"):
        assert part in text
    assert "エラー errors" in text


@pytest.mark.requirement("QUA-12")
def test_moved_bidders_come_first_with_their_changed_fields() -> None:
    preview = RosterPreview(
        changed_bidders=[
            ChangedBidder(bidder_id="1", name="甲建設", fields=["representative_name"]),
            ChangedBidder(bidder_id="2", name="網本工業", fields=["address", "representative_name"]),
        ]
    )
    text = text_of(preview)
    assert "うち住所の変更 address: 1" in text
    assert text.index("網本工業") < text.index("甲建設")
    assert "住所、代表者氏名" in text


@pytest.mark.requirement("QUA-12")
def test_changed_agencies_and_term_have_japanese_names() -> None:
    fields = ["agencies", "valid_from", "valid_until"]
    text = text_of(RosterPreview(changed_bidders=[ChangedBidder(bidder_id="1", name="甲建設", fields=fields)]))
    assert "調達機関、有効期間の開始、有効期間の終了" in text
    assert "登録内容の変更" in text


@pytest.mark.requirement("QUA-12")
def test_error_is_shown_by_row_and_column_in_both_languages() -> None:
    preview = RosterPreview(
        errors=[RowError(row=3, column="電話番号", reason="FIELD_TOO_LONG", metadata={"actual": "99", "most": "20"})],
        error_count=250,
    )
    text = text_of(preview)
    for part in ("3", "電話番号", "文字数が多すぎます（99文字）", "too long (99 characters)", "ほか 249 件"):
        assert part in text


def test_error_of_the_whole_file_has_no_row() -> None:
    text = text_of(RosterPreview(errors=[RowError(row=0, reason="FIELD_REQUIRED")], error_count=1))
    assert "│ ―" in text


def test_undecided_rows_show_the_suggestion() -> None:
    text = text_of(UNDECIDED)
    assert "9000000001" in text
    assert "new（新規）" in text


def test_long_list_ends_with_the_number_of_the_rest() -> None:
    lines = [RosterLine(name=f"新規建設{number}", row=number) for number in range(2, 60)]
    text = text_of(RosterPreview(new=400, unchanged=1, new_bidders=lines))
    assert "新規建設21" in text
    assert "新規建設22" not in text
    assert "ほか 380 件" in text
    assert "付番" in text


def test_first_import_does_not_list_every_bidder_as_new() -> None:
    assert "見本建設" not in text_of(RosterPreview(new=400, new_bidders=[RosterLine(name="見本建設", row=2)]))


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x07", "\u202e", "[red]", "\r"])
def test_roster_cannot_control_the_terminal(hostile: str) -> None:
    preview = RosterPreview(
        undecided=[UndecidedRow(row=2, name=f"甲{hostile}乙", address=hostile)],
        changed_bidders=[ChangedBidder(bidder_id=hostile, name=hostile, fields=[hostile])],
        errors=[RowError(row=2, column=hostile, reason="FIELD_TOO_LONG", metadata={"actual": hostile})],
        error_count=1,
    )
    text = text_of(preview, f"{hostile}.csv")
    assert hostile == "[red]" or hostile not in text
    assert hostile != "[red]" or f"甲{hostile}乙" in text


def test_decisions_are_parsed() -> None:
    assert read_decisions(["7=9000000001", "12=new"]) == [
        RowDecision(row=7, bidder_id="9000000001"),
        RowDecision(row=12),
    ]


@pytest.mark.parametrize("decision", ["", "7", "7=", "=1", "x=1", "-7=1", "７=1", "1.5=new", "9999999999=new"])
def test_malformed_decision_is_refused(decision: str) -> None:
    with pytest.raises(Refusal, match="DECISION_UNREADABLE"):
        read_decisions([decision])


def test_second_decision_on_a_row_is_refused() -> None:
    with pytest.raises(Refusal, match="DECISION_TWICE"):
        read_decisions(["7=new", "7=9000000001"])


def test_every_undecided_row_needs_a_decision() -> None:
    with pytest.raises(Refusal, match="ROSTER_ROWS_UNDECIDED") as refused:
        check_decisions(UNDECIDED, [RowDecision(row=7)], accept_suggestions=False)
    assert refused.value.metadata["rows"] == "12"
    assert check_decisions(UNDECIDED, [RowDecision(row=7)], accept_suggestions=True) == [RowDecision(row=7)]
    both = [RowDecision(row=7), RowDecision(row=12)]
    assert check_decisions(UNDECIDED, both, accept_suggestions=False) == both


def test_decision_on_a_decided_row_is_refused() -> None:
    with pytest.raises(Refusal, match="DECISION_NOT_ASKED"):
        check_decisions(UNDECIDED, [RowDecision(row=8)], accept_suggestions=True)
