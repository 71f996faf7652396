"""Officers suspend and resume bidders in a category (LIF-04)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from history.entries import Chain
from history.receipt_text import find_receipt_in_text, write_lines
from instance_profile.japan_time import JAPAN
from refusals import Refusal
from servicekit import jobs
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, TOWN, WORKS
from tests.support.history import make_key, seal_all
from tests.support.services.bidder_officer import REASON, BidderOfficer
from tests.support.services.example_rosters import roster, roster_profile, row
from tests.support.services.history import list_entries
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from toroku.contact.v1 import contact_pb2
from toroku.history.v1 import history_pb2
from toroku.officer.v1 import proposals_pb2
from toroku.qualification.v1 import bidder_state_pb2, qualification_registry_pb2

NAME = "株式会社見本建設"
SEARCH_FIELDS = [
    {"field": field, "label": {"ja": field, "en": field}, "hint": {"ja": "", "en": ""}, "required": True}
    for field in ("name", "bidder_id")
]
ACTIVE, SUSPENDED = bidder_state_pb2.BIDDER_STATUS_ACTIVE, bidder_state_pb2.BIDDER_STATUS_SUSPENDED
CONSUMERS = ["agency-sync", "certificate-registry"]
# Status and agencies, as consumers are told.
State = tuple["bidder_state_pb2.BidderStatus.ValueType", list[str]]


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    agencies = [agency.model_dump() | {"company_match": "required"} for agency in roster_profile().agencies]
    profile = roster_profile(category={"search_fields": SEARCH_FIELDS}, agencies=agencies)
    async with running_qualification_registry(
        migrated_database("qualification_registry"), tmp_path, profile
    ) as running:
        await running.officer.import_roster(roster(row(BIDDER), row(OTHER_BIDDER, "株式会社例示組")))
        await running.send_events()
        told(running)
        yield running


@pytest.fixture
async def mika(registry: RunningQualificationRegistry) -> BidderOfficer:
    return await registry.appoint(f"{PREFECTURE}/mika")


@pytest.fixture
async def taro(registry: RunningQualificationRegistry) -> BidderOfficer:
    return await registry.appoint(f"{PREFECTURE}/taro")


async def find(
    registry: RunningQualificationRegistry, bidder_id: str = BIDDER, name: str = NAME, *, agency: str = PREFECTURE
) -> qualification_registry_pb2.FindBidderResponse:
    """Searches as the contractor does. Raises Refusal."""
    return await registry.find(bidder_id, name, agency=agency, certificate_company_name=name)


def told(registry: RunningQualificationRegistry) -> dict[str, list[State]]:
    """Returns what each consumer was told of the bidder, in order, and forgets it."""
    peers = {"certificate-registry": registry.certificate_registry, "agency-sync": registry.peer_agency_sync}
    states = {}
    for name, peer in peers.items():
        states[name] = [(state.status, list(state.suspended_agencies)) for state in peer.recorded_bidders]
        peer.recorded_bidders.clear()
    return states


def read_details(entry: history_pb2.Entry) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns what was before and after."""
    details = json.loads(entry.details.text)
    return details["before"], details["after"]


def at(moment: str) -> datetime:
    """Returns an instant of Japan's time."""
    return datetime.fromisoformat(moment).replace(tzinfo=JAPAN)


@pytest.mark.every_postgresql
@pytest.mark.requirement("LIF-04", "met")
async def test_officer_suspends_a_bidder_at_its_agency_and_two_officers_resume_it(
    registry: RunningQualificationRegistry, mika: BidderOfficer, taro: BidderOfficer
) -> None:
    suspended = await mika.suspend()
    assert list(suspended.not_yet_effective_at) == []
    assert told(registry) == {name: [(ACTIVE, [PREFECTURE])] for name in CONSUMERS}
    with pytest.raises(Refusal, match="BIDDER_SUSPENDED"):
        await find(registry)
    await find(registry, agency=CITY)
    await find(registry, OTHER_BIDDER, "株式会社例示組")
    record = await taro.propose_resumption()
    with pytest.raises(Refusal, match="PROPOSAL_OWN"):
        await taro.approve(record)
    with pytest.raises(Refusal, match="BIDDER_SUSPENDED"):
        await find(registry)
    resumed = await mika.approve(record)
    assert list(resumed.not_yet_effective_at) == []
    assert told(registry) == {name: [(ACTIVE, [])] for name in CONSUMERS}
    await find(registry)


@pytest.mark.requirement("LIF-04")
async def test_operators_officer_suspends_a_bidder_in_the_whole_instance(
    registry: RunningQualificationRegistry, mika: BidderOfficer
) -> None:
    await mika.suspend()
    gen, ichiro = await registry.appoint("operator/gen"), await registry.appoint("operator/ichiro")
    await gen.suspend()
    assert told(registry)["agency-sync"] == [(ACTIVE, [PREFECTURE]), (SUSPENDED, [PREFECTURE])]
    with pytest.raises(Refusal, match="BIDDER_SUSPENDED"):
        await find(registry, agency=CITY)
    await ichiro.approve(await gen.propose_resumption())
    await find(registry, agency=CITY)
    # The agency's own suspension is another one.
    assert told(registry)["agency-sync"] == [(ACTIVE, [PREFECTURE])]
    with pytest.raises(Refusal, match="BIDDER_SUSPENDED"):
        await find(registry)


@pytest.mark.requirement("LIF-04")
async def test_proof_from_before_the_suspension_is_not_confirmed(
    registry: RunningQualificationRegistry, mika: BidderOfficer
) -> None:
    proof = (await find(registry)).proof
    await mika.suspend()
    with pytest.raises(Refusal, match="BIDDER_SUSPENDED"):
        await registry.confirm(proof, NAME)


async def test_suspension_concerns_its_category_alone(
    registry: RunningQualificationRegistry, mika: BidderOfficer
) -> None:
    await mika.suspend(category=GOODS)
    await find(registry)
    assert [state.category for state in registry.peer_agency_sync.recorded_bidders] == [GOODS]


@pytest.mark.requirement("LIF-04")
async def test_suspension_lapses_after_three_working_days_unless_another_person_confirms_it(
    registry: RunningQualificationRegistry, mika: BidderOfficer, taro: BidderOfficer
) -> None:
    # A Monday; the offices open again on 2027-01-04.
    registry.now[0] = at("2026-12-28T16:30")
    lapses = [
        (await mika.suspend(bidder_id)).suspension.lapses_at.ToDatetime(UTC) for bidder_id in (BIDDER, OTHER_BIDDER)
    ]
    assert lapses == [at("2027-01-07T00:00")] * 2
    registry.pass_time(timedelta(days=3))
    await taro.confirm(OTHER_BIDDER)
    registry.now[0] = at("2027-01-06T23:59")
    await registry.lapse_suspensions()
    assert {each.bidder_id for each in await mika.list_suspensions()} == {BIDDER, OTHER_BIDDER}
    told(registry)
    registry.now[0] = at("2027-01-07T00:00")
    await registry.lapse_suspensions()
    await registry.lapse_suspensions()
    assert [each.bidder_id for each in await mika.list_suspensions()] == [OTHER_BIDDER]
    await registry.send_events()
    assert told(registry)["certificate-registry"][-1] == (ACTIVE, [])
    await find(registry)
    registry.pass_time(timedelta(days=365))
    await registry.lapse_suspensions()
    assert [each.bidder_id for each in await mika.list_suspensions()] == [OTHER_BIDDER]
    # What lapsed may be ordered again.
    await mika.suspend()


@pytest.mark.requirement("LIF-04")
async def test_who_suspended_can_not_confirm_it(registry: RunningQualificationRegistry, mika: BidderOfficer) -> None:
    await mika.suspend()
    with pytest.raises(Refusal, match="SUSPENSION_OWN"):
        await mika.confirm()
    # Nor under a second certificate.
    again = await registry.appoint(f"{PREFECTURE}/mika")
    with pytest.raises(Refusal, match="SUSPENSION_OWN"):
        await again.confirm()
    taro = await registry.appoint(f"{PREFECTURE}/taro")
    await taro.confirm()
    with pytest.raises(Refusal, match="SUSPENSION_CONFIRMED"):
        await (await registry.appoint(f"{PREFECTURE}/jun")).confirm()
    [listed] = await again.list_suspensions()
    assert listed.confirmed_at.ToDatetime(UTC) == registry.now[0]
    assert (listed.suspended_by, listed.confirmed_by) == (f"{PREFECTURE}/mika", f"{PREFECTURE}/taro")
    assert (listed.reason, listed.HasField("lapses_at")) == (REASON, False)


async def test_what_is_suspended_or_is_not_is_refused(
    registry: RunningQualificationRegistry, mika: BidderOfficer, taro: BidderOfficer
) -> None:
    for call in (mika.confirm(), mika.propose_resumption()):
        with pytest.raises(Refusal, match="BIDDER_NOT_SUSPENDED"):
            await call
    await mika.suspend()
    with pytest.raises(Refusal, match="BIDDER_ALREADY_SUSPENDED"):
        await taro.suspend()
    record = await mika.propose_resumption()
    await taro.approve(record)
    with pytest.raises(Refusal, match="BIDDER_NOT_SUSPENDED"):
        await mika.propose_resumption()
    await registry.end_bidder(BIDDER)
    with pytest.raises(Refusal, match="BIDDER_ENDED"):
        await mika.suspend()


async def test_proposal_is_void_where_the_suspension_is_another_one(
    registry: RunningQualificationRegistry, mika: BidderOfficer, taro: BidderOfficer
) -> None:
    await mika.suspend()
    records = [await mika.propose_resumption() for _ in range(2)]
    await taro.confirm()
    await taro.approve(records[0])
    registry.pass_time(timedelta(minutes=1))
    await mika.suspend()
    with pytest.raises(Refusal, match="PROPOSAL_TARGET_CHANGED"):
        await taro.approve(records[1])
    assert len(await mika.list_suspensions()) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bidder_id": "1000009999"}, "BIDDER_UNKNOWN"),
        ({"category": "potions"}, "CATEGORY_UNKNOWN"),
        ({"agency": CITY}, "AGENCY_NOT_OWN"),
        ({"agency": "operator"}, "AGENCY_NOT_OWN"),
        ({"reason": ""}, "OFFICER_REASON_INVALID"),
        ({"reason": " 　"}, "OFFICER_REASON_INVALID"),
        ({"reason": "理" * 401}, "OFFICER_REASON_INVALID"),
    ],
)
async def test_wrong_request_is_refused(
    registry: RunningQualificationRegistry, mika: BidderOfficer, changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(Refusal, match=reason):
        await mika.suspend(**changes)
    assert told(registry) == {name: [] for name in CONSUMERS}
    assert await registry.query("SELECT * FROM bidder_suspensions") == []


async def test_officer_without_the_role_or_of_another_agency_is_refused(
    registry: RunningQualificationRegistry, mika: BidderOfficer
) -> None:
    await mika.suspend()
    reader, stranger = (
        await registry.appoint(f"{PREFECTURE}/rei", "registration"),
        await registry.appoint(f"{CITY}/shi"),
    )
    assert len(await reader.list_suspensions()) == 1
    for call in (reader.confirm(), reader.suspend(OTHER_BIDDER), reader.propose_resumption()):
        with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
            await call
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await stranger.confirm(agency=PREFECTURE)
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await stranger.list_suspensions(agency=PREFECTURE)
    record = await mika.propose_resumption()
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await stranger.approve(record)
    assert await stranger.list_suspensions() == []


async def test_repeated_request_has_the_same_outcome(
    registry: RunningQualificationRegistry, mika: BidderOfficer, taro: BidderOfficer
) -> None:
    request_id = str(uuid4())
    first, *others = await asyncio.gather(*(mika.suspend(request_id=request_id) for _ in range(3)))
    registry.pass_time(timedelta(hours=1))
    again = await mika.suspend(request_id=request_id)
    assert all(each.suspension == first.suspension for each in (*others, again))
    with pytest.raises(Refusal, match="REQUEST_ID_REUSED"):
        await mika.suspend(OTHER_BIDDER, request_id=request_id)
    confirmation = str(uuid4())
    confirmed = [await taro.confirm(request_id=confirmation) for _ in range(2)]
    assert confirmed[0] == confirmed[1]
    # The first version was the import's.
    versions = await registry.query("SELECT bidder_id, version_number FROM bidder_states ORDER BY bidder_id")
    assert versions == [(BIDDER, 2), (OTHER_BIDDER, 1)]


@pytest.mark.requirement("LIF-04")
async def test_consumer_that_is_away_is_named_and_told_by_the_job(
    registry: RunningQualificationRegistry, mika: BidderOfficer
) -> None:
    registry.peer_agency_sync.failing = True
    never = asyncio.Event()

    async def hang() -> None:
        registry.certificate_registry.recorded_bidders.clear()
        await never.wait()

    registry.certificate_registry.before_answer = hang
    async with asyncio.timeout(3):
        assert list((await mika.suspend()).not_yet_effective_at) == CONSUMERS
    queues = "SELECT queue_name FROM jobs.procrastinate_jobs WHERE queue_name <> 'bidder_notices' ORDER BY 1"
    assert await registry.query(queues) == [("stop_to_agency_sync",), ("stop_to_certificate_registry",)]
    registry.peer_agency_sync.failing = False
    registry.certificate_registry.before_answer = None
    await registry.send_events()
    assert told(registry) == {name: [(ACTIVE, [PREFECTURE])] for name in CONSUMERS}


@pytest.mark.requirement("LIF-05")
async def test_each_step_is_in_the_history_with_its_act(
    registry: RunningQualificationRegistry, mika: BidderOfficer, taro: BidderOfficer
) -> None:
    await mika.suspend()
    await taro.confirm()
    await taro.approve(await mika.propose_resumption())
    await mika.suspend(OTHER_BIDDER)
    registry.pass_time(timedelta(days=14))
    await registry.lapse_suspensions()
    entries = (await list_entries(registry.history, bidder_id=BIDDER))[::-1]
    assert [(entry.what, entry.who) for entry in entries] == [
        ("bidder suspended", f"officer {PREFECTURE}/mika"),
        ("bidder suspension confirmed", f"officer {PREFECTURE}/taro"),
        ("proposed", f"officer {PREFECTURE}/mika"),
        ("proposal approved", f"officer {PREFECTURE}/taro"),
        ("bidder resumed", f"officer {PREFECTURE}/taro"),
    ]
    suspended, confirmed, *_, resumed = entries
    assert (suspended.category, list(suspended.agencies)) == (WORKS, [PREFECTURE])
    assert len({entry.request_id for entry in (suspended, confirmed, resumed)}) == 3
    lapses_at = read_details(suspended)[1]["suspension"][PREFECTURE]
    assert read_details(suspended) == ({}, {"suspension": {PREFECTURE: lapses_at}, "reason": REASON})
    assert read_details(confirmed) == (
        {"suspension": {PREFECTURE: lapses_at}},
        {"suspension": {PREFECTURE: f"{PREFECTURE}/taro"}},
    )
    assert read_details(resumed) == ({"suspension": {PREFECTURE: f"{PREFECTURE}/taro"}}, {"reason": REASON})
    lapsed, _ = await list_entries(registry.history, bidder_id=OTHER_BIDDER)
    assert (lapsed.what, lapsed.who) == ("bidder suspension lapsed", "service qualification-registry")


@pytest.mark.requirement("LIF-04")
async def test_contacts_are_told_of_a_suspension_and_of_its_end(
    registry: RunningQualificationRegistry, mika: BidderOfficer, taro: BidderOfficer
) -> None:
    await mika.suspend()
    suspended_at = registry.now[0]
    # It waits until the entry of the act is sealed, a minute at most.
    assert await registry.send_notices() == [jobs.Later(timedelta(seconds=2))]
    assert registry.contact_notification.notices == []
    await seal_all(registry.database, make_key(), Chain(registry.profile.id, "qualification-registry"))
    await taro.approve(await mika.propose_resumption())
    registry.pass_time(timedelta(minutes=2))
    assert await registry.send_notices() == [None, None]
    suspended, resumed = registry.contact_notification.notices
    assert [suspended.kind, resumed.kind] == [
        contact_pb2.NOTICE_KIND_BIDDER_SUSPENDED,
        contact_pb2.NOTICE_KIND_BIDDER_RESUMED,
    ]
    assert suspended.notice_id != resumed.notice_id
    for notice in (suspended, resumed):
        [recipient] = notice.recipients
        assert recipient.bidder == contact_pb2.BidderContacts(bidder_id=BIDDER, category=WORKS)
        assert (notice.bidder.agency, notice.bidder.category, notice.bidder.bidder_id) == (PREFECTURE, WORKS, BIDDER)
    assert suspended.bidder.happened_at.ToDatetime(UTC) == suspended_at
    [of_end, *_, of_suspension] = await list_entries(registry.history, bidder_id=BIDDER)
    assert (suspended.entry.digest, suspended.entry.position) == (of_suspension.digest, of_suspension.position)
    assert suspended.entry.head_number == 1
    assert len(suspended.entry.head_sha256) == 32
    assert find_receipt_in_text(write_lines(suspended.entry.proof)).position == of_suspension.position
    # Not sealed in time: the mail shows the digest alone.
    assert (resumed.entry.digest, resumed.entry.position, resumed.entry.head_sha256) == (of_end.digest, 0, b"")
    # A job that is run again sends the same notice.
    await registry.send_notices()
    assert registry.contact_notification.notices[2:] == [suspended, resumed]


async def test_suspensions_are_listed_page_by_page(registry: RunningQualificationRegistry) -> None:
    ids = [f"20000000{number:02}" for number in range(12)]
    await registry.officer.import_roster(roster(*(row(bidder_id) for bidder_id in [BIDDER, OTHER_BIDDER, *ids])))
    officers = {agency: await registry.appoint(f"{agency}/ken-{agency}") for agency in (CITY, TOWN)}
    for bidder_id in ids:
        await officers[CITY].suspend(bidder_id)
    await officers[TOWN].suspend(ids[0])
    pages, after = [], ""
    while page := await officers[CITY].list_suspensions(after_bidder_id=after, after_category=WORKS, most=5):
        pages.append([each.bidder_id for each in page])
        after = page[-1].bidder_id
    assert [len(page) for page in pages] == [5, 5, 2]
    assert [bidder_id for page in pages for bidder_id in page] == ids
    assert await officers[CITY].list_suspensions(after_bidder_id="3\0") == []
    await officers[CITY].suspend(ids[3], category=GOODS)
    for query, expected in (
        ({"bidder_id": ids[3]}, [GOODS, WORKS]),
        ({"bidder_id": ids[3], "category": WORKS}, [WORKS]),
        ({"category": GOODS}, [GOODS]),
        ({"bidder_id": ids[3], "after_bidder_id": ids[3], "after_category": GOODS}, [WORKS]),
        ({"bidder_id": "\0"}, [WORKS] * 3 + [GOODS] + [WORKS] * 9),
    ):
        assert [each.category for each in await officers[CITY].list_suspensions(**query)] == expected
    with pytest.raises(Refusal, match="CATEGORY_UNKNOWN"):
        await officers[CITY].list_suspensions(category="potions")


async def test_open_proposal_is_listed_for_the_agencys_officers(
    registry: RunningQualificationRegistry, mika: BidderOfficer
) -> None:
    await mika.suspend()
    record = await mika.propose_resumption()
    assert record.state == proposals_pb2.PROPOSAL_STATE_OPEN
    assert record.proposal.agency == PREFECTURE
    assert any(BIDDER in line for line in record.proposal.lines)


async def test_proposal_that_nobody_decides_is_void_after_a_week(
    registry: RunningQualificationRegistry, mika: BidderOfficer
) -> None:
    await mika.suspend()
    await mika.propose_resumption()
    kept = "SELECT (SELECT state FROM proposal), (SELECT count(*) FROM history_entry WHERE what = 'proposal void')"
    for passed, expected in ((timedelta(days=6, hours=23), ("open", 0)), (timedelta(hours=1), ("void", 1))):
        registry.pass_time(passed)
        for _ in range(2):
            await registry.void_proposals()
        assert await registry.query(kept) == [expected]
