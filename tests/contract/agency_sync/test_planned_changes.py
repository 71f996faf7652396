"""Changes that the other agencies follow in the night (CHG-02)."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from agency_sync.domain.contact_owner import ContactPurpose
from refusals import Refusal
from tests.support.contact_owners import owner_with_change
from tests.support.example_profile import CITY, PREFECTURE, TOWN, VILLAGE, example_profile
from tests.support.services.agency_sync import (
    MORNING,
    RunningAgencySync,
    agency_registration,
    bidder_state,
    card_state,
    running_agency_sync,
)
from tests.support.statements import counted_statements
from toroku.agencysync.v1 import agency_sync_pb2, propagation_pb2
from toroku.certificate.v1 import card_pb2, card_state_pb2
from toroku.qualification.v1 import bidder_state_pb2

TONIGHT = datetime(2026, 11, 27, 13, 0, tzinfo=UTC)
DONE, PLANNED, NOT_GOOD = ("DONE", ""), ("PLANNED", ""), ("REFUSED", "CARD_NOT_GOOD")
BY_PROPAGATION = card_pb2.REGISTRATION_ORIGIN_PROPAGATION
SUSPENDED_THERE = card_state_pb2.REGISTRATION_STATE_SUSPENDED


@pytest.fixture
async def sync(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningAgencySync]:
    """The service of an instance with a night batch at 22:00."""
    profile = example_profile(propagation="night", propagation_at="22:00")
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, profile) as running:
        await running.qualify(PREFECTURE, CITY, TOWN, VILLAGE)
        yield running


def card_at_three(registration_id: UUID, number: int = 1) -> card_state_pb2.CardState:
    """A card that registered at the prefecture, and by propagation at the city and the town."""
    more = [agency_registration(agency, origin=BY_PROPAGATION) for agency in (CITY, TOWN)]
    return card_state(registration_id, number=number, more=more)


async def change(sync: RunningAgencySync, registration_id: UUID, *agencies: str) -> UUID:
    """The card of a registration changes its contacts, which these agencies follow."""
    change_id = uuid4()
    await sync.plan_changes(owner_with_change(change_id, registration_id, agencies, made_at=sync.now[0]))
    return change_id


async def come_night(sync: RunningAgencySync) -> None:
    sync.now[0] = TONIGHT
    await sync.propagate_changes()


@pytest.mark.every_postgresql
@pytest.mark.requirement("CHG-02")
@pytest.mark.requirement("SYN-05")
async def test_change_counts_at_the_other_agencies_from_the_night_on(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_at_three(uuid4()))
    change_id = await change(sync, registration_id, CITY, TOWN)
    await sync.propagate_changes()
    assert sync.contact_notification.change_requests == []
    assert await sync.propagations(change_id) == {CITY: PLANNED, TOWN: PLANNED}
    request = agency_sync_pb2.ListPropagationsRequest(registration_id=str(change_id), agency=PREFECTURE)
    planned = (await sync.from_officer.ListPropagations(request)).propagations
    assert {(each.kind, each.planned_at.ToDatetime(UTC)) for each in planned} == {
        (propagation_pb2.PROPAGATION_KIND_CHANGE, TONIGHT)
    }
    await come_night(sync)
    assert sync.contact_notification.agencies_of(change_id) == {CITY, TOWN}
    assert await sync.propagations(change_id) == {CITY: DONE, TOWN: DONE}
    await sync.propagate_changes()
    assert len(sync.contact_notification.change_requests) == 1


async def test_change_whose_owners_state_came_after_the_night_is_carried_out_at_once(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_at_three(uuid4()))
    sync.now[0] = TONIGHT + timedelta(hours=2)
    change_id = uuid4()
    await sync.plan_changes(owner_with_change(change_id, registration_id, [CITY], made_at=MORNING))
    await sync.propagate_changes()
    assert sync.contact_notification.agencies_of(change_id) == {CITY}


@pytest.mark.requirement("CHG-02")
async def test_change_of_both_contacts_is_one_plan_for_the_agencies_of_both(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_at_three(uuid4()))
    change_id = uuid4()
    of_card = owner_with_change(change_id, registration_id, [CITY], made_at=MORNING)
    of_bidder = owner_with_change(
        change_id, registration_id, [CITY, TOWN], made_at=MORNING, purpose=ContactPurpose.REPRESENTATIVE
    )
    await sync.plan_changes(of_card)
    await sync.plan_changes(of_bidder, of_card)
    await come_night(sync)
    (request,) = sync.contact_notification.change_requests
    assert {agency.agency: list(agency.change_ids) for agency in request.agencies} == {
        CITY: [str(change_id)],
        TOWN: [str(change_id)],
    }


async def test_agency_that_the_second_owner_adds_while_the_first_is_carried_out_is_not_lost(
    sync: RunningAgencySync,
) -> None:
    registration_id = await sync.record(card_at_three(uuid4()))
    change_id = await change(sync, registration_id, CITY)

    async def add() -> None:
        sync.contact_notification.before_answer = None
        await sync.plan_changes(owner_with_change(change_id, registration_id, [TOWN], made_at=MORNING))

    sync.contact_notification.before_answer = add
    await come_night(sync)
    await sync.propagate_changes()
    assert sync.contact_notification.agencies_of(change_id) == {CITY, TOWN}
    assert await sync.propagations(change_id) == {CITY: DONE, TOWN: DONE}


@pytest.mark.requirement("CHG-02")
async def test_agency_that_suspended_the_card_before_the_night_refuses_the_change(sync: RunningAgencySync) -> None:
    card = card_at_three(uuid4())
    registration_id = await sync.record(card)
    # At the village another card of the bidder is registered.
    change_id = await change(sync, registration_id, CITY, TOWN, VILLAGE)
    card.version.number, card.registrations[1].state = 2, SUSPENDED_THERE
    await sync.record(card)
    await come_night(sync)
    assert await sync.propagations(change_id) == {CITY: NOT_GOOD, TOWN: DONE, VILLAGE: DONE}
    assert sync.contact_notification.agencies_of(change_id) == {TOWN, VILLAGE}


@pytest.mark.requirement("CHG-02")
async def test_change_with_a_card_that_was_undone_before_the_night_counts_nowhere_else(sync: RunningAgencySync) -> None:
    card = card_at_three(uuid4())
    registration_id = await sync.record(card)
    change_id = await change(sync, registration_id, CITY, TOWN)
    card.version.number, card.binding = 2, card_state_pb2.BINDING_STATE_RELEASED
    await sync.record(card)
    await come_night(sync)
    assert await sync.propagations(change_id) == {CITY: NOT_GOOD, TOWN: NOT_GOOD}
    assert sync.contact_notification.change_requests == []


@pytest.mark.requirement("CHG-02")
@pytest.mark.parametrize("suspends", ["the card", "the registration", "the bidder"])
async def test_change_waits_while_its_card_or_bidder_is_suspended(sync: RunningAgencySync, suspends: str) -> None:
    card = card_at_three(uuid4())
    registration_id = await sync.record(card)
    change_id = await change(sync, registration_id, CITY)
    card.version.number = 2
    if suspends == "the bidder":
        await sync.record_bidders(bidder_state(1, status=bidder_state_pb2.BIDDER_STATUS_SUSPENDED))
    elif suspends == "the card":
        card.suspended = True
    else:
        card.registrations[0].state = SUSPENDED_THERE
    await sync.record(card)
    await come_night(sync)
    reason = "BIDDER_SUSPENDED" if suspends == "the bidder" else "PROPAGATION_SUSPENDED"
    assert await sync.propagations(change_id) == {CITY: ("PLANNED", reason)}
    await sync.record_bidders(bidder_state(2))
    await sync.record(card_at_three(registration_id, 3))
    await sync.propagate_changes()
    assert await sync.propagations(change_id) == {CITY: DONE}


@pytest.mark.requirement("REN-04")
async def test_change_before_a_renewal_of_the_same_day_still_counts(sync: RunningAgencySync) -> None:
    card = card_at_three(uuid4())
    registration_id = await sync.record(card)
    change_id = await change(sync, registration_id, CITY)
    card.version.number, card.registrations[0].replaced_by = 2, bytes(32)
    card.registrations[0].state = card_state_pb2.REGISTRATION_STATE_REPLACED
    await sync.record(card)
    await come_night(sync)
    assert await sync.propagations(change_id) == {CITY: DONE}


async def test_change_that_is_known_before_its_card_waits_for_the_cards_state(sync: RunningAgencySync) -> None:
    registration_id = uuid4()
    change_id = await change(sync, registration_id, CITY)
    await come_night(sync)
    assert await sync.propagations(change_id) == {CITY: PLANNED}
    assert sync.contact_notification.change_requests == []
    await sync.record(card_at_three(registration_id))
    await sync.propagate_changes()
    assert await sync.propagations(change_id) == {CITY: DONE}


async def test_change_that_contact_notification_does_not_know_is_refused(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_at_three(uuid4()))
    known, lost = await change(sync, registration_id, CITY), await change(sync, registration_id, CITY)
    sync.contact_notification.unknown_changes = {str(lost)}
    await come_night(sync)
    assert await sync.propagations(known) == {CITY: DONE}
    assert await sync.propagations(lost) == {CITY: ("REFUSED", "CHANGE_UNKNOWN")}


async def test_contact_notification_that_is_away_keeps_no_registration_waiting_and_loses_no_change(
    sync: RunningAgencySync,
) -> None:
    registration_id = await sync.record(card_state())
    change_id = await change(sync, registration_id, CITY)
    sync.contact_notification.failing = True
    with pytest.raises(Refusal, match="INTERNAL_FAILURE"):
        await come_night(sync)
    await sync.propagate()
    assert (await sync.propagations(registration_id))[CITY] == DONE
    assert await sync.propagations(change_id) == {CITY: PLANNED}
    sync.contact_notification.failing = False
    await sync.propagate_changes()
    assert await sync.propagations(change_id) == {CITY: DONE}


async def test_restore_of_contact_notification_opens_a_change_that_it_names_again(sync: RunningAgencySync) -> None:
    registration_id = await sync.record(card_at_three(uuid4()))
    change_id = uuid4()
    owner = owner_with_change(change_id, registration_id, [CITY], made_at=MORNING)
    await sync.plan_changes(owner)
    await come_night(sync)
    await sync.plan_changes(owner)
    await sync.propagate_changes()
    assert len(sync.contact_notification.change_requests) == 1, "the same state again changes nothing"
    await sync.plan_changes(owner_with_change(change_id, registration_id, [CITY], made_at=MORNING, epoch=2))
    await sync.propagate_changes()
    assert len(sync.contact_notification.change_requests) == 2


async def test_five_hundred_changes_are_planned_and_carried_out_as_one_is(sync: RunningAgencySync) -> None:
    counts: list[int] = []
    registration_id = await sync.record(card_at_three(uuid4()))
    for number in (1, 499):
        owners = [owner_with_change(uuid4(), registration_id, [CITY, TOWN], made_at=MORNING) for _ in range(number)]
        sync.now[0] = TONIGHT
        sync.contact_notification.calls.clear()
        with counted_statements() as statements:
            await sync.plan_changes(*owners)
            await sync.propagate_changes()
        counts.append(len(statements))
        assert sync.contact_notification.calls == {"PropagateChanges": 1}
    assert counts[0] == counts[1] <= 8
    assert len(sync.contact_notification.counting) == 2 * 500


@pytest.mark.requirement("SYN-05")
async def test_card_lists_what_it_did_at_an_agency_the_newest_first(sync: RunningAgencySync) -> None:
    card = card_at_three(uuid4())
    registration_id = await sync.record(card)
    sync.pass_time(timedelta(minutes=5))
    change_id = await change(sync, registration_id, CITY)
    await sync.record(card_state())

    async def list_of(agency: str, category: str = "works") -> list[tuple[str, str, int]]:
        request = agency_sync_pb2.ListPropagationsOfCardRequest(
            certificate_sha256=card.certificate_sha256, category=category, agency=agency
        )
        response = await sync.from_front_door.ListPropagationsOfCard(request)
        assert response.as_of.ToDatetime(UTC) == sync.now[0]
        return [(each.registration_id, each.agency, each.kind) for each in response.propagations]

    of_registration, of_change = propagation_pb2.PROPAGATION_KIND_REGISTRATION, propagation_pb2.PROPAGATION_KIND_CHANGE
    assert await list_of(PREFECTURE) == [
        (str(change_id), CITY, of_change),
        *((str(registration_id), agency, of_registration) for agency in (CITY, TOWN, VILLAGE)),
    ]
    assert await list_of(CITY) == await list_of("nowhere") == await list_of(PREFECTURE, "goods") == []
    with pytest.raises(Refusal, match="CERTIFICATE_SHA256_INVALID"):
        await sync.from_front_door.ListPropagationsOfCard(
            agency_sync_pb2.ListPropagationsOfCardRequest(certificate_sha256=b"short", agency=PREFECTURE)
        )
