"""Roster files are imported as agencies have them: workbooks, rows for each trade, days of eras, full-width numbers."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from instance_profile.field_rules import check_contact
from instance_profile.roster_mapping import RosterMapping
from refusals import Refusal
from tests.support.services.example_rosters import HEADER, WITH_IDS_CP932, mapping, roster, roster_profile, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.services.roster_officer import WITH_IDS
from tests.support.workbooks import build_archive, write_workbook

TRADES = "trades"
TELEPHONES = "048-000-0001", "０４８－０００－０００１"


def build_trades() -> RosterMapping:
    content: dict[str, Any] = mapping(TRADES, bidder_id="業者コード", agencies_column="希望先") | {
        "corporate_number": None,
        "representative_name": None,
        "grades": [],
        "address": ["所在地１", "所在地２"],
        "valid_until": "有効期限",
        "digits": {"bidder_id": 10},
        "optional_columns": ["有効期限"],
        "joined_rows": {"kind": "業種", "kinds": {"土": "土木", "建": "建築"}, "grade": "等級"},
    }
    return RosterMapping.model_validate(content)


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    profile = roster_profile()
    profile = profile.model_copy(update={"roster_mappings": (*profile.roster_mappings, build_trades())})
    database = migrated_database("qualification_registry")
    async with running_qualification_registry(database, tmp_path, profile) as running:
        yield running


@pytest.mark.requirement("QUA-12")
async def test_workbook_and_csv_file_of_a_roster_are_the_same_list(registry: RunningQualificationRegistry) -> None:
    rows = [row(f"{1000000000 + number}", telephone="０３－００００－０００１") for number in range(1_200)]
    workbook = write_workbook([["有資格者名簿"], HEADER.split(","), *(line.split(",") for line in rows)])
    commit = await registry.officer.import_roster(workbook)
    assert (commit.new, commit.unchanged) == (1_200, 0)
    preview = await registry.officer.preview(roster(*rows, encoding="cp932"), WITH_IDS_CP932)
    assert (preview.rows, preview.unchanged, preview.changed, preview.new) == (1_200, 1_200, 0, 0)


@pytest.mark.requirement("QUA-12")
async def test_rows_for_each_trade_make_one_bidder_that_is_found(registry: RunningQualificationRegistry) -> None:
    header = "業者コード,商号,所在地１,所在地２,電話番号,希望先,業種,等級"
    rows = [
        "12345,株式会社見本建設,例示市１－２,見本ビル,０４８－０００－０００１,例示県,土,A",
        "12345,株式会社見本建設,例示市１－２,見本ビル,０４８－０００－０００１,例示市,建,",
        "12346,有限会社例示工務店,例示市３,,048-000-0002,例示市,土,B",
    ]
    commit = await registry.officer.import_roster(roster(*rows, header=header), TRADES)
    assert commit.new == 2
    letters = await registry.officer.issue("0000012345")
    company = (await registry.find("0000012345", password=letters["0000012345"].password)).company
    assert (company.name, company.address, company.telephone) == (
        "株式会社見本建設",
        "例示市１－２見本ビル",
        "048-000-0001",
    )
    assert [(grade.kind, grade.grade) for grade in company.grades] == [("土木", "A"), ("建築", "○")]
    # A form takes over the number as it is shown, and refuses the file's own characters.
    category = registry.profile.categories[0]
    entered = {number: check_contact(category, {"telephone": number}, path="form") for number in TELEPHONES}
    assert company.telephone == TELEPHONES[0]
    refused = {number: [violation.field for violation in found] for number, found in entered.items()}
    assert ["form.telephone" in fields for fields in refused.values()] == [False, True]
    # A later list has a column more, with days of the era.
    later = [f"{line},令和9年3月31日" for line in rows]
    preview = await registry.officer.preview(roster(*later, header=f"{header},有効期限"), TRADES)
    assert (preview.rows, preview.changed, preview.gone) == (2, 2, 0)


@pytest.mark.requirement("QUA-12")
async def test_file_that_cannot_be_read_is_named(registry: RunningQualificationRegistry) -> None:
    without_workbook = build_archive({"[Content_Types].xml": "<Types/>", "xl/worksheets/sheet1.xml": "<worksheet/>"})
    for content, reason, metadata in (
        (without_workbook, "ROSTER_WORKBOOK_BROKEN", {"part": "xl/workbook.xml"}),
        (b"%PDF-1.7\n", "ROSTER_FORMAT_WRONG", {"format": "PDF"}),
        (
            roster(row(), encoding="cp932"),
            "ROSTER_ENCODING_WRONG",
            {"expected": "UTF-8", "looks_like": "CP932 (Shift_JIS)", "line": "1", "bytes": "8B"},
        ),
        (roster(row()) + b"\xff\xfe\n", "ROSTER_BYTES_WRONG", {"expected": "UTF-8", "line": "3", "bytes": "FF"}),
        (
            write_workbook([["会社一覧"], ["番号", "会社"]]),
            "ROSTER_COLUMNS_MISSING",
            {
                "columns": "業者番号、法人番号、商号、所在地、代表者、電話番号、等級、調達機関、期間開始、期間終了",
                "row": "1",
                "others": "会社一覧",
            },
        ),
    ):
        with pytest.raises(Refusal) as caught:
            await registry.officer.preview(content, WITH_IDS)
        assert (caught.value.reason, caught.value.metadata) == (reason, metadata)
    computed = write_workbook([HEADER.split(","), [*row().split(",")[:-1], "=TODAY()"]])
    preview = await registry.officer.preview(computed)
    assert [(error.row, error.column, error.reason) for error in preview.errors] == [
        (2, "期間終了", "ROSTER_CELL_NOT_COMPUTED")
    ]
