"""Renewals at the other agencies: to which they go, when, and what they take over from the card before."""

from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from refusals import Refusal
from tests.support.example_profile import CITY, PREFECTURE, TOWN, VILLAGE, example_profile
from tests.support.services.agency_sync import (
    RunningAgencySync,
    agency_registration,
    bidder_state,
    card_state,
    running_agency_sync,
)
from tests.support.statements import counted_statements
from toroku.certificate.v1 import card_pb2, card_state_pb2

GOOD = card_state_pb2.REGISTRATION_STATE_GOOD
SUSPENDED = card_state_pb2.REGISTRATION_STATE_SUSPENDED
REPLACED = card_state_pb2.REGISTRATION_STATE_REPLACED
BY_PROPAGATION = card_pb2.REGISTRATION_ORIGIN_PROPAGATION
BY_RENEWAL = card_pb2.REGISTRATION_ORIGIN_RENEWAL


@pytest.fixture
async def sync(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningAgencySync]:
    """The service on an empty database; the bidder is qualified at all four agencies."""
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, example_profile()) as running:
        await running.qualify(PREFECTURE, CITY, TOWN, VILLAGE)
        yield running


class Renewal:
    """A card that is registered at the prefecture and, by propagation, at others; and the one that takes its place."""

    def __init__(self) -> None:
        self.old_id, self.new_id = uuid4(), uuid4()

    def old(
        self, number: int = 1, *, at: Sequence[str] = (), replaced: bool = False, **states: Any
    ) -> card_state_pb2.CardState:
        """The old card's state; `states` by agency are those of its other registrations."""
        state = card_state(
            self.old_id,
            number=number,
            more=[agency_registration(agency, origin=BY_PROPAGATION) for agency in at]
            + [agency_registration(agency, origin=BY_PROPAGATION, state=other) for agency, other in states.items()],
        )
        if replaced:
            state.registrations[0].state = REPLACED
            state.registrations[0].replaced_by = sha256(self.new_id.bytes).digest()
        return state

    def new(
        self,
        number: int = 1,
        *,
        stays_here: bool = False,
        more: Sequence[card_state_pb2.AgencyRegistration] = (),
        **changes: Any,
    ) -> card_state_pb2.CardState:
        """The new card's state."""
        state = card_state(self.new_id, number=number, origin=BY_RENEWAL, more=more, **changes)
        state.registrations[0].predecessor = sha256(self.old_id.bytes).digest()
        state.registrations[0].stays_here = stays_here
        return state


def _requested(sync: RunningAgencySync, source: UUID) -> set[str]:
    """The agencies at which a registration was asked for."""
    return {
        propagation.agency
        for request in sync.certificate_registry.propagation_requests
        for propagation in request.agencies
        if str(source) in propagation.registration_ids
    }


def _taking_over(sync: RunningAgencySync) -> set[str]:
    return {each for request in sync.certificate_registry.propagation_requests for each in request.taking_over_ids}


async def _prepare(sync: RunningAgencySync, *agencies: str) -> Renewal:
    """A card that was registered and propagated to these agencies."""
    renewal = Renewal()
    await sync.record(renewal.old())
    await sync.propagate()
    await sync.record(renewal.old(2, at=agencies))
    sync.certificate_registry.propagation_requests.clear()
    return renewal


async def test_renewal_goes_to_the_agencies_where_the_old_card_is_good(sync: RunningAgencySync) -> None:
    renewal = await _prepare(sync)
    await sync.record(renewal.old(3, at=[CITY], replaced=True, **{TOWN: SUSPENDED, VILLAGE: REPLACED}), renewal.new())
    assert await sync.propagations(renewal.new_id) == {CITY: ("PLANNED", "")}
    await sync.propagate()
    assert _requested(sync, renewal.new_id) == {CITY}
    assert _taking_over(sync) == set()
    assert await sync.propagations(renewal.new_id) == {CITY: ("DONE", "")}


async def test_renewal_that_stays_here_goes_nowhere(sync: RunningAgencySync) -> None:
    renewal = await _prepare(sync, CITY, TOWN)
    await sync.record(renewal.old(3, at=[CITY, TOWN], replaced=True), renewal.new(stays_here=True))
    await sync.propagate()
    assert sync.certificate_registry.propagation_requests == []
    assert await sync.propagations(renewal.new_id) == {}
    # What the registration had been propagated to is shown as before.
    assert (await sync.propagations(renewal.old_id))[CITY] == ("DONE", "")


async def test_agency_judges_the_new_card_by_its_own_rule(sync: RunningAgencySync) -> None:
    renewal = await _prepare(sync, CITY, TOWN)
    await sync.qualify(PREFECTURE, CITY)
    await sync.record(renewal.old(3, at=[CITY, TOWN], replaced=True), renewal.new())
    await sync.propagate()
    assert _requested(sync, renewal.new_id) == {CITY}
    assert await sync.propagations(renewal.new_id) == {
        CITY: ("DONE", ""),
        TOWN: ("REFUSED", "BIDDER_NOT_QUALIFIED"),
    }


async def test_old_card_is_replaced_also_where_the_new_one_is_registered(sync: RunningAgencySync) -> None:
    renewal = await _prepare(sync, CITY, TOWN)
    more = [agency_registration(CITY), agency_registration(TOWN, state=SUSPENDED)]
    await sync.record(renewal.old(3, at=[CITY, TOWN], replaced=True), renewal.new(more=more))
    await sync.propagate()
    assert _requested(sync, renewal.new_id) == {CITY}


async def test_renewal_waits_for_the_state_that_says_where_the_old_card_is_good(sync: RunningAgencySync) -> None:
    renewal = await _prepare(sync)
    await sync.record(renewal.new())
    await sync.propagate()
    assert sync.certificate_registry.propagation_requests == []
    await sync.record(renewal.old(3, at=[CITY], replaced=True))
    await sync.propagate()
    assert _requested(sync, renewal.new_id) == {CITY}


@pytest.mark.parametrize("order", ["both", "old first", "new first"])
async def test_plan_of_the_old_card_goes_over_to_the_new_one(sync: RunningAgencySync, order: str) -> None:
    renewal = Renewal()
    await sync.record(renewal.old())
    old, new = renewal.old(2, replaced=True), renewal.new()
    orders: dict[str, list[list[card_state_pb2.CardState]]] = {
        "both": [[old, new]],
        "old first": [[old], [new]],
        "new first": [[new], [old]],
    }
    for states in orders[order]:
        await sync.record(*states)
    await sync.propagate()
    assert _requested(sync, renewal.old_id) == set()
    assert _requested(sync, renewal.new_id) == {CITY, TOWN, VILLAGE}
    assert _taking_over(sync) == {str(renewal.new_id)}
    assert {state for state, _ in (await sync.propagations(renewal.new_id)).values()} == {"DONE"}
    assert set((await sync.propagations(renewal.old_id)).values()) == {("REFUSED", "CARD_NOT_GOOD")}


async def test_plan_of_the_old_card_is_void_where_the_others_do_not_follow(sync: RunningAgencySync) -> None:
    renewal = Renewal()
    await sync.record(renewal.old())
    await sync.record(renewal.old(2, replaced=True), renewal.new(stays_here=True))
    await sync.propagate()
    assert sync.certificate_registry.propagation_requests == []
    assert set((await sync.propagations(renewal.old_id)).values()) == {("REFUSED", "CARD_NOT_GOOD")}


async def test_plan_that_is_taken_over_while_it_is_carried_out_is_done_by_the_new_card(
    sync: RunningAgencySync,
) -> None:
    renewal = Renewal()
    await sync.record(renewal.old())

    async def renew() -> None:
        sync.certificate_registry.before_answer = None
        await sync.record(renewal.old(2, at=[CITY], replaced=True), renewal.new())

    sync.certificate_registry.before_answer = renew
    await sync.propagate()
    await sync.propagate()
    assert _requested(sync, renewal.new_id) == {CITY, TOWN, VILLAGE}


async def test_end_of_the_new_card_voids_its_renewal(sync: RunningAgencySync) -> None:
    renewal = await _prepare(sync, CITY)
    await sync.record(renewal.old(3, at=[CITY], replaced=True), renewal.new())
    await sync.record(renewal.new(2, binding=card_state_pb2.BINDING_STATE_RELEASED))
    await sync.propagate()
    assert sync.certificate_registry.propagation_requests == []
    assert await sync.propagations(renewal.new_id) == {CITY: ("REFUSED", "CARD_NOT_GOOD")}


async def test_suspended_bidder_has_its_renewal_wait(sync: RunningAgencySync) -> None:
    renewal = await _prepare(sync, CITY)
    await sync.record_bidders(bidder_state(1, suspended_agencies=[PREFECTURE]))
    await sync.record(renewal.old(3, at=[CITY], replaced=True), renewal.new())
    await sync.propagate()
    assert await sync.propagations(renewal.new_id) == {CITY: ("PLANNED", "BIDDER_SUSPENDED")}
    await sync.record_bidders(bidder_state(2))
    await sync.propagate()
    assert _requested(sync, renewal.new_id) == {CITY}


async def test_newer_state_of_the_old_card_has_a_refused_renewal_judged_again(sync: RunningAgencySync) -> None:
    renewal = await _prepare(sync, CITY)
    sync.certificate_registry.cards_not_good.add(str(renewal.new_id))
    await sync.record(renewal.old(3, at=[CITY], replaced=True), renewal.new())
    await sync.propagate()
    assert await sync.propagations(renewal.new_id) == {CITY: ("REFUSED", "CARD_NOT_GOOD")}
    sync.certificate_registry.cards_not_good.clear()
    await sync.record(renewal.old(4, at=[CITY], replaced=True))
    await sync.propagate()
    assert await sync.propagations(renewal.new_id) == {CITY: ("DONE", "")}


async def test_repeated_and_older_states_change_nothing(sync: RunningAgencySync) -> None:
    renewal = await _prepare(sync, CITY)
    states = renewal.old(3, at=[CITY], replaced=True), renewal.new()
    await sync.record(*states)
    await sync.propagate()
    await sync.record(*states)
    await sync.record(renewal.old(2, at=[CITY]))
    await sync.propagate()
    assert len(sync.certificate_registry.propagation_requests) == 1


async def test_renewals_take_as_many_statements_whatever_their_number(sync: RunningAgencySync) -> None:
    counts = []
    for many in (1, 3):
        renewals = [await _prepare(sync, CITY) for _ in range(many)]
        with counted_statements() as statements:
            await sync.record(
                *(state for each in renewals for state in (each.old(3, at=[CITY], replaced=True), each.new()))
            )
        together = len(statements)
        with counted_statements() as statements:
            await sync.record(*(each.new(2) for each in renewals))
        counts.append((together, len(statements)))
    with counted_statements() as statements:
        await sync.record(card_state())
    alone = len(statements)
    # The state of the other card is read where it did not come along; a registration has no other card. Nothing that
    # is to be carried out is new in the second message.
    assert counts == [(alone, 6), (alone, 6)]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"predecessor": b""}, "registrations.predecessor"),
        ({"predecessor": b"short"}, "registrations.predecessor"),
        ({"replaced_by": b"short"}, "registrations.replaced_by"),
    ],
)
async def test_malformed_card_hash_is_refused(sync: RunningAgencySync, changes: dict[str, bytes], part: str) -> None:
    state = Renewal().new()
    for name, value in changes.items():
        setattr(state.registrations[0], name, value)
    with pytest.raises(Refusal, match="CARD_STATE_INVALID") as refused:
        await sync.record(state)
    assert refused.value.metadata["part"] == part
