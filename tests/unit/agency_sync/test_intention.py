"""What the new state of a card does to its own intentions."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from agency_sync.domain.card_state import (
    AgencyRegistration,
    CardState,
    CompanyComparison,
    HolderComparison,
    KeptState,
    Origin,
    Proven,
    RegistrationState,
)
from agency_sync.domain.intention import IntentionState, KeptIntention
from agency_sync.domain.intention_changes import IntentionChanges
from agency_sync.domain.intention_changes import find_changes as find_changes_of_cards
from servicekit.versions import Version

CARD = (b"\x01" * 32, "works")
HERE, THERE = uuid4(), uuid4()
SECOND = Version(1, 2)
NOTHING = IntentionChanges([], [])


def card_state(
    *registrations: tuple[str, AgencyRegistration],
    version: Version = SECOND,
    is_live: bool = True,
    is_suspended: bool = False,
) -> CardState:
    return CardState(
        certificate_sha256=CARD[0],
        category=CARD[1],
        version=version,
        bidder_id="1",
        is_live=is_live,
        is_suspended=is_suspended,
        proven=Proven(True, CompanyComparison.SAME, HolderComparison.CONTRACT_PARTY),
        registrations=dict(registrations or [("city", registration(HERE))]),
    )


def registration(
    registration_id: UUID, state: RegistrationState = RegistrationState.GOOD, *, by_propagation: bool = False
) -> AgencyRegistration:
    return AgencyRegistration(registration_id, state, Origin.PROPAGATION if by_propagation else Origin.CONTRACTOR)


def find_changes(state: CardState, replaced: KeptState | None, kept: Sequence[KeptIntention]) -> IntentionChanges:
    return find_changes_of_cards({CARD: replaced}, {CARD: state}, kept)


def intention(state: IntentionState, *, epoch: int = 1, registration_id: UUID = HERE) -> KeptIntention:
    return KeptIntention(registration_id, CARD, "city", epoch, state)


def before(*registration_ids: UUID, epoch: int = 1) -> KeptState:
    return KeptState(Version(epoch, 1), frozenset(registration_ids))


def test_new_registration_of_a_contractor_opens_an_intention() -> None:
    made = ("town", registration(THERE, by_propagation=True))
    state = card_state(("city", registration(HERE)), made)
    opened = IntentionChanges([intention(IntentionState.OPEN)], [])
    assert find_changes(state, None, []) == opened
    assert find_changes(state, before(THERE), []) == opened


@pytest.mark.parametrize("kept", [IntentionState.OPEN, IntentionState.DONE])
def test_known_registration_opens_none(kept: IntentionState) -> None:
    assert find_changes(card_state(), before(HERE), [intention(kept)]) == NOTHING
    # Two deliveries at the same time: the other one wrote state and intention after this one looked for the state.
    assert find_changes(card_state(), None, [intention(kept)]) == NOTHING
    # The instance did not propagate when the registration was made.
    assert find_changes(card_state(), before(HERE), []) == NOTHING


@pytest.mark.parametrize("kept", list(IntentionState))
def test_higher_epoch_opens_it_again(kept: IntentionState) -> None:
    state = card_state(version=Version(2, 1))
    again = IntentionChanges([intention(IntentionState.OPEN, epoch=2)], [])
    assert find_changes(state, before(HERE), [intention(kept)]) == again
    assert find_changes(state, before(HERE), []) == again
    assert find_changes(state, before(HERE, epoch=2), [intention(IntentionState.DONE, epoch=2)]) == NOTHING


SOURCES = {
    "good": (card_state(), IntentionState.OPEN),
    "card suspended": (card_state(is_suspended=True), IntentionState.WAITING),
    "suspended here": (
        card_state(("city", registration(HERE, RegistrationState.SUSPENDED))),
        IntentionState.WAITING,
    ),
    "replaced here": (card_state(("city", registration(HERE, RegistrationState.REPLACED))), IntentionState.DONE),
    "ended here": (card_state(("city", registration(HERE, RegistrationState.ENDED))), IntentionState.DONE),
    "binding ended": (card_state(is_live=False), IntentionState.DONE),
    "binding ended while suspended": (card_state(is_live=False, is_suspended=True), IntentionState.DONE),
}


@pytest.mark.parametrize("kept", [IntentionState.OPEN, IntentionState.WAITING])
@pytest.mark.parametrize("source", SOURCES)
def test_intention_follows_the_state_of_card_and_registration(source: str, kept: IntentionState) -> None:
    state, wanted = SOURCES[source]
    changes = find_changes(state, before(HERE), [intention(kept)])
    assert changes == IntentionChanges([], [intention(wanted)] if wanted is not kept else [])
    assert find_changes(state, None, []) == IntentionChanges([intention(wanted)], [])


@pytest.mark.parametrize("source", SOURCES)
def test_finished_intention_stays_finished(source: str) -> None:
    state, _ = SOURCES[source]
    assert find_changes(state, before(HERE), [intention(IntentionState.DONE)]) == NOTHING


def test_registration_of_an_earlier_binding_is_void() -> None:
    old = intention(IntentionState.WAITING, registration_id=THERE)
    finished = intention(IntentionState.DONE, registration_id=uuid4())
    changes = find_changes(card_state(), before(HERE), [intention(IntentionState.OPEN), old, finished])
    assert changes == IntentionChanges([], [intention(IntentionState.DONE, registration_id=THERE)])
