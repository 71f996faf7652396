"""What other services receive about bidders: where they are qualified, and every change of their status."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from qualification_registry.domain.bidders import BidderStatus
from refusals import Refusal
from tests.support.example_profile import CITY, GOODS, PREFECTURE, TOWN, WORKS
from tests.support.rosters import corporate_number
from tests.support.services.qualification_registry import (
    OTHER_WITHOUT_IDS,
    WITH_IDS,
    WITHOUT_IDS,
    RunningQualificationRegistry,
    mapping,
    roster,
    roster_profile,
    row,
    running_qualification_registry,
)
from toroku.event.v1.version_pb2 import Version
from toroku.qualification.v1 import bidder_pb2

BIDDER, OTHER = "1000000001", "1000000002"
QUEUES = "SELECT queue_name, args->'arguments' FROM procrastinate_jobs ORDER BY id"
ACTIVE, SUSPENDED = bidder_pb2.BIDDER_STATUS_ACTIVE, bidder_pb2.BIDDER_STATUS_SUSPENDED


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        yield running


def event(bidder_id: str, status: bidder_pb2.BidderStatus.ValueType, number: int) -> bidder_pb2.Bidder:
    """Returns the state of a bidder as an event carries it."""
    return bidder_pb2.Bidder(bidder_id=bidder_id, status=status, version=Version(epoch=1, number=number))


async def test_new_bidders_are_sent_in_bulk_by_one_job(registry: RunningQualificationRegistry) -> None:
    ids = [f"{1000000000 + number}" for number in range(12_000)]
    await registry.officer.import_roster(roster(*(row(bidder_id) for bidder_id in ids)))
    assert await registry.query(QUEUES) == [("imported_bidders", {"import_number": 1, "after": ""})]
    await registry.send_events()
    assert registry.certificate_registry.calls["RecordBidders"] == 3
    assert registry.certificate_registry.recorded_bidders == [event(bidder_id, ACTIVE, 1) for bidder_id in ids]


async def test_bidder_that_is_refused_comes_to_stand_alone(registry: RunningQualificationRegistry) -> None:
    ids = [f"{1000000000 + number}" for number in range(6_000)]
    registry.certificate_registry.refused_bidders = {ids[4_321]}
    await registry.officer.import_roster(roster(*(row(bidder_id) for bidder_id in ids)))
    with pytest.raises(Refusal, match="BIDDER_STATUS_UNKNOWN"):
        await registry.send_events()
    sent = {bidder.bidder_id for bidder in registry.certificate_registry.recorded_bidders}
    assert ids[4_321] not in sent
    assert set(ids[5_000:]) <= sent


async def test_import_without_new_bidders_sends_nothing(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(roster(row(BIDDER), row(OTHER)))
    await registry.send_events()
    registry.certificate_registry.recorded_bidders.clear()
    await registry.officer.import_roster(roster(row(BIDDER, address="例示県新住所")))
    assert await registry.query(QUEUES) == []
    await registry.officer.import_roster(roster(row(BIDDER), row("1000000003")))
    await registry.send_events()
    assert registry.certificate_registry.recorded_bidders == [event("1000000003", ACTIVE, 1)]


async def test_stop_uses_a_separate_queue_and_the_next_version(
    registry: RunningQualificationRegistry,
) -> None:
    await registry.officer.import_roster(roster(row(BIDDER), row(OTHER)))
    await registry.send_events()
    registry.certificate_registry.recorded_bidders.clear()
    await registry.bidder_status.change(BIDDER, BidderStatus.SUSPENDED)
    assert await registry.query(QUEUES) == [("stopped_bidders", {"bidder_ids": [BIDDER]})]
    await registry.send_events()
    await registry.bidder_status.change(BIDDER, BidderStatus.ACTIVE)
    assert await registry.query(QUEUES) == [("bidders", {"bidder_ids": [BIDDER]})]
    await registry.send_events()
    assert registry.certificate_registry.recorded_bidders == [event(BIDDER, SUSPENDED, 2), event(BIDDER, ACTIVE, 3)]


async def test_late_event_carries_the_current_event(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(roster(row(BIDDER)))
    await registry.bidder_status.change(BIDDER, BidderStatus.SUSPENDED)
    await registry.send_events()
    assert registry.certificate_registry.recorded_bidders == [event(BIDDER, SUSPENDED, 2)] * 2


async def test_same_status_again_is_no_change(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(roster(row(BIDDER)))
    await registry.send_events()
    assert await registry.bidder_status.change(BIDDER, BidderStatus.ACTIVE) is None
    with pytest.raises(Refusal, match="BIDDER_UNKNOWN"):
        await registry.bidder_status.change(OTHER, BidderStatus.SUSPENDED)
    assert await registry.query(QUEUES) == []


@pytest.mark.every_postgresql
@pytest.mark.requirement("SYN-01")
async def test_qualified_agencies_come_from_all_rosters_of_the_category(
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
    async with running_qualification_registry(
        migrated_database("qualification_registry"), tmp_path, profile
    ) as registry:
        await registry.officer.import_roster(
            roster(
                row(BIDDER),
                row(OTHER, agencies="例示市"),
                row("1000000003", valid_until="2026-11-26"),
                row("1000000004", valid_from="2026-11-28"),
                row("1000000005"),
            )
        )
        await registry.officer.import_roster(roster(row(BIDDER), row("1000000003")), "town")
        await registry.officer.import_roster(roster(row(BIDDER)), "goods")
        await registry.bidder_status.change("1000000005", BidderStatus.ENDED)
        await registry.bidder_status.change(OTHER, BidderStatus.SUSPENDED)
        ids = [BIDDER, OTHER, "1000000003", "1000000004", "1000000005", "1000009999", "x\x00"]
        assert await registry.list_agencies(*ids) == {
            BIDDER: [CITY, PREFECTURE, TOWN],
            OTHER: [CITY],
            "1000000003": [TOWN],
            "1000000004": [],
            "1000000005": [],
            "1000009999": [],
            "x\x00": [],
        }
        assert await registry.list_agencies(BIDDER, category=GOODS) == {BIDDER: [CITY]}
        assert await registry.list_agencies() == {}
        with pytest.raises(Refusal, match="CATEGORY_UNKNOWN"):
            await registry.list_agencies(BIDDER, category="potions")


async def test_agency_that_stopped_offering_the_category_is_left_out(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("qualification_registry")
    async with running_qualification_registry(dsn, tmp_path) as registry:
        await registry.officer.import_roster(roster(row(BIDDER)))
    agencies = [
        agency.model_dump() | {"categories": [GOODS if agency.code == CITY else WORKS]}
        for agency in roster_profile().agencies
    ]
    async with running_qualification_registry(
        dsn, tmp_path, roster_profile(agencies=agencies, roster_mappings=[])
    ) as registry:
        assert await registry.list_agencies(BIDDER) == {BIDDER: [PREFECTURE]}


async def test_bidder_in_two_rosters_is_one_bidder(registry: RunningQualificationRegistry) -> None:
    number = corporate_number(800_000_000_001)
    content = roster(row("", corporate_number=number))
    await registry.officer.import_roster(content, WITHOUT_IDS)
    await registry.officer.import_roster(content, OTHER_WITHOUT_IDS)
    await registry.send_events()
    assert registry.certificate_registry.recorded_bidders == [event("9000000001", ACTIVE, 1)]
    # Leaving one roster, it remains qualified by the other.
    await registry.officer.import_roster(
        roster(row("", "株式会社例示土木", corporate_number=corporate_number(800_000_000_002))), WITHOUT_IDS
    )
    assert await registry.list_agencies("9000000001") == {"9000000001": [CITY]}
