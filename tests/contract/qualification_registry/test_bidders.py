"""What other services receive about bidders: where they are qualified, and every change of their status."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from instance_profile.japan_time import JAPAN
from qualification_registry.domain.bidders import BidderStatus
from qualification_registry.operations.bidder_events import enqueue_states
from refusals import Refusal
from servicekit.messages import write_timestamp
from tests.support.example_profile import CITY, GOODS, PREFECTURE, TOWN, WORKS
from tests.support.rosters import corporate_number
from tests.support.services.example_rosters import OTHER_WITHOUT_IDS, WITHOUT_IDS, mapping, roster, roster_profile, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.services.roster_officer import WITH_IDS
from toroku.event.v1.version_pb2 import Version
from toroku.qualification.v1 import bidder_state_pb2

BIDDER, OTHER = "1000000001", "1000000002"
QUEUES = (
    "SELECT queue_name, args->'arguments' FROM procrastinate_jobs WHERE task_name = 'send_bidder_states' ORDER BY id"
)
ACTIVE, SUSPENDED = bidder_state_pb2.BIDDER_STATUS_ACTIVE, bidder_state_pb2.BIDDER_STATUS_SUSPENDED
ENDED = bidder_state_pb2.BIDDER_STATUS_ENDED
CONSUMERS = {"certificate-registry": "certificate_registry", "agency-sync": "agency_sync"}


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        yield running


def event(
    bidder_id: str,
    status: bidder_state_pb2.BidderStatus.ValueType,
    number: int,
    suspended_agencies: Sequence[str] = (),
    *,
    agencies: Sequence[str] = (CITY, PREFECTURE),
) -> bidder_state_pb2.BidderState:
    """Returns the state of a bidder, which is qualified at these agencies, as an event carries it."""
    listed = bidder_state_pb2.QualifiedPeriod(
        qualified_from=write_timestamp(datetime(2025, 4, 1, tzinfo=JAPAN)),
        qualified_until=write_timestamp(datetime(2027, 4, 1, tzinfo=JAPAN)),
        agencies=agencies,
    )
    return bidder_state_pb2.BidderState(
        bidder_id=bidder_id,
        category=WORKS,
        status=status,
        version=Version(epoch=1, number=number),
        suspended_agencies=suspended_agencies,
        qualified=[listed] if agencies else [],
    )


@pytest.mark.every_postgresql
async def test_states_are_sent_to_each_consumer_in_lists_of_500(registry: RunningQualificationRegistry) -> None:
    ids = [f"{1000000000 + number}" for number in range(1_200)]
    async with registry.database.transaction() as connection:
        await enqueue_states(connection, WORKS, ids)
    assert [queue for queue, _ in await registry.query(QUEUES)] == [
        f"states_to_{consumer}" for _ in range(3) for consumer in CONSUMERS.values()
    ]
    await registry.send_events()
    expected = [event(bidder_id, ACTIVE, 1, agencies=()) for bidder_id in ids]
    for peer in (registry.certificate_registry, registry.peer_agency_sync):
        assert peer.calls["RecordBidderStates"] == 3
        assert peer.recorded_bidders == expected


async def test_bidder_that_is_refused_comes_to_stand_alone(registry: RunningQualificationRegistry) -> None:
    ids = [f"{1000000000 + number}" for number in range(600)]
    registry.certificate_registry.refused_bidders = {ids[321]}
    async with registry.database.transaction() as connection:
        await enqueue_states(connection, WORKS, ids)
    with pytest.raises(Refusal, match="BIDDER_STATE_INVALID"):
        await registry.send_events()
    sent = {state.bidder_id for state in registry.certificate_registry.recorded_bidders}
    assert ids[321] not in sent
    assert {state.bidder_id for state in registry.peer_agency_sync.recorded_bidders} == set(ids)
    assert set(ids[500:]) <= sent


async def test_stop_has_queues_of_its_own_and_the_next_version(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(roster(row(BIDDER), row(OTHER)))
    await registry.send_events()
    for peer in (registry.certificate_registry, registry.peer_agency_sync):
        peer.recorded_bidders.clear()
    mika, taro = await registry.appoint(f"{PREFECTURE}/mika"), await registry.appoint(f"{PREFECTURE}/taro")
    await mika.suspend(BIDDER)
    assert await registry.query(QUEUES) == [
        (f"stop_to_{queue}", {"consumer": consumer, "bidders": [[BIDDER, WORKS]]})
        for consumer, queue in CONSUMERS.items()
    ]
    await registry.send_events()
    await taro.approve(await mika.propose_resumption(BIDDER))
    assert [queue for queue, _ in await registry.query(QUEUES)] == [
        f"states_to_{queue}" for queue in CONSUMERS.values()
    ]
    await registry.send_events()
    # Each is sent twice: right after the commit, and by its job.
    told = [event(BIDDER, ACTIVE, 2, [PREFECTURE])] * 2 + [event(BIDDER, ACTIVE, 3)] * 2
    assert registry.certificate_registry.recorded_bidders == told
    assert registry.peer_agency_sync.recorded_bidders == told


async def test_late_event_carries_the_current_state(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(roster(row(BIDDER)))
    await registry.change_status(BIDDER, BidderStatus.SUSPENDED)
    await registry.change_status(BIDDER, BidderStatus.ENDED)
    await registry.send_events()
    assert registry.certificate_registry.recorded_bidders == [event(BIDDER, ENDED, 3)] * 3


async def test_concurrent_changes_of_one_bidder_are_numbered_one_by_one(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(roster(row(BIDDER)))
    officers = [await registry.appoint(f"{agency}/{agency}") for agency in (PREFECTURE, CITY, TOWN, "operator")]
    await asyncio.gather(*(officer.suspend(BIDDER) for officer in officers))
    await registry.send_events()
    newest = max(registry.peer_agency_sync.recorded_bidders, key=lambda state: state.version.number)
    assert newest == event(BIDDER, SUSPENDED, 5, [CITY, PREFECTURE, TOWN])


async def test_bidder_of_sixty_agencies_is_one_state(migrated_database: Callable[[str], str], tmp_path: Path) -> None:
    first, *_ = roster_profile().agencies
    described = first.model_dump(mode="json", exclude_none=True)
    agencies = [*(agency.model_dump(mode="json", exclude_none=True) for agency in roster_profile().agencies)]
    agencies += [described | {"code": f"city-{number:02}"} for number in range(60 - len(agencies))]
    codes = [agency["code"] for agency in agencies]
    async with running_qualification_registry(
        migrated_database("qualification_registry"), tmp_path, roster_profile(agencies=agencies)
    ) as registry:
        offering = [agency["code"] for agency in agencies if WORKS in agency["categories"]]
        await registry.officer.import_roster(roster(row(BIDDER, agencies="、".join(offering))))
        for code in codes:
            await (await registry.appoint(f"{code}/{code}")).suspend(BIDDER)
        expected = event(BIDDER, ACTIVE, 61, sorted(codes), agencies=sorted(offering))
        assert registry.peer_agency_sync.recorded_bidders[-1] == expected


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
        await registry.change_status("1000000005", BidderStatus.ENDED)
        await registry.change_status(OTHER, BidderStatus.SUSPENDED)
        ids = [BIDDER, OTHER, "1000000003", "1000000004", "1000000005", "1000009999"]
        assert await registry.list_agencies(*ids) == {
            BIDDER: [CITY, PREFECTURE, TOWN],
            OTHER: [CITY],
            "1000000003": [TOWN],
            "1000000004": [],
            "1000000005": [],
            "1000009999": [],
        }
        assert await registry.list_agencies(BIDDER, category=GOODS) == {BIDDER: [CITY]}


async def test_bidder_in_two_rosters_is_one_bidder(registry: RunningQualificationRegistry) -> None:
    number = corporate_number(800_000_000_001)
    content = roster(row("", corporate_number=number))
    await registry.officer.import_roster(content, WITHOUT_IDS)
    await registry.officer.import_roster(content, OTHER_WITHOUT_IDS)
    # Leaving one roster, it remains qualified by the other.
    await registry.officer.import_roster(
        roster(row("", "株式会社例示土木", corporate_number=corporate_number(800_000_000_002))), WITHOUT_IDS
    )
    assert await registry.list_agencies("9000000001") == {"9000000001": [CITY]}
