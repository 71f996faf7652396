"""How the lines of two versions of a roster differ, and the file with the lines of one."""

import csv
from pathlib import Path

from operator_command.officer.version_lines import compare_lines, write_lines
from operator_command.speech import Language, Speech
from tests.support.example_profile import CITY, PREFECTURE, example_profile
from toroku.qualification.v1.bidder_pb2 import (
    LINE_KIND_CHANGED,
    LINE_KIND_GONE,
    LINE_KIND_GRADES_CHANGED,
    LINE_KIND_IDENTITY_CHANGED,
    LINE_KIND_NEW,
    CompanyProfile,
    Grade,
    RosterLine,
)


def line_of(number: int, version: int = 1, *, grade: str = "A", agencies: str = CITY, **values: str) -> RosterLine:
    grades = [Grade(kind="土木", grade=grade)]
    company = CompanyProfile(bidder_id=f"000000000{number}", name=f"見本{number}", grades=grades)
    for field, value in values.items():
        setattr(company, field, value)
    return RosterLine(company=company, agencies=agencies.split(), since_version=version, row=number + 1)


def test_every_difference_between_two_versions_has_its_kind() -> None:
    before = [line_of(1), line_of(2), line_of(3, fax="1"), line_of(4), line_of(6), line_of(7, agencies=CITY)]
    after = [
        line_of(1),
        line_of(2, 2, name="見本改め"),
        line_of(3, 2),
        line_of(4, 2, grade="B"),
        line_of(5, 2),
        # Brought again, with the same values.
        line_of(7, 2, agencies=CITY),
    ]
    differences = list(compare_lines(before, after))
    assert [(line.bidder_id[-1], line.kind, line.row) for line in differences] == [
        ("2", LINE_KIND_IDENTITY_CHANGED, 3),
        ("3", LINE_KIND_CHANGED, 4),
        ("4", LINE_KIND_GRADES_CHANGED, 5),
        ("5", LINE_KIND_NEW, 6),
        ("6", LINE_KIND_GONE, 0),
    ]
    (change,) = differences[2].changes
    assert (change.field, change.kind, change.before, change.after) == ("grade", "土木", "A", "B")
    assert list(compare_lines(after, after)) == []


def test_all_values_of_a_line_are_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "lines.csv"
    line = line_of(1, 3, address="例示県一丁目", telephone="03", agencies=f"{PREFECTURE} {CITY}")
    write_lines(file, [line], Speech(Language.JAPANESE, example_profile()))
    with file.open(encoding="utf-8-sig", newline="") as opened:
        (row,) = csv.DictReader(opened)
    assert {heading: value for heading, value in row.items() if value} == {
        "業者の番号": "'0000000001",
        "商号又は名称": "見本1",
        "住所": "例示県一丁目",
        "電話番号": "'03",
        "調達機関": "例示市、例示県",
        "等級": "土木：A",
        "いつの版から": "3",
        "行": "2",
    }
    assert file.stat().st_mode & 0o777 == 0o600
