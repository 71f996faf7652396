"""Workbooks are read as what they show, with the checks of CSV files, and what is packed into them is bounded."""

from datetime import date, datetime
from typing import Any

import pytest

from instance_profile.roster_mapping import RosterMapping
from qualification_registry.domain.roster_cells import NULL
from qualification_registry.domain.workbook_cells import NumberFormats
from refusals import Refusal
from tests.support.services.example_rosters import HEADER, roster, row
from tests.support.services.roster_officer import WITH_IDS
from tests.support.workbooks import build_archive, build_workbook, write_workbook
from tests.unit.qualification_registry.reading import PROFILE, read

NAMES = HEADER.split(",")
GOOD = row("1000000001").split(",")
UNTIL = NAMES.index("期間終了")


def cells(**changes: object) -> list[Any]:
    """The cells of a good row, with others in these columns."""
    return [changes.get(name, cell) for name, cell in zip(NAMES, GOOD, strict=True)]


def inline(texts: dict[str, str]) -> str:
    return "".join(f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>' for place, text in texts.items())


def header_row() -> str:
    return f'<row r="1">{inline({chr(65 + place) + "1": name for place, name in enumerate(NAMES)})}</row>'


def good_row(number: int = 2, **changes: str) -> str:
    places = {chr(65 + place) + str(number): cell for place, cell in enumerate(GOOD)}
    return f'<row r="{number}">{inline({**places, **changes})}</row>'


def reason_of(content: bytes, mapping: str | RosterMapping = WITH_IDS) -> tuple[str, dict[str, str]]:
    with pytest.raises(Refusal) as caught:
        read(content, mapping)
    return caught.value.reason, dict(caught.value.metadata)


def test_workbook_has_the_lines_of_the_same_csv_file() -> None:
    rows = [row("1000000001"), row("1000000002", corporate_number="4260001000102", name="見本𠮷建設")]
    assert read(write_workbook([NAMES, *(one.split(",") for one in rows)])).values == read(roster(*rows)).values


def test_numbers_and_dates_are_read_as_they_are_shown() -> None:
    rows = [
        NAMES,
        cells(業者番号=1000000001, 法人番号=4260001000102, 期間開始=date(2025, 4, 1), 期間終了=datetime(2027, 3, 31)),
        cells(業者番号=12, 期間開始=45748, 期間終了="令和9年3月31日"),
        cells(業者番号=1000000003.0, 期間開始=45748, 期間終了=46477),
    ]
    formats = {"A3": "0000000000", "I2": '[$-411]ggge"年"m"月"d"日"', "I4": "m/d/yy"}
    content = read(write_workbook(rows, formats=formats))
    assert content.reported == []
    assert [line["key"] for line in content.values] == ["1000000001", "0000000012", "1000000003"]
    assert content.values[0]["corporate_number"] == "4260001000102"
    assert {(line["valid_from"], line["valid_until"]) for line in content.values} == {("2025-04-01", "2027-03-31")}


def test_days_of_a_workbook_that_counts_from_1904() -> None:
    rows = [NAMES, cells(期間開始=date(2025, 4, 1), 期間終了=45015)]
    (line,) = read(write_workbook(rows, starts_in_1904=True)).values
    assert (line["valid_from"], line["valid_until"]) == ("2025-04-01", "2027-03-31")


@pytest.mark.parametrize(
    ("code", "number", "shown"),
    [
        (0, "46113", "46113"),
        (14, "46113", "2026-04-01"),
        (57, "46113", "2026-04-01"),
        (14, "46113.5", "2026-04-01 12:00"),
        (14, "0", "0"),
        (18, "0.5", "0.5"),
        ("yyyy/mm/dd;@", "46113", "2026-04-01"),
        ('"day "0', "46113", "46113"),
        ("0.00E+00", "46113", "46113"),
        ("[Red]0", "46113", "46113"),
        ("0000000000", "1100101", "0001100101"),
        ("000\\-0000", "600042", "060-0042"),
        (1, "1.100000101E9", "1100000101"),
        (0, "0.30000000000000004", "0.3"),
    ],
)
def test_number_is_shown_by_its_format(code: str | int, number: str, shown: str) -> None:
    assert NumberFormats([code], starts_in_1904=False).show(number, 0) == shown


def test_titles_empty_rows_and_other_sheets_are_passed_over() -> None:
    rows: list[list[Any]] = [
        ["入札参加資格者名簿"],
        [None, "令和8年4月1日現在"],
        [],
        NAMES,
        cells(),
        [" ", None],
        cells(業者番号="1000000002"),
    ]
    content = read(write_workbook(rows, other_sheets={"説明": [["この名簿について"]], "空": []}))
    assert [number for block in content.lines for number in block.numbers] == [5, 7]
    assert content.rows == 2


def test_only_one_visible_sheet_may_have_the_roster() -> None:
    other = {"旧名簿": [NAMES, cells()]}
    assert reason_of(write_workbook([NAMES, cells()], other_sheets=other)) == (
        "ROSTER_SHEETS_SEVERAL",
        {"sheets": "名簿、旧名簿"},
    )
    assert read(write_workbook([NAMES, cells()], other_sheets=other, hidden=["旧名簿"])).rows == 1
    chosen = PROFILE.mapping(WITH_IDS).model_copy(update={"sheet": "旧名簿"})
    assert read(write_workbook([["別の表"]], other_sheets=other), chosen).rows == 1
    assert reason_of(write_workbook([NAMES, cells()]), chosen) == (
        "ROSTER_SHEET_MISSING",
        {"sheet": "旧名簿", "sheets": "名簿"},
    )


def test_errors_of_cells_are_reported_by_row_and_column() -> None:
    rows = [NAMES, cells(業者番号=100000001), cells(業者番号="1000000002", 商号=None), cells(期間終了="令和9年2月30日")]
    assert read(write_workbook(rows)).reported == [
        (2, "業者番号", "ROSTER_BIDDER_ID_SHORT"),
        (3, "商号", "FIELD_REQUIRED"),
        (4, "期間終了", "ROSTER_DATE_WRONG"),
    ]


def test_cell_without_a_result_is_no_empty_cell() -> None:
    # openpyxl writes formulas without results; empty, this one would be a qualification without end.
    computed = read(write_workbook([NAMES, cells(期間終了="=EDATE(I2,24)"), cells(業者番号="=1+1")]))
    assert computed.reported == [
        (2, "期間終了", "ROSTER_CELL_NOT_COMPUTED"),
        (3, "業者番号", "ROSTER_CELL_NOT_COMPUTED"),
    ]
    broken = good_row().replace("</row>", '<c r="J2" t="e"><f>VLOOKUP(1)</f><v>#N/A</v></c></row>')
    assert read(build_workbook(header_row() + broken)).reported == [(2, "期間終了", "ROSTER_CELL_NOT_COMPUTED")]
    # In a column that the mapping does not name it doesn't matter.
    assert read(build_workbook(header_row() + broken.replace("J2", "L2"))).rows == 1


def test_shared_texts_are_read_without_their_readings() -> None:
    strings = (
        "<si><r><t>株式会社</t></r><r><rPr/><t>見本&amp;建設</t></r><rPh sb='0' eb='2'><t>ミホン</t></rPh></si>"
        "<si><t>例示_x002C_一_x005F_x000D_</t></si>"
    )
    shared = good_row().replace("</row>", '<c r="C2" t="s"><v>0</v></c><c r="D2" t="s"><v>1</v></c></row>')
    (line,) = read(build_workbook(header_row() + shared, strings=strings)).values
    assert (line["name"], line["address"]) == ("株式会社見本&建設", "例示,一_x000D_")


def test_cells_and_rows_without_references_stand_one_after_the_other() -> None:
    cells_of = "<c t='str'><v>{}</v></c>".format
    rows = "".join(f"<row>{''.join(map(cells_of, row))}</row>" for row in (NAMES, GOOD))
    content = read(build_workbook(rows))
    assert [(line["key"], line["valid_until"]) for line in content.values] == [("1000000001", "2027-03-31")]


def test_empty_last_day_is_without_end() -> None:
    (line,) = read(write_workbook([NAMES, cells(期間終了=None)])).values
    assert line["valid_until"] == NULL


@pytest.mark.parametrize(
    ("content", "reason", "metadata"),
    [
        # What looks like a workbook, and has none in it.
        (
            build_archive({"[Content_Types].xml": "<Types/>", "xl/worksheets/sheet1.xml": "<worksheet/>"}),
            "ROSTER_WORKBOOK_BROKEN",
            {"part": "xl/workbook.xml"},
        ),
        (build_workbook(header_row())[:-30], "ROSTER_WORKBOOK_BROKEN", {"part": "ZIP"}),
        (build_workbook("<row>"), "ROSTER_WORKBOOK_BROKEN", {"part": "xl/worksheets/sheet1.xml"}),
        (build_workbook('<row><c t="s"><v>7</v></c></row>'), "ROSTER_WORKBOOK_BROKEN", None),
        (build_workbook('<row><c r="あ1"><v>7</v></c></row>'), "ROSTER_WORKBOOK_BROKEN", None),
        (build_workbook("<row><c><v>七</v></c></row>"), "ROSTER_WORKBOOK_BROKEN", None),
        (build_archive({"mimetype": "text/plain", "a.csv": "x"}), "ROSTER_FORMAT_WRONG", {"format": "ZIP"}),
        (build_archive({"word/document.xml": "<a/>"}), "ROSTER_FORMAT_WRONG", {"format": "Word (.docx)"}),
        (
            build_archive({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<a/>"}),
            "ROSTER_FORMAT_WRONG",
            {"format": "OpenDocument (.ods)"},
        ),
        (build_archive({"xl/workbook.bin": b"x"}), "ROSTER_FORMAT_WRONG", {"format": "Excel (.xlsb)"}),
        # Entities that refer to each other grow without bound; a workbook declares none.
        (
            build_workbook(
                f"{header_row()}<row><c t='str'><v>&b;</v></c></row>",
                sheet_prefix='<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
            ),
            "ROSTER_WORKBOOK_BROKEN",
            {"part": "xl/worksheets/sheet1.xml"},
        ),
        # A part that unpacks to more than its bound, and one to more than it declares.
        (
            build_workbook(header_row(), declared_bytes={"xl/worksheets/sheet1.xml": 600 * 1024**2}),
            "ROSTER_WORKBOOK_TOO_LARGE",
            {"part": "xl/worksheets/sheet1.xml"},
        ),
        (
            build_workbook(header_row(), declared_bytes={"xl/worksheets/sheet1.xml": 200}),
            "ROSTER_WORKBOOK_BROKEN",
            {"part": "xl/worksheets/sheet1.xml"},
        ),
        (build_workbook("<a>" * 100), "ROSTER_WORKBOOK_BROKEN", None),
        (build_workbook(f'<row a="{"x" * 3_000_000}"/>'), "ROSTER_WORKBOOK_BROKEN", None),
        (build_workbook(f"<row><c t='str'><v>{'x' * 100_001}</v></c></row>"), "ROSTER_WORKBOOK_TOO_LARGE", None),
        (build_workbook(f"<row>{'<c><v>1</v></c>' * 16_385}</row>"), "ROSTER_WORKBOOK_BROKEN", None),
        (build_archive({f"xl/{number}": b"" for number in range(4_097)}), "ROSTER_WORKBOOK_TOO_LARGE", {"part": "ZIP"}),
    ],
)
def test_what_cannot_be_read_is_named(content: bytes, reason: str, metadata: dict[str, str] | None) -> None:
    found, described = reason_of(content)
    assert found == reason
    assert metadata is None or described == metadata
