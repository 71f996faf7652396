"""Every wrong roster file is refused with a specific reason, by row and column, whatever its bytes are (QUA-12)."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qualification_registry.domain.roster_records import BLOCK_ROWS
from refusals import Refusal
from refusals.catalogue import catalogue
from tests.support.services.example_rosters import HEADER, WITH_IDS_CP932, WITHOUT_IDS, roster, row
from tests.support.services.roster_officer import WITH_IDS
from tests.unit.qualification_registry.reading import read

ID, NAME, ADDRESS, AGENCIES = "業者番号", "商号", "所在地", "調達機関"
GOOD = row("1000000001")
# What files of Office 97 to 2003, and documents with a password, begin with.
OLE = bytes.fromhex("d0cf11e0a1b11ae1")


@pytest.mark.parametrize(
    ("content", "mapping_name", "reason", "metadata"),
    [
        (b"", WITH_IDS, "ROSTER_EMPTY", {}),
        (b"\r\n\r\n", WITH_IDS, "ROSTER_EMPTY", {}),
        (roster(), WITH_IDS, "ROSTER_EMPTY", {}),
        (roster("", ""), WITH_IDS, "ROSTER_EMPTY", {}),
        (
            roster(GOOD, row("1000000002"), encoding="cp932"),
            WITH_IDS,
            "ROSTER_ENCODING_WRONG",
            {"expected": "UTF-8", "looks_like": "CP932 (Shift_JIS)", "line": "1", "bytes": "8B"},
        ),
        (
            roster(GOOD) + row("1000000002").encode("euc_jp") + b"\r\n" + GOOD.encode(),
            WITH_IDS,
            "ROSTER_BYTES_WRONG",
            {"expected": "UTF-8", "bytes": "B3", "line": "3"},
        ),
        (
            roster(GOOD),
            WITH_IDS_CP932,
            "ROSTER_ENCODING_WRONG",
            {"expected": "CP932 (Shift_JIS)", "looks_like": "UTF-8", "line": "1", "bytes": "85"},
        ),
        (
            b"\xef\xbb\xbf" + roster(GOOD),
            WITH_IDS_CP932,
            "ROSTER_ENCODING_WRONG",
            {"expected": "CP932 (Shift_JIS)", "looks_like": "UTF-8", "line": "1"},
        ),
        (
            roster(GOOD, encoding="utf-16"),
            WITH_IDS,
            "ROSTER_ENCODING_WRONG",
            {"expected": "UTF-8", "looks_like": "UTF-16", "line": "1", "bytes": "FF"},
        ),
        (
            roster(GOOD, header=HEADER.replace(NAME, "氏名")),
            WITH_IDS,
            "ROSTER_COLUMNS_MISSING",
            {"columns": NAME, "row": "1"},
        ),
        (
            roster(GOOD, header=HEADER.replace("代表者", NAME)),
            WITHOUT_IDS,
            "ROSTER_COLUMNS_MISSING",
            {"columns": "代表者"},
        ),
        (roster(GOOD, header=HEADER.replace("期間終了", NAME)), WITHOUT_IDS, "ROSTER_COLUMNS_TWICE", {"columns": NAME}),
        (
            roster(GOOD, encoding="euc_jp"),
            WITH_IDS_CP932,
            "ROSTER_ENCODING_WRONG",
            {"expected": "CP932 (Shift_JIS)", "looks_like": "EUC-JP"},
        ),
        (
            roster(GOOD, encoding="iso2022_jp"),
            WITH_IDS,
            "ROSTER_ENCODING_WRONG",
            {"looks_like": "ISO-2022-JP", "bytes": "1B 24 42"},
        ),
        (b"\x89PNG\r\n\x1a\n\x00\x00", WITH_IDS, "ROSTER_FORMAT_WRONG", {"format": "PNG"}),
        (b"%PDF-1.7\n", WITH_IDS, "ROSTER_FORMAT_WRONG", {"format": "PDF"}),
        (b"PK\x05\x06" + bytes(18), WITH_IDS, "ROSTER_FORMAT_WRONG", {"format": "ZIP"}),
        (b"\r\n<html><table>", WITH_IDS, "ROSTER_FORMAT_WRONG", {"format": "HTML"}),
        (OLE + "Workbook".encode("utf-16-le"), WITH_IDS, "ROSTER_FORMAT_WRONG", {"format": "Excel 97-2003 (.xls)"}),
        (OLE + "EncryptedPackage".encode("utf-16-le"), WITH_IDS, "ROSTER_WORKBOOK_LOCKED", {}),
    ],
)
def test_file_wrong_as_a_whole_is_refused(
    content: bytes, mapping_name: str, reason: str, metadata: dict[str, str]
) -> None:
    with pytest.raises(Refusal) as caught:
        read(content, mapping_name)
    assert caught.value.reason == reason
    assert metadata.items() <= caught.value.metadata.items()


@pytest.mark.parametrize(
    ("content", "errors"),
    [
        # Half a line, truncated within a cell, within quotes, within a character.
        (roster(GOOD) + row("1000000002").encode()[:40], [(3, "", "ROSTER_CUT_SHORT")]),
        (roster(GOOD) + b'1000000002,,"' + NAME.encode(), [(3, "", "ROSTER_QUOTE_OPEN")]),
        (roster(GOOD) + row("1000000002").encode()[:34], [(3, "", "ROSTER_CUT_SHORT")]),
        (roster(GOOD) + "1000000002,,例".encode()[:-1] + b"\n", []),
        (roster(GOOD, "1000000002,,例示"), [(3, "", "ROSTER_ROW_LENGTH")]),
        (roster(GOOD + ",", row("1000000002")), [(2, "", "ROSTER_ROW_LENGTH")]),
        (roster(GOOD, '1000000002,"例"示'), [(3, "", "ROSTER_QUOTES_WRONG")]),
        (roster(GOOD, '1000000002,"' + "例" * 200_000), [(3, "", "ROSTER_CELL_TOO_LONG")]),
        # One bidder twice; the row is the record, whatever lines it takes.
        (roster(row(address='"一\r\n\r\n二"'), "", GOOD), [(4, ID, "ROSTER_BIDDER_TWICE")]),
        (roster(GOOD) + b'1000000002,"a"b,\r\nc', [(3, "", "ROSTER_QUOTES_WRONG")]),
        # The last cell may be empty, but not where the file may have been truncated right before it.
        (roster(GOOD) + row("1000000002", valid_until="").encode(), [(3, "", "ROSTER_CUT_SHORT")]),
        # Cells.
        (roster(row("")), [(2, ID, "FIELD_REQUIRED")]),
        (roster(row("　")), [(2, ID, "FIELD_REQUIRED")]),
        (roster(row("100000001")), [(2, ID, "ROSTER_BIDDER_ID_SHORT")]),
        (roster(row("10000000011")), [(2, ID, "ROSTER_BIDDER_ID_WRONG")]),
        (roster(row("1000000001 ")), [(2, ID, "ROSTER_BIDDER_ID_WRONG")]),
        (roster(row("一〇〇〇〇〇〇〇〇一")), [(2, ID, "FIELD_NOT_HALF_WIDTH")]),
        (roster(row(name=" ")), [(2, NAME, "FIELD_REQUIRED")]),
        (roster(row(name="例" * 101)), [(2, NAME, "FIELD_TOO_LONG")]),
        (roster(row(name="見本\t建設")), [(2, NAME, "FIELD_HAS_CONTROL_CHARACTERS")]),
        (roster(row(name='"見本\n建設"')), [(2, NAME, "FIELD_HAS_CONTROL_CHARACTERS")]),
        (roster(row(name="見本\ue000建設")), [(2, NAME, "FIELD_HAS_CONTROL_CHARACTERS")]),
        (roster(row(name="見本\u200b建設")), [(2, NAME, "FIELD_HAS_CONTROL_CHARACTERS")]),
        (roster(row(name="見本\u3164建設")), [(2, NAME, "FIELD_HAS_CONTROL_CHARACTERS")]),
        (roster(row(address="一\x00丁目")), [(2, ADDRESS, "FIELD_HAS_CONTROL_CHARACTERS")]),
        (roster(row(address="一\x1b丁目")), [(2, ADDRESS, "FIELD_HAS_CONTROL_CHARACTERS")]),
        (roster(row(telephone="０３-0000-0000（代）")), [(2, "電話番号", "FIELD_NOT_HALF_WIDTH")]),
        (roster(row(telephone="0" * 41)), [(2, "電話番号", "FIELD_TOO_LONG")]),
        (roster(row(grade="A" * 41)), [(2, "等級", "FIELD_TOO_LONG")]),
        (roster(row(agencies="")), [(2, AGENCIES, "FIELD_REQUIRED")]),
        (roster(row(agencies="例示県、別の県")), [(2, AGENCIES, "ROSTER_AGENCY_UNKNOWN")]),
        (roster(row(valid_from="2025-02-29")), [(2, "期間開始", "ROSTER_DATE_WRONG")]),
        (roster(row(valid_until="令和9年2月29日")), [(2, "期間終了", "ROSTER_DATE_WRONG")]),
        (roster(row(valid_from="2027-04-01")), [(2, "期間終了", "ROSTER_DATES_REVERSED")]),
        # Several, in the order of the file; good rows between them.
        (
            roster(row("1"), GOOD, row("1000000003", name=""), row("1000000004", telephone="あ", agencies="x")),
            [
                (2, ID, "ROSTER_BIDDER_ID_SHORT"),
                (4, NAME, "FIELD_REQUIRED"),
                (5, AGENCIES, "ROSTER_AGENCY_UNKNOWN"),
                (5, "電話番号", "FIELD_NOT_HALF_WIDTH"),
            ],
        ),
    ],
)
def test_errors_are_reported_by_row_and_column(content: bytes, errors: list[tuple[int, str, str]]) -> None:
    if not errors:
        with pytest.raises(Refusal, match="ROSTER_BYTES_WRONG"):
            read(content)
        return
    result = read(content)
    reported = [(error.row, error.column, error.reason) for error in result.errors.first]
    assert sorted(reported) == sorted(errors)
    assert result.errors.count == len(errors)
    assert {reason for _, _, reason in reported} <= set(catalogue())


def test_row_numbers_continue_across_blocks_and_empty_lines() -> None:
    lines = [row(f"{1000000000 + number}") for number in range(3 * BLOCK_ROWS)]
    lines.insert(BLOCK_ROWS + 7, "")
    result = read(roster(*lines))
    numbers = [number for block in result.lines for number in block.numbers]
    assert len(numbers) == 3 * BLOCK_ROWS
    assert numbers[0] == 2
    assert [one for one, other in pairwise(numbers) if other != one + 1] == [BLOCK_ROWS + 7 + 1]


FRAGMENTS = st.sampled_from(
    [
        HEADER,
        GOOD,
        row("1000000002"),
        '"',
        ",",
        "\r",
        "\n",
        "\r\n",
        "\x00",
        "\\",
        "\ufeff",
        "髙",
        "例示県",
        "\x1b",
        "\t",
        "𠮷",
    ]
)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=400), st.sampled_from([WITH_IDS, WITH_IDS_CP932, WITHOUT_IDS]))
def test_any_bytes_are_read_or_refused(content: bytes, mapping_name: str) -> None:
    for whole in (content, roster(GOOD) + content):
        with suppress(Refusal):
            read(whole, mapping_name)


@settings(deadline=None, max_examples=300)
@given(st.lists(FRAGMENTS, max_size=12).map("".join), st.sampled_from(["utf-8", "cp932"]), st.integers(0, 3))
def test_any_mixture_of_fragments_is_read_or_refused(text: str, encoding: str, cut: int) -> None:
    content = roster(GOOD, encoding=encoding) + text.encode(encoding, "ignore")
    with suppress(Refusal):
        result = read(content[: len(content) - cut], WITH_IDS_CP932 if encoding == "cp932" else WITH_IDS)
        # The lines can be split into their values again.
        width = {line.count("\t") for block in result.lines for line in block.lines}
        assert len(width) <= 1
        assert all("\n" not in line for block in result.lines for line in block.lines)


def test_file_truncated_within_a_line_is_refused() -> None:
    first, both = roster(GOOD), roster(GOOD, row("1000000002"))
    after_whole_lines = {len(content.removesuffix(end)) for content in (first, both) for end in (b"", b"\n", b"\r\n")}
    for length in range(len(first), len(both)):
        assert read(both[:length]).errors.count or length in after_whole_lines
    for length in range(len(roster()) + 1):
        with pytest.raises(Refusal, match=r"ROSTER_(EMPTY|COLUMNS_MISSING|ENCODING_WRONG)"):
            read(first[:length])
