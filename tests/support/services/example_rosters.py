"""Rosters of tests: the mappings of a profile, and files for them."""

from typing import Any

from instance_profile.model import Profile
from tests.support.example_profile import CITY, PREFECTURE, WORKS, example_profile
from tests.support.services.roster_officer import WITH_IDS

# The columns of the example mappings.
HEADER = "業者番号,法人番号,商号,所在地,代表者,電話番号,等級,調達機関,期間開始,期間終了"
# The same file in another encoding.
WITH_IDS_CP932 = "with-ids-cp932"
# Has no bidder ids: the registry assigns them, by 法人番号.
WITHOUT_IDS = "without-ids"
# Another roster without bidder ids.
OTHER_WITHOUT_IDS = "other-without-ids"


def mapping(name: str, **changes: Any) -> dict[str, Any]:
    """Returns a roster mapping of the example columns in the form of a profile."""
    return {
        "name": name,
        "roster": name,
        "title": {"ja": name, "en": name},
        "responsible_agency": PREFECTURE,
        "category": WORKS,
        "encoding": "utf-8",
        "corporate_number": "法人番号",
        "company_name": "商号",
        "address": "所在地",
        "representative_name": "代表者",
        "telephone": "電話番号",
        "grades": [{"kind": "土木", "column": "等級"}],
        **changes,
    }


def roster_profile(**changes: Any) -> Profile:
    """Returns the example profile with rosters that have bidder ids and agencies in each line, and without either."""
    listed = {
        "bidder_id": "業者番号",
        "agencies_column": "調達機関",
        "valid_from": "期間開始",
        "valid_until": "期間終了",
    }
    mappings = [
        mapping(WITH_IDS, **listed, most_bytes=4 * 1024 * 1024),
        mapping(WITH_IDS_CP932, **listed, roster=WITH_IDS, encoding="cp932"),
        mapping(WITHOUT_IDS, agencies=[PREFECTURE, CITY]),
        mapping(OTHER_WITHOUT_IDS, agencies=[CITY]),
    ]
    label = {"ja": "業者番号", "en": "bidder number"}
    bidder_id = {"label": label, "pattern": "[0-9]{10}", "assigned_prefix": "90", "assigned_length": 10}
    return example_profile(**({"bidder_id": bidder_id, "roster_mappings": mappings} | changes))


def row(
    bidder_id: str = "1000000001",
    name: str = "株式会社見本建設",
    *,
    corporate_number: str = "",
    address: str = "例示県例示市一丁目",
    representative: str = "見本　太郎",
    telephone: str = "03-0000-0000",
    grade: str = "A",
    agencies: str = "例示県、例示市",
    valid_from: str = "2025-04-01",
    valid_until: str = "2027-03-31",
) -> str:
    """Returns a line of the example file."""
    cells = (bidder_id, corporate_number, name, address, representative, telephone, grade, agencies)
    return ",".join((*cells, valid_from, valid_until))


def roster(*rows: str, header: str = HEADER, encoding: str = "utf-8") -> bytes:
    """Returns a complete example file."""
    return "".join(f"{line}\r\n" for line in (header, *rows)).encode(encoding)
