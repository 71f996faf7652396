"""CSV files for spreadsheets: no cell is computed or changed by one, and what was written is read again."""

import csv
import io
from pathlib import Path

import pytest

from operator_command.officer.private_files import open_private_file
from operator_command.officer.spreadsheet import protect_cell, read_table, restore_cell, write_table
from refusals import Refusal

HEADINGS = ("行 row", "名称 name")


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+81-3-0000-0000", "-1", "@SUM(A1)", "＝1+1", "＋1", "－1", "＠A", "−1", "\t=1", "\r=1", " =1"),
        *('=cmd|"/c calc"!A0', "'=1", "'", "0012345678", "3710000000000", "1-2", "4/1", "1E5"),
    ],
)
def test_cell_that_a_spreadsheet_would_compute_or_change_is_marked(text: str) -> None:
    assert protect_cell(text) == f"'{text}"
    assert restore_cell(protect_cell(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "株式会社見本", "1000000001", "048-000-0000", "330-0001", "2026-04-01", "A-1", "見本=例示", "0", "A", "new"],
)
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert protect_cell(text) == text
    assert restore_cell(text) == text


def test_file_has_a_byte_order_mark_and_is_its_owners_only(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    write_table(file, HEADINGS, [("2", '㈱髙橋"甲",\r\n乙'), ("3", "=1+1")])
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    assert file.stat().st_mode & 0o777 == 0o600
    rows = list(csv.reader(io.StringIO(file.read_text("utf-8-sig"), newline="")))
    assert rows == [list(HEADINGS), ["2", '㈱髙橋"甲",\n乙'], ["3", "'=1+1"]]
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_saved_file_is_read_in_any_order_of_columns(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text("名称 name,メモ,行 row\n\n'0012,x,2\n,,\n見本,,3\n", encoding)
    assert list(read_table(file, [HEADINGS])) == [(3, ["2", "0012"]), (5, ["3", "見本"])]


@pytest.mark.parametrize(
    ("content", "row"),
    [(b"", "1"), ("行 row\n".encode(), "1"), ("行 row,名称 name\n2\n".encode(), "2"), (b"\xff\xfe\0a", "1")],
)
def test_other_file_is_refused(tmp_path: Path, content: bytes, row: str) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(content)
    with pytest.raises(Refusal, match="TABLE_WRONG") as refused:
        list(read_table(file, [HEADINGS]))
    assert refused.value.metadata["row"] == row


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="TABLE_UNREADABLE"):
        list(read_table(tmp_path / "nothing.csv", HEADINGS))


def test_failure_leaves_the_former_file(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("former")
    with pytest.raises(TypeError), open_private_file(file) as stream:
        stream.write("half")  # type: ignore[call-overload]  # what fails while a file is written
    assert file.read_text() == "former"
    assert list(tmp_path.iterdir()) == [file]


def test_folder_that_is_missing_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="OUTPUT_NOT_WRITTEN"):
        write_table(tmp_path / "nowhere" / "list.csv", HEADINGS, [])
