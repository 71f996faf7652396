"""Every field of 企業情報 that a roster has columns for reaches preview, search and letter (QUA-07)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.example_profile import PREFECTURE
from tests.support.full_message import list_unset
from tests.support.rosters import corporate_number
from tests.support.services.example_rosters import mapping, roster, roster_profile
from tests.support.services.qualification_registry import running_qualification_registry
from toroku.qualification.v1.bidder_pb2 import CompanyProfile

BIDDER = "1000000001"
NAME = "株式会社見本建設"
# The columns of a roster that has everything, with the key of the mapping and the values of two lists.
COLUMNS = {
    "商号": ("company_name", NAME, "株式会社見本土木"),
    "郵便番号": ("postal_code", "330-0001", "330-0002"),
    "所在地": ("address", "例示県一丁目", "例示県二丁目"),
    "代表者": ("representative_name", "見本　太郎", "見本　次郎"),
    "契約者": ("contract_party_name", "見本　三郎", "見本　四郎"),
    "役職": ("representative_title", "代表取締役", "さいたま支店長"),
    "電話番号": ("telephone", "048-000-0000", "048-000-0002"),
    "FAX番号": ("fax", "048-000-0001", "048-000-0003"),
    "部署名": ("department", "工事部", "営業部"),
    "支店名等": ("branch", "さいたま支店", "大宮支店"),
    "地域区分": ("region", "県内", "県外"),
    "入札参加許可番号": ("permit_number", "11-000001", "11-000002"),
    "法人番号": ("corporate_number", corporate_number(1), corporate_number(2)),
}


@pytest.mark.requirement("QUA-07")
async def test_every_column_of_a_roster_reaches_preview_search_and_letter(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    columns = {key: column for column, (key, *_) in COLUMNS.items()}
    full = mapping("full", **columns, bidder_id="業者番号", agencies=[PREFECTURE])
    header = ",".join(("業者番号", "等級", *COLUMNS))
    lists = [
        roster(",".join((BIDDER, grade, *(values[place] for _, *values in COLUMNS.values()))), header=header)
        for place, grade in enumerate("AB")
    ]
    dsn = migrated_database("qualification_registry")
    async with running_qualification_registry(dsn, tmp_path, roster_profile(roster_mappings=[full])) as registry:
        await registry.officer.import_roster(lists[0], "full")
        letter = (await registry.officer.issue(BIDDER))[BIDDER]
        company = (await registry.find(BIDDER, NAME, letter.password)).company
        assert list_unset(company) == list_unset(letter.company) == []
        preview = await registry.officer.preview(lists[1], "full")
        (line,) = (await registry.officer.list_lines(preview.import_id)).lines
    fields = {field.name for field in CompanyProfile.DESCRIPTOR.fields} - {"bidder_id", "grades"}
    assert {change.field for change in line.changes} == fields | {"grade"}
