"""The files of `toroku roster import`: all changes of a preview, and undecided rows with the officer's decisions."""

import csv
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from instance_profile import load_profile
from tests.support.running_instance import PROFILE
from tests.unit.operator_command.desk import Desk, open_desk
from toroku.qualification.v1.bidder_pb2 import (
    LINE_KIND_CHANGED,
    LINE_KIND_GONE,
    LINE_KIND_IDENTITY_CHANGED,
    LINE_KIND_NEW,
    FieldChange,
    LineKind,
    PreviewLine,
    UndecidedRow,
)

MOVED = 2600


@pytest.fixture
async def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, monkeypatch, capsys) as desk:
        desk.registry.preview.new = 1
        add_line(
            desk, LINE_KIND_NEW, "", FieldChange(field="name", after="新"), FieldChange(field="address", after="甲")
        )
        for number in range(MOVED):
            address = FieldChange(field="address", before="旧一丁目", after=f"新{number}丁目")
            add_line(desk, LINE_KIND_IDENTITY_CHANGED, f"{number:010}", address)
        agencies = FieldChange(field="agencies", before="saitama-prefecture", after="saitama-prefecture kawagoe-city")
        grade = FieldChange(field="grade", kind="土木", before="A", after="=HYPERLINK(1)")
        add_line(desk, LINE_KIND_CHANGED, "1000000001", agencies, grade)
        add_line(desk, LINE_KIND_GONE, "1000000002", FieldChange(field="telephone", before="03"))
        counts = {kind: 1 for kind in (LINE_KIND_NEW, LINE_KIND_CHANGED, LINE_KIND_GONE)}
        for kind, count in (counts | {LINE_KIND_IDENTITY_CHANGED: MOVED}).items():
            desk.registry.preview.counts.add(kind=kind, count=count)
        desk.registry.undecided = [
            UndecidedRow(row=row, name=f"企業体{row}", suggested_bidder_id="9000000001" if row == 2 else "")
            for row in range(2, 1002)
        ]
        desk.registry.preview.undecided.extend(desk.registry.undecided[:200])
        desk.registry.preview.undecided_row_count = 1000
        yield desk


def add_line(desk: Desk, kind: LineKind.ValueType, bidder_id: str, *changes: FieldChange) -> None:
    row = 0 if kind == LINE_KIND_GONE else 5
    line = PreviewLine(kind=kind, bidder_id=bidder_id, name="見本", row=row, changes=changes)
    desk.registry.lines.append(line)


def read(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.reader(opened))


async def test_all_changes_are_written_into_a_file(desk: Desk) -> None:
    file = desk.folder / "changes.csv"
    result = await desk.import_roster("--preview-only", "--write", str(file), "--profile", str(PROFILE))
    assert (result.status, result.err) == (0, "")
    assert f"ほかに{MOVED - 10:,}件" in result.out
    assert str(file) in result.out
    header, new, *moved, agencies, grade, gone = read(file)
    assert header[0] == "種別"
    assert new == ["新規の業者", "", "見本", "5", "住所", "", "甲"]
    assert len(moved) == MOVED
    assert moved[1][1:] == ["'0000000001", "見本", "5", "住所", "旧一丁目", "新1丁目"]
    names = {agency.code: agency.name.ja for agency in load_profile(PROFILE).agencies}
    assert agencies[5:] == [names["saitama-prefecture"], f"{names['saitama-prefecture']}、{names['kawagoe-city']}"]
    assert names["kawagoe-city"] in result.out
    assert grade[4:] == ["等級（土木）", "A", "'=HYPERLINK(1)"]
    assert gone == ["名簿から外れる業者", "1000000002", "見本", "", "住所", "", ""]
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_thousand_undecided_rows_are_decided_in_a_file(desk: Desk) -> None:
    file = desk.folder / "undecided.csv"
    shown = await desk.import_roster("--preview-only")
    assert "--write changes.csv" in shown.out
    assert "--write-undecided undecided.csv" in shown.out
    assert (await desk.import_roster("--preview-only", "--write-undecided", str(file))).status == 0
    header, *rows = read(file)
    assert [row[0] for row in rows] == [str(row) for row in range(2, 1002)]

    for row in rows[:-1]:
        row[-1] = row[-2]
    with file.open("w", encoding="cp932", newline="") as opened:
        csv.writer(opened).writerows([header, *rows])
    refused = await desk.import_roster("--yes", "--decisions", str(file))
    assert (refused.status, "1001" in refused.err) == (1, True)
    assert not desk.registry.commits
    decided = await desk.import_roster("--yes", "--decisions", str(file), "--decide", "1001=1000000009")
    assert (decided.status, decided.err) == (0, "")
    decisions = {decision.row: decision.bidder_id for decision in desk.registry.commits[0].decisions}
    assert decisions == dict.fromkeys(range(2, 1002), "") | {2: "9000000001", 1001: "1000000009"}


@pytest.mark.parametrize("option", ["--write", "--write-undecided"])
async def test_existing_file_is_overwritten_only_with_the_option(desk: Desk, option: str) -> None:
    file = desk.folder / "former.csv"
    file.write_text("former")
    refused = await desk.import_roster("--yes", option, str(file))
    assert refused.status == 1
    assert str(file) in refused.err
    assert file.read_text() == "former"
    # Before the upload.
    assert desk.registry.header is None
    assert (await desk.import_roster("--preview-only", option, str(file), "--force")).status == 0
    assert len(read(file)) > 1000


async def test_file_that_cannot_be_written_prevents_the_import(desk: Desk) -> None:
    refused = await desk.import_roster(
        "--yes", "--accept-suggestions", "--write", str(desk.folder / "nowhere" / "changes.csv")
    )
    assert refused.status == 1
    assert "changes.csv" in refused.err
    assert not desk.registry.commits
