"""What other services are told of bidders: where they are qualified, and every change of their status."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from qualification_registry.domain.bidders import BidderStatus
from qualification_registry.statuses import change_status
from refusals import Refusal
from tests.support.example_profile import CITY, GOODS, PREFECTURE, TOWN, WORKS
from tests.support.rosters import corporate_number
from tests.support.services.qualification_registry import (
    OTHER_WITHOUT_IDS,
    WITH_IDS,
    WITHOUT_IDS,
    QualificationHouse,
    mapping,
    qualification_house,
    roster,
    roster_profile,
    row,
)
from toroku.event.v1.version_pb2 import Version
from toroku.qualification.v1 import resources_pb2

BIDDER, OTHER = "1000000001", "1000000002"
QUEUES = "SELECT queue_name, args->'arguments' FROM procrastinate_jobs ORDER BY id"
ACTIVE, SUSPENDED = resources_pb2.BIDDER_STATUS_ACTIVE, resources_pb2.BIDDER_STATUS_SUSPENDED


@pytest.fixture
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[QualificationHouse]:
    async with qualification_house(migrated_database("qualification_registry"), tmp_path) as opened:
        yield opened


def told(bidder_id: str, status: resources_pb2.BidderStatus.ValueType, number: int) -> resources_pb2.Bidder:
    """A bidder as it is told."""
    return resources_pb2.Bidder(bidder_id=bidder_id, status=status, version=Version(epoch=1, number=number))


async def test_new_bidders_are_told_in_bulk_by_one_job(house: QualificationHouse) -> None:
    ids = [f"{1000000000 + number}" for number in range(12_000)]
    await house.officer.import_roster(roster(*(row(bidder_id) for bidder_id in ids)))
    assert await house.rows(QUEUES) == [("events", {"import_number": 1, "after": ""})]
    await house.tell()
    assert house.cards.calls["RecordBidders"] == 3
    assert house.cards.recorded_bidders == [told(bidder_id, ACTIVE, 1) for bidder_id in ids]


async def test_an_import_that_names_nobody_new_tells_nothing(house: QualificationHouse) -> None:
    await house.officer.import_roster(roster(row(BIDDER), row(OTHER)))
    await house.tell()
    house.cards.recorded_bidders.clear()
    await house.officer.import_roster(roster(row(BIDDER, address="例示県新住所")))
    assert await house.rows(QUEUES) == []
    await house.officer.import_roster(roster(row(BIDDER), row("1000000003")))
    await house.tell()
    assert house.cards.recorded_bidders == [told("1000000003", ACTIVE, 1)]


async def test_a_stop_goes_through_a_queue_of_its_own_with_the_next_version(house: QualificationHouse) -> None:
    await house.officer.import_roster(roster(row(BIDDER), row(OTHER)))
    await house.tell()
    house.cards.recorded_bidders.clear()
    await change_status(house.database, BIDDER, BidderStatus.SUSPENDED)
    assert await house.rows(QUEUES) == [("stop", {"bidder_ids": [BIDDER]})]
    await house.tell()
    await change_status(house.database, BIDDER, BidderStatus.ACTIVE)
    assert await house.rows(QUEUES) == [("events", {"bidder_ids": [BIDDER]})]
    await house.tell()
    assert house.cards.recorded_bidders == [told(BIDDER, SUSPENDED, 2), told(BIDDER, ACTIVE, 3)]


async def test_what_is_told_late_is_the_state_of_now(house: QualificationHouse) -> None:
    await house.officer.import_roster(roster(row(BIDDER)))
    await change_status(house.database, BIDDER, BidderStatus.SUSPENDED)
    await house.tell()
    assert house.cards.recorded_bidders == [told(BIDDER, SUSPENDED, 2)] * 2


async def test_the_same_status_again_is_no_change(house: QualificationHouse) -> None:
    await house.officer.import_roster(roster(row(BIDDER)))
    await house.tell()
    assert await change_status(house.database, BIDDER, BidderStatus.ACTIVE) is None
    with pytest.raises(Refusal, match="BIDDER_UNKNOWN"):
        await change_status(house.database, OTHER, BidderStatus.SUSPENDED)
    assert await house.rows(QUEUES) == []


@pytest.mark.requirement("SYN-01")
async def test_where_bidders_are_qualified_comes_from_all_rosters_of_the_category(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    listed = {
        "bidder_id": "業者番号",
        "agencies_column": "調達機関",
        "valid_from": "期間開始",
        "valid_until": "期間終了",
    }
    profile = roster_profile(
        roster_mappings=[
            mapping(WITH_IDS, **listed),
            mapping("town", bidder_id="業者番号", agencies=[TOWN]),
            mapping("goods", bidder_id="業者番号", category=GOODS, agencies=[CITY]),
        ]
    )
    async with qualification_house(migrated_database("qualification_registry"), tmp_path, profile) as house:
        await house.officer.import_roster(
            roster(
                row(BIDDER),
                row(OTHER, agencies="例示市"),
                row("1000000003", valid_until="2026-11-26"),
                row("1000000004", valid_from="2026-11-28"),
                row("1000000005"),
            )
        )
        await house.officer.import_roster(roster(row(BIDDER), row("1000000003")), "town")
        await house.officer.import_roster(roster(row(BIDDER)), "goods")
        await change_status(house.database, "1000000005", BidderStatus.ENDED)
        await change_status(house.database, OTHER, BidderStatus.SUSPENDED)
        ids = [BIDDER, OTHER, "1000000003", "1000000004", "1000000005", "1000009999", "x\x00"]
        assert await house.qualified(*ids) == {
            BIDDER: [CITY, PREFECTURE, TOWN],
            OTHER: [CITY],
            "1000000003": [TOWN],
            "1000000004": [],
            "1000000005": [],
            "1000009999": [],
            "x\x00": [],
        }
        assert await house.qualified(BIDDER, category=GOODS) == {BIDDER: [CITY]}
        assert await house.qualified() == {}
        with pytest.raises(Refusal, match="CATEGORY_UNKNOWN"):
            await house.qualified(BIDDER, category="potions")


async def test_an_agency_that_stopped_offering_the_category_is_left_out(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("qualification_registry")
    async with qualification_house(dsn, tmp_path) as house:
        await house.officer.import_roster(roster(row(BIDDER)))
    agencies = [
        agency.model_dump() | {"categories": [GOODS if agency.code == CITY else WORKS]}
        for agency in roster_profile().agencies
    ]
    async with qualification_house(dsn, tmp_path, roster_profile(agencies=agencies, roster_mappings=[])) as house:
        assert await house.qualified(BIDDER) == {BIDDER: [PREFECTURE]}


async def test_a_bidder_of_two_rosters_is_one_bidder(house: QualificationHouse) -> None:
    number = corporate_number(800_000_000_001)
    content = roster(row("", corporate_number=number))
    await house.officer.import_roster(content, WITHOUT_IDS)
    await house.officer.import_roster(content, OTHER_WITHOUT_IDS)
    await house.tell()
    assert house.cards.recorded_bidders == [told("9000000001", ACTIVE, 1)]
    # Going from one roster leaves it qualified by the other.
    await house.officer.import_roster(roster(row("", corporate_number=corporate_number(800_000_000_002))), WITHOUT_IDS)
    assert await house.qualified("9000000001") == {"9000000001": [CITY]}
