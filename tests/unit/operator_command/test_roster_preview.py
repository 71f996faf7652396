"""The preview of an import, as an officer sees it (QUA-12)."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from operator_command.officer.roster_preview import MOST_SHOWN, list_kinds, show_lines, show_preview
from operator_command.officer.roster_words import FIELDS, KINDS
from operator_command.speech import Language, Speech
from tests.support.example_profile import CITY, PREFECTURE, example_profile
from tests.support.japanese_text import broken_rules, find_other_language
from toroku.qualification.v1.bidder_pb2 import (
    LINE_KIND_CHANGED,
    LINE_KIND_GONE,
    LINE_KIND_GRADES_CHANGED,
    LINE_KIND_IDENTITY_CHANGED,
    LINE_KIND_NEW,
    AlikeBidder,
    CompanyProfile,
    FieldChange,
    LineCount,
    LineKind,
    PreviewLine,
    RosterPreview,
    RowError,
    UndecidedRow,
)

UNDECIDED = RosterPreview(
    undecided=[
        UndecidedRow(row=7, name="共同企業体", address="岡山県", suggested_bidder_id="9000000001"),
        UndecidedRow(row=12, name="組合", address="広島県"),
    ],
    undecided_row_count=1002,
)
JAPANESE, ENGLISH = (Speech(language, example_profile()) for language in Language)


def text_of(
    preview: RosterPreview,
    file_name: str = "list.csv",
    lines: Sequence[PreviewLine] = (),
    *,
    speech: Speech = JAPANESE,
) -> str:
    out = io.StringIO()
    console = Console(file=out, width=160)
    show_preview(console, preview, file_name, speech)
    by_kind = {kind: [line for line in lines if line.kind == kind] for kind in list_kinds(preview)}
    show_lines(console, preview, by_kind, speech)
    return out.getvalue()


def preview_of(*lines: PreviewLine) -> RosterPreview:
    """Returns a preview of lines of a roster that was imported before."""
    kinds = [LineCount(kind=kind, count=sum(line.kind == kind for line in lines)) for kind in KINDS]
    return RosterPreview(unchanged=1, counts=kinds)


def line_of(kind: LineKind.ValueType, *changes: FieldChange, row: int = 2) -> PreviewLine:
    bidder_id = f"{1_000_000_000 + row}"
    return PreviewLine(kind=kind, bidder_id=bidder_id, name=f"見本建設{row}", row=row, changes=changes)


def test_preview_counts_new_changed_and_removed_bidders() -> None:
    text = text_of(RosterPreview(roster="works", rows=4237, new=1, changed=3915, gone=0, unchanged=321))
    for part in ("list.csv", "「works」", "新規", "変更", "外れる", "誤り", "4,237", "3,915", "321"):
        assert part in text


def test_counts_fit_into_a_narrow_terminal() -> None:
    numbers = {"rows": 200_000, "new": 200_000, "changed": 200_000, "gone": 200_000, "unchanged": 200_000}
    counts = RosterPreview(**numbers, undecided_row_count=200_000, error_count=200_000)  # type: ignore[arg-type]  # numbers
    for speech in (JAPANESE, ENGLISH):
        out = io.StringIO()
        show_preview(Console(file=out, width=80), counts, "list.csv", speech)
        assert "…" not in out.getvalue()
        assert [line.count("200,000") for line in out.getvalue().splitlines() if line.startswith("│")] == [7]


def test_changes_are_shown_with_the_values_before_and_after() -> None:
    lines = [
        line_of(LINE_KIND_IDENTITY_CHANGED, FieldChange(field="address", before="旧一丁目", after="新一丁目")),
        line_of(
            LINE_KIND_CHANGED,
            FieldChange(field="agencies", before=f"{CITY} {PREFECTURE}", after=f"{PREFECTURE} hamlet"),
        ),
        line_of(LINE_KIND_CHANGED, FieldChange(field="valid_until", after="2027-03-31")),
        line_of(LINE_KIND_GRADES_CHANGED, FieldChange(field="grade", kind="土木", before="A", after="B")),
    ]
    expected = {
        JAPANESE: (
            "商号・住所・代表者の変更：1件",
            "住所：旧一丁目 → 新一丁目",
            "その他の登録内容の変更：2件",
            "調達機関：例示市、例示県 → 例示県、hamlet",
            "有効期間の終了日：― → 2027-03-31",
            "等級だけの変更：1件",
            "等級（土木）：A → B",
        ),
        ENGLISH: (
            "Changes of name, address or representative: 1",
            "address: 旧一丁目 → 新一丁目",
            "Other changes: 2",
            "valid until: ― → 2027-03-31",
            "Changes of grades only: 1",
            "grade (土木): A → B",
        ),
    }
    for speech, parts in expected.items():
        text = text_of(preview_of(*lines), lines=lines, speech=speech)
        for part in parts:
            assert part in text


@pytest.mark.parametrize("speech", [JAPANESE, ENGLISH], ids=["ja", "en"])
def test_everything_is_said_in_one_language_only(speech: Speech) -> None:
    change = FieldChange(field="telephone", before="1", after="2")
    lines = [line_of(kind, change) for kind in KINDS]
    preview = preview_of(*lines)
    preview.errors.add(row=3, column="A", reason="FIELD_TOO_LONG", metadata={"actual": "99", "most": "20"})
    preview.error_count = 22
    alike = AlikeBidder(bidder_id="1", name="A", address="B")
    preview.undecided.add(row=3, name="A", suggested_bidder_id="2", reason="ROSTER_ROW_NUMBER_APPEARED", alike=[alike])
    preview.undecided.add(row=4, name="B", reason="ROSTER_ROW_WITHOUT_NUMBER")
    preview.undecided_row_count = 20
    preview.term_from, preview.term_until = "2026-04-01", "2028-03-31"
    for line in lines:
        line.name = "A"
    text = text_of(preview, lines=lines, speech=speech)
    assert find_other_language(text, speech.language) == []
    if speech is JAPANESE:
        assert broken_rules(text.replace("list.csv", "")) == []


@pytest.mark.parametrize("count", [0, 1, MOST_SHOWN, MOST_SHOWN + 1, 260, 6000])
def test_shown_lines_and_the_number_of_the_rest_are_all_lines(count: int) -> None:
    change = FieldChange(field="address", before="旧", after="新")
    lines = [line_of(LINE_KIND_IDENTITY_CHANGED, change, row=row) for row in range(2, 2 + count)]
    text = text_of(preview_of(*lines), lines=lines[:MOST_SHOWN])
    shown = text.count("旧 → 新")
    assert shown == min(count, MOST_SHOWN)
    assert (f"ほかに{count - shown:,}件あります。" in text) == (count > MOST_SHOWN)
    assert (f"代表者の変更：{count:,}件\n" in text) == (count > 0)


def test_new_and_gone_bidders_are_shown_with_their_address() -> None:
    fields = [("name", "見本"), ("address", "例示県一丁目"), ("telephone", "03-0000-0000")]
    new = line_of(LINE_KIND_NEW, *(FieldChange(field=field, after=value) for field, value in fields))
    gone = line_of(LINE_KIND_GONE, *(FieldChange(field=field, before=value) for field, value in fields), row=0)
    new.bidder_id = ""
    text = text_of(preview_of(new, gone), lines=[new, gone])
    assert text.count("例示県一丁目") == 2
    assert "付番" in text
    assert "03-0000-0000" not in text


def test_every_field_of_a_line_has_a_name() -> None:
    named = {field.name for field in CompanyProfile.DESCRIPTOR.fields} - {"bidder_id", "grades"}
    further = {"grade", "agencies", "valid_from", "valid_until", "predecessor", "predecessor_kind", "review"}
    assert FIELDS.keys() == named | further
    assert set(KINDS) == set(LineKind.values()) - {0}


def test_error_is_shown_by_row_and_column() -> None:
    preview = RosterPreview(
        errors=[RowError(row=3, column="電話番号", reason="FIELD_TOO_LONG", metadata={"actual": "99", "most": "20"})],
        error_count=250,
    )
    text = text_of(preview)
    for part in (
        "誤りのある箇所：250件",
        "電話番号",
        "文字数が多すぎます（99文字）",
        "ほかに249件",
    ):
        assert part in text


def test_error_of_the_whole_file_has_no_row() -> None:
    text = text_of(RosterPreview(errors=[RowError(row=0, reason="FIELD_REQUIRED")], error_count=1))
    assert "│ ―" in text


def test_undecided_rows_show_the_suggestion() -> None:
    text = text_of(UNDECIDED)
    assert "9000000001" in text
    assert "new（新規の業者）" in text


def test_first_undecided_rows_are_shown_and_all_are_counted() -> None:
    text = text_of(UNDECIDED)
    assert "ほかに1,000件あります。" in text


def test_undecided_row_shows_why_and_whom_it_may_be() -> None:
    alike = [AlikeBidder(bidder_id="1", name="甲", address="乙市"), AlikeBidder(bidder_id="2", name="丙")]
    row = UndecidedRow(row=2, name="甲", suggested_bidder_id="1", reason="FIELD_REQUIRED", alike=alike)
    text = text_of(RosterPreview(undecided=[row], undecided_row_count=1))
    assert "2（丙）" in text
    assert "1（甲、乙市）" not in text
    assert "必須" in text or "入力" in text


def test_first_import_does_not_list_every_bidder_as_new() -> None:
    preview = RosterPreview(new=400, counts=[LineCount(kind=LINE_KIND_NEW, count=400)])
    assert not list_kinds(preview)
    assert "400" in text_of(preview)


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x07", "\u202e", "[red]", "\r"])
def test_roster_cannot_control_the_terminal(hostile: str) -> None:
    preview = RosterPreview(
        undecided=[
            UndecidedRow(
                row=2,
                name=f"甲{hostile}乙",
                address=hostile,
                suggested_bidder_id=hostile,
                reason=hostile,
                alike=[AlikeBidder(bidder_id=f"1{hostile}", name=hostile)],
            )
        ],
        undecided_row_count=1,
        errors=[RowError(row=2, column=hostile, reason="FIELD_TOO_LONG", metadata={"actual": hostile})],
        error_count=1,
        unchanged=1,
        counts=[LineCount(kind=LINE_KIND_CHANGED, count=1)],
    )
    changes = [FieldChange(field=hostile, kind=hostile, before=hostile, after=hostile)]
    line = PreviewLine(kind=LINE_KIND_CHANGED, bidder_id=hostile, name=hostile, changes=changes)
    text = text_of(preview, f"{hostile}.csv", [line])
    assert hostile == "[red]" or hostile not in text
    assert hostile != "[red]" or f"甲{hostile}乙" in text
