"""What the states of bidders do to the propagation of their registrations (LIF-04, SYN-01)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from refusals import Refusal
from tests.support.example_profile import (
    BIDDER,
    CITY,
    GOODS,
    OTHER_BIDDER,
    PREFECTURE,
    TOWN,
    VILLAGE,
    WORKS,
    example_profile,
)
from tests.support.services.agency_sync import RunningAgencySync, bidder_state, card_state, running_agency_sync
from tests.support.statements import counted_statements
from toroku.certificate.v1 import card_state_pb2
from toroku.qualification.v1 import bidder_pb2, bidder_state_pb2

SUSPENDED = bidder_state_pb2.BIDDER_STATUS_SUSPENDED
UNREADABLE = bidder_pb2.COMPANY_COMPARISON_UNREADABLE
DONE = ("DONE", "")
WAITS = ("PLANNED", "BIDDER_SUSPENDED")
REFUSED = ("REFUSED", "BIDDER_SUSPENDED")
NEEDS_OFFICER = ("REFUSED", "COMPANY_NEEDS_OFFICER")
EVERYWHERE = {CITY: DONE, TOWN: DONE, VILLAGE: DONE}


@pytest.fixture
async def sync(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningAgencySync]:
    rules = {PREFECTURE: "off", CITY: "required", TOWN: "off", VILLAGE: "required"}
    agencies = [agency.model_dump() | {"company_match": rules[agency.code]} for agency in example_profile().agencies]
    agencies[2]["holder"] = "or_representative"
    profile = example_profile(agencies=agencies)
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, profile) as running:
        for bidder_id in (BIDDER, OTHER_BIDDER):
            running.qualification_registry.qualified[WORKS, bidder_id] = [PREFECTURE, CITY, TOWN, VILLAGE]
        yield running


def approved(registration_id: UUID, agency: str, **changes: Any) -> bidder_state_pb2.ApprovedCard:
    """Returns the approval of a registration's card, of its company unless changed."""
    values: dict[str, Any] = {"certificate_sha256": sha256(registration_id.bytes).digest(), "company": True}
    return bidder_state_pb2.ApprovedCard(**({"agency": agency} | values | changes))


@pytest.mark.every_postgresql
@pytest.mark.requirement("LIF-04")
@pytest.mark.requirement("SYN-01")
@pytest.mark.parametrize(
    "suspended",
    [bidder_state(1, status=SUSPENDED), bidder_state(1, suspended_agencies=[PREFECTURE])],
    ids=["everywhere", "where it registered"],
)
async def test_registration_of_a_suspended_bidder_waits_for_the_end_of_the_suspension(
    sync: RunningAgencySync, suspended: bidder_state_pb2.BidderState
) -> None:
    await sync.record_bidders(suspended)
    registration_id = await sync.record(card_state())
    await sync.propagate()
    assert await sync.propagations(registration_id) == dict.fromkeys((CITY, TOWN, VILLAGE), WAITS)
    assert sync.certificate_registry.propagation_requests == []
    await sync.record_bidders(bidder_state(2))
    await sync.propagate()
    assert await sync.propagations(registration_id) == EVERYWHERE


@pytest.mark.requirement("LIF-04")
async def test_agency_that_suspended_the_bidder_gets_its_registration_when_it_resumes(
    sync: RunningAgencySync,
) -> None:
    await sync.record_bidders(bidder_state(1, suspended_agencies=[CITY, TOWN]))
    registration_id = await sync.record(card_state())
    await sync.propagate()
    assert await sync.propagations(registration_id) == {CITY: REFUSED, TOWN: REFUSED, VILLAGE: DONE}
    await sync.record_bidders(bidder_state(2, suspended_agencies=[CITY]))
    assert (await sync.propagations(registration_id))[TOWN] == ("PLANNED", "")
    await sync.propagate()
    assert await sync.propagations(registration_id) == {CITY: REFUSED, TOWN: DONE, VILLAGE: DONE}
    await sync.record_bidders(bidder_state(3))
    await sync.propagate()
    assert await sync.propagations(registration_id) == EVERYWHERE


async def test_end_of_a_suspension_at_one_agency_waits_for_that_of_the_whole_instance(sync: RunningAgencySync) -> None:
    await sync.record_bidders(bidder_state(1, suspended_agencies=[CITY]))
    registration_id = await sync.record(card_state())
    await sync.propagate()
    await sync.record_bidders(bidder_state(2, status=SUSPENDED))
    await sync.propagate()
    assert (await sync.propagations(registration_id))[CITY] == REFUSED
    await sync.record_bidders(bidder_state(3))
    await sync.propagate()
    assert await sync.propagations(registration_id) == EVERYWHERE


async def test_suspension_concerns_its_bidder_and_category_alone(sync: RunningAgencySync) -> None:
    sync.qualification_registry.qualified[GOODS, BIDDER] = [PREFECTURE, CITY]
    await sync.record_bidders(bidder_state(1, status=SUSPENDED))
    others = [card_state(bidder_id=OTHER_BIDDER), card_state(category=GOODS)]
    for state in others:
        registration_id = await sync.record(state)
        await sync.propagate()
        assert (await sync.propagations(registration_id))[CITY] == DONE


@pytest.mark.requirement("LIF-04")
async def test_states_of_a_bidder_arrive_in_any_order_and_repeatedly(sync: RunningAgencySync) -> None:
    states = [bidder_state(1), bidder_state(2, status=SUSPENDED), bidder_state(3, suspended_agencies=[CITY])]
    for order in permutations(states):
        await sync.execute("DELETE FROM bidder_states")
        for state in (*order, order[0]):
            await sync.record_bidders(state)
        registration_id = await sync.record(card_state())
        await sync.propagate()
        assert await sync.propagations(registration_id) == EVERYWHERE | {CITY: REFUSED}
    registration_id = await sync.record(card_state())
    # One message with all of them, from several callers at once; then a restore of qualification-registry.
    await asyncio.gather(*(sync.record_bidders(*reversed(states)) for _ in range(4)))
    await sync.record_bidders(bidder_state(1, epoch=2))
    await sync.propagate()
    assert await sync.propagations(registration_id) == EVERYWHERE


@pytest.mark.requirement("CRD-10")
async def test_card_is_judged_again_where_an_officer_approved_its_company(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state(company=UNREADABLE))
    await sync.propagate()
    assert await sync.propagations(registration_id) == {CITY: NEEDS_OFFICER, TOWN: DONE, VILLAGE: NEEDS_OFFICER}
    other_card = {"certificate_sha256": bytes(32)}
    for number, approval in enumerate(
        (approved(registration_id, VILLAGE, **other_card), approved(registration_id, VILLAGE, company=False)), 1
    ):
        await sync.record_bidders(bidder_state(number, approved_cards=[approval]))
        await sync.propagate()
        assert (await sync.propagations(registration_id))[VILLAGE] == NEEDS_OFFICER
    await sync.record_bidders(bidder_state(3, approved_cards=[approved(registration_id, VILLAGE)]))
    await sync.propagate()
    assert await sync.propagations(registration_id) == {CITY: NEEDS_OFFICER, TOWN: DONE, VILLAGE: DONE}


@pytest.mark.requirement("CRD-10")
async def test_card_is_judged_again_where_an_officer_approved_its_holder(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state(holder=bidder_pb2.HOLDER_COMPARISON_DIFFERENT))
    await sync.propagate()
    refused = ("REFUSED", "HOLDER_NEEDS_OFFICER")
    assert await sync.propagations(registration_id) == {CITY: DONE, TOWN: refused, VILLAGE: DONE}
    await sync.record_bidders(bidder_state(1, approved_cards=[approved(registration_id, TOWN)]))
    await sync.propagate()
    assert (await sync.propagations(registration_id))[TOWN] == refused
    await sync.record_bidders(bidder_state(2, approved_cards=[approved(registration_id, TOWN, holder=True)]))
    await sync.propagate()
    assert await sync.propagations(registration_id) == EVERYWHERE


async def test_approval_that_arrived_before_the_registration_counts(sync: RunningAgencySync) -> None:
    state = card_state(company=UNREADABLE)
    registration_id = UUID(state.registrations[0].registration_id)
    await sync.record_bidders(bidder_state(1, approved_cards=[approved(registration_id, CITY)]))
    await sync.record(state)
    await sync.propagate()
    assert await sync.propagations(registration_id) == {CITY: DONE, TOWN: DONE, VILLAGE: NEEDS_OFFICER}


async def test_suspended_card_waits_on_when_its_bidder_is_resumed(sync: RunningAgencySync) -> None:
    await sync.record_bidders(bidder_state(1, status=SUSPENDED))
    state = card_state()
    registration_id = await sync.record(state)
    await sync.propagate()
    state.version.number, state.suspended = 2, True
    await sync.record(state)
    await sync.record_bidders(bidder_state(2))
    await sync.propagate()
    assert (await sync.propagations(registration_id))[CITY] == ("PLANNED", "PROPAGATION_SUSPENDED")
    assert sync.certificate_registry.propagation_requests == []
    # And the other way round: the card is good again while the bidder is not.
    await sync.record_bidders(bidder_state(3, status=SUSPENDED))
    state.version.number, state.suspended = 3, False
    await sync.record(state)
    await sync.propagate()
    assert (await sync.propagations(registration_id))[CITY] == WAITS
    await sync.record_bidders(bidder_state(4))
    await sync.propagate()
    assert await sync.propagations(registration_id) == EVERYWHERE


async def test_ended_registration_stays_void_when_its_bidder_is_resumed(sync: RunningAgencySync) -> None:
    await sync.record_bidders(bidder_state(1, suspended_agencies=[CITY]))
    state = card_state()
    registration_id = await sync.record(state)
    await sync.propagate()
    state.version.number, state.binding = 2, card_state_pb2.BINDING_STATE_CLOSED
    await sync.record(state)
    await sync.record_bidders(bidder_state(2))
    await sync.propagate()
    assert (await sync.propagations(registration_id))[CITY] == REFUSED
    assert await sync.rows("SELECT state FROM intentions") == [("done",)]


async def test_state_that_comes_while_a_registration_is_refused_for_the_one_before_has_it_judged_again(
    sync: RunningAgencySync,
) -> None:
    registration_id = await sync.record(card_state(company=UNREADABLE))
    await sync.record_bidders(bidder_state(1, suspended_agencies=[CITY]))

    async def resume() -> None:
        sync.certificate_registry.before_answer = None
        await sync.record_bidders(bidder_state(2, approved_cards=[approved(registration_id, CITY)]))

    sync.certificate_registry.before_answer = resume
    await sync.propagate()
    assert (await sync.propagations(registration_id))[CITY] == DONE


@pytest.mark.requirement("LIF-04")
async def test_registry_that_knows_of_a_suspension_first_is_asked_again(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state())
    sync.certificate_registry.bidders_suspended[str(registration_id)] = {CITY}
    await sync.propagate()
    assert (await sync.propagations(registration_id))[CITY] == REFUSED
    assert await sync.rows("SELECT state, refused_for FROM intentions") == [("open", "BIDDER_SUSPENDED")]
    # The one that has not heard of the end yet: nobody tells this service of it a second time.
    sync.certificate_registry.bidders_suspended.clear()
    await sync.execute("UPDATE intentions SET due_at = now() - interval '1 second'")
    await sync.propagate()
    assert await sync.propagations(registration_id) == EVERYWHERE


async def test_new_state_has_a_registration_asked_for_again_at_once(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state())
    sync.certificate_registry.bidders_suspended[str(registration_id)] = {CITY}
    await sync.propagate()
    sync.certificate_registry.bidders_suspended.clear()
    await sync.record_bidders(bidder_state(1))
    await sync.propagate()
    assert await sync.propagations(registration_id) == EVERYWHERE


async def test_states_and_a_worker_at_the_same_bidder_do_not_deadlock(sync: RunningAgencySync) -> None:
    registration_ids = [await sync.record(card_state()) for _ in range(20)]
    changes = [
        sync.record_bidders(bidder_state(number, suspended_agencies=[CITY] if number % 2 else []))
        for number in range(1, 13)
    ]
    await asyncio.gather(*changes, *(sync.propagate() for _ in range(3)))
    await sync.propagate()
    for registration_id in registration_ids:
        assert await sync.propagations(registration_id) == EVERYWHERE


async def test_list_of_five_hundred_states_takes_as_many_statements_as_one(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_state())
    await sync.record_bidders(bidder_state(1, status=SUSPENDED))
    await sync.propagate()
    counts = []
    for number, bidders in ((2, 1), (3, 500)):
        others = [bidder_state(number, bidder_id=f"2{other:09}") for other in range(bidders - 1)]
        with counted_statements() as statements:
            await sync.record_bidders(bidder_state(number, suspended_agencies=[PREFECTURE]), *others)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 12
    assert (await sync.propagations(registration_id))[CITY] == WAITS
    with pytest.raises(Refusal, match="INPUT_TOO_MANY"):
        await sync.record_bidders(*(bidder_state(4) for _ in range(501)))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"status": bidder_state_pb2.BIDDER_STATUS_UNSPECIFIED}, "status"),
        ({"bidder_id": ""}, "bidder_id"),
        ({"category": "works\0"}, "category"),
        ({"suspended_agencies": ["two codes"]}, "suspended_agencies"),
        ({"approved_cards": [bidder_state_pb2.ApprovedCard(agency=CITY)]}, "approved_cards"),
        ({"approved_cards": [approved(UUID(int=1), "")]}, "approved_cards"),
        ({"approved_cards": [approved(UUID(int=1), CITY)] * 501}, "approved_cards"),
    ],
)
async def test_state_that_can_not_be_read_is_refused_and_nothing_is_recorded(
    sync: RunningAgencySync, changes: dict[str, Any], part: str
) -> None:
    with pytest.raises(Refusal, match="BIDDER_STATE_INVALID") as refused:
        await sync.record_bidders(bidder_state(bidder_id=OTHER_BIDDER), bidder_state(**changes))
    assert refused.value.metadata["part"] == part
    unversioned = bidder_state()
    unversioned.ClearField("version")
    with pytest.raises(Refusal, match="BIDDER_STATE_INVALID"):
        await sync.record_bidders(unversioned)
    assert await sync.rows("SELECT count(*) FROM bidder_states") == [(0,)]
