"""Other services are told where and when bidders are qualified, by the states that an import changed (SYN-01)."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from instance_profile.japan_time import JAPAN
from servicekit.messages import read_timestamp
from tests.support.example_profile import CITY, GOODS, PREFECTURE, WORKS
from tests.support.services.example_rosters import OTHER_WITHOUT_IDS, WITHOUT_IDS, mapping, roster, roster_profile, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.services.roster_officer import WITH_IDS
from toroku.qualification.v1 import bidder_state_pb2

# The registry's clock says 2026-11-27, 10:00 in Japan.
THIS, NEXT = ("2024-12-01", "2026-11-30"), ("2026-12-01", "2028-11-30")
STAYS, LEAVES, COMES = (f"100000000{number}" for number in (1, 2, 3))
BOTH, CITY_ALONE = "例示県、例示市", "例示市"
NUMBER = "5999900000045"
# From when, until when (the first day after), and at which agencies; None: no limit.
Period = tuple[str | None, str | None, list[str]]


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        yield running


def read_day(instant: datetime) -> str:
    """Returns the day in Japan that begins at an instant."""
    local = instant.astimezone(JAPAN)
    assert (local.hour, local.minute, local.second) == (0, 0, 0)
    return local.date().isoformat()


def read_periods(state: bidder_state_pb2.BidderState) -> list[Period]:
    """Returns the periods of a state."""
    return [
        (
            read_day(read_timestamp(period.qualified_from)) if period.HasField("qualified_from") else None,
            read_day(read_timestamp(period.qualified_until)) if period.HasField("qualified_until") else None,
            list(period.agencies),
        )
        for period in state.qualified
    ]


async def listen(registry: RunningQualificationRegistry) -> dict[str, list[Period]]:
    """Returns what both consumers are told of each bidder since the last time, after they were told the same."""
    await registry.send_events()
    told = [peer.recorded_bidders for peer in (registry.certificate_registry, registry.peer_agency_sync)]
    for_certificates, for_agencies = (
        sorted((state.SerializeToString() for state in states), key=bytes) for states in told
    )
    assert for_certificates == for_agencies
    periods = {state.bidder_id: read_periods(state) for state in told[0]}
    assert len(periods) == len(told[0])
    assert {state.category for state in told[0]} <= {WORKS}
    for states in told:
        states.clear()
    return periods


def listed(bidder_id: str, name: str, agencies: str = BOTH, **days: str) -> str:
    """Returns a row, without days of its own unless they are given."""
    return row(bidder_id, name, agencies=agencies, **({"valid_from": "", "valid_until": ""} | days)) + ","


def write(*rows: str) -> bytes:
    """Returns a file whose last column is not empty, which a truncated file's could be."""
    header = "業者番号,法人番号,商号,所在地,代表者,電話番号,等級,調達機関,期間開始,期間終了,備考"
    return roster(*rows, header=header)


@pytest.mark.every_postgresql
@pytest.mark.requirement("SYN-01")
async def test_consumers_are_told_of_exactly_those_whose_qualification_an_import_changes(
    registry: RunningQualificationRegistry,
) -> None:
    officer, everywhere = registry.officer, [CITY, PREFECTURE]
    names = ["株式会社一", "株式会社二", "株式会社三"]
    first = [listed(bidder_id, name) for bidder_id, name in zip((STAYS, LEAVES, COMES), names, strict=True)]
    await officer.import_roster(write(*first[:2]))
    assert await listen(registry) == {STAYS: [(None, None, everywhere)], LEAVES: [(None, None, everywhere)]}
    # The same file, and another name, address and grade alone, are no news.
    await officer.import_roster(write(*first[:2]))
    renamed = row(STAYS, "株式会社新一", address="例示市二丁目", grade="B", valid_from="", valid_until="") + ","
    await officer.import_roster(write(renamed, first[1]))
    assert await listen(registry) == {}
    # One is qualified at fewer agencies, one is new, one goes.
    fewer = row(STAYS, "株式会社新一", agencies=CITY_ALONE, valid_from="", valid_until="") + ","
    await officer.import_roster(write(fewer, first[2]))
    assert await listen(registry) == {STAYS: [(None, None, [CITY])], LEAVES: [], COMES: [(None, None, everywhere)]}
    # It comes back, and another one's days change.
    dated = listed(COMES, names[2], valid_from="2026-04-01", valid_until="2027-03-31")
    await officer.import_roster(write(fewer, first[1], dated))
    assert await listen(registry) == {
        LEAVES: [(None, None, everywhere)],
        COMES: [("2026-04-01", "2027-04-01", everywhere)],
    }


@pytest.mark.requirement("SYN-01")
async def test_next_terms_list_that_comes_before_its_term_tells_both_terms(
    registry: RunningQualificationRegistry,
) -> None:
    officer, everywhere = registry.officer, [CITY, PREFECTURE]
    await officer.import_roster(write(listed(STAYS, "株式会社一"), listed(LEAVES, "株式会社二")), term=THIS)
    until_end = [("2024-12-01", "2026-12-01", everywhere)]
    assert await listen(registry) == {STAYS: until_end, LEAVES: until_end}
    following = [listed(STAYS, "株式会社一", CITY_ALONE), listed(COMES, "株式会社三")]
    await officer.import_roster(write(*following), term=NEXT)
    # The bidder that is in this term's list alone is qualified as it was.
    assert await listen(registry) == {
        STAYS: [("2024-12-01", "2026-12-01", [PREFECTURE]), ("2024-12-01", "2028-12-01", [CITY])],
        COMES: [("2026-12-01", "2028-12-01", everywhere)],
    }
    # Nothing is written when the term begins; what is told then leaves out what has ended.
    registry.pass_time(timedelta(days=4))
    assert await listen(registry) == {}
    await officer.import_roster(write(listed(STAYS, "株式会社一"), following[1]), term=NEXT)
    assert await listen(registry) == {STAYS: [("2026-12-01", "2028-12-01", everywhere)]}


@pytest.mark.requirement("SYN-01")
async def test_term_that_ends_on_another_day_is_told_of_all_its_bidders(
    registry: RunningQualificationRegistry,
) -> None:
    officer, everywhere = registry.officer, [CITY, PREFECTURE]
    # Without terms a list holds until the first term begins.
    await officer.import_roster(
        write(listed(STAYS, "株式会社一"), listed(LEAVES, "株式会社二", valid_until="2026-10-31"))
    )
    assert await listen(registry) == {STAYS: [(None, None, everywhere)], LEAVES: []}
    await officer.import_roster(write(listed(COMES, "株式会社三")), term=NEXT)
    assert await listen(registry) == {
        STAYS: [(None, "2026-12-01", everywhere)],
        COMES: [("2026-12-01", "2028-12-01", everywhere)],
    }
    await officer.import_roster(write(listed(COMES, "株式会社三")), term=(NEXT[0], ""))
    assert await listen(registry) == {COMES: [("2026-12-01", None, everywhere)]}


@pytest.mark.requirement("SYN-01")
async def test_state_has_the_lists_of_all_rosters_of_the_category(registry: RunningQualificationRegistry) -> None:
    header = "業者番号,法人番号,商号,所在地,代表者,電話番号,等級,調達機関,期間開始,期間終了"
    of_number = roster(row("", "株式会社番号", corporate_number=NUMBER), header=header)
    await registry.officer.import_roster(of_number, OTHER_WITHOUT_IDS)
    (bidder_id,) = await listen(registry)
    await registry.officer.import_roster(of_number, WITHOUT_IDS)
    assert await listen(registry) == {bidder_id: [(None, None, [CITY, PREFECTURE])]}


@pytest.mark.requirement("SYN-01")
async def test_states_of_an_import_have_messages_of_500_and_queues_of_their_own(
    registry: RunningQualificationRegistry,
) -> None:
    numbers = [f"10000{number:05}" for number in range(1, 1002)]
    rows: Sequence[str] = [listed(number, f"株式会社{number}") for number in numbers]
    await registry.officer.import_roster(write(*rows))
    # A stop that comes while they wait has another queue.
    officer = await registry.appoint(f"{PREFECTURE}/mika")
    await officer.suspend(STAYS)
    query = (
        "SELECT queue_name, jsonb_array_length(args -> 'arguments' -> 'bidders') FROM jobs.procrastinate_jobs "
        "WHERE task_name = 'send_bidder_states' ORDER BY id"
    )
    consumers = ("certificate_registry", "agency_sync")
    of_import = [(f"bulk_to_{consumer}", number) for number in (500, 500, 1) for consumer in consumers]
    assert await registry.query(query) == [*of_import, *((f"stop_to_{consumer}", 1) for consumer in consumers)]
    for peer in (registry.certificate_registry, registry.peer_agency_sync):
        peer.recorded_bidders.clear()
    await registry.send_events()
    told = registry.certificate_registry.recorded_bidders
    assert sorted({state.bidder_id for state in told}) == numbers
    # The state of the one that is suspended too came with both, as it is by now.
    assert {tuple(state.suspended_agencies) for state in told if state.bidder_id == STAYS} == {(PREFECTURE,)}


async def test_roster_of_another_category_tells_both_categories(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("qualification_registry")
    told = []
    for category in (WORKS, GOODS):
        (tmp_path / category).mkdir()
        profile = roster_profile(
            roster_mappings=[mapping(WITH_IDS, bidder_id="業者番号", category=category, agencies=[CITY])]
        )
        async with running_qualification_registry(dsn, tmp_path / category, profile) as running:
            await running.send_events()
            await running.officer.import_roster(write(listed(STAYS, "株式会社一"), listed(LEAVES, "株式会社二")))
            await running.send_events()
            told = [
                (state.category, state.bidder_id, read_periods(state))
                for state in running.peer_agency_sync.recorded_bidders
            ]
    assert sorted(told) == [
        *((GOODS, bidder_id, [(None, None, [CITY])]) for bidder_id in (STAYS, LEAVES)),
        *((WORKS, bidder_id, []) for bidder_id in (STAYS, LEAVES)),
    ]
