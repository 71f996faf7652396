"""What the states of two cards, of which one took the other's place, do to the intentions of both."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

import pytest

from agency_sync.domain.card_state import (
    AgencyRegistration,
    CardKey,
    CardState,
    CompanyComparison,
    HolderComparison,
    KeptState,
    Origin,
    Proven,
    RegistrationState,
)
from agency_sync.domain.intention import IntentionKind, IntentionState, KeptIntention
from agency_sync.domain.intention_changes import IntentionChanges, find_changes
from servicekit.versions import Version

OLD, NEW = (b"\x01" * 32, "works"), (b"\x02" * 32, "works")
OLD_HERE, OLD_THERE, NEW_HERE = uuid4(), uuid4(), uuid4()
HERE, THERE = "city", "town"
GOOD, REPLACED = RegistrationState.GOOD, RegistrationState.REPLACED
OPEN, WAITING, DONE = IntentionState.OPEN, IntentionState.WAITING, IntentionState.DONE
REGISTRATION, RENEWAL = IntentionKind.REGISTRATION, IntentionKind.RENEWAL


def state(key: CardKey, registrations: Mapping[str, AgencyRegistration], *, number: int = 2) -> CardState:
    return CardState(
        certificate_sha256=key[0],
        category=key[1],
        version=Version(1, number),
        bidder_id="1",
        is_live=True,
        is_suspended=False,
        proven=Proven(True, CompanyComparison.SAME, HolderComparison.CONTRACT_PARTY),
        registrations=registrations,
    )


REGISTERED = AgencyRegistration(OLD_HERE, GOOD, Origin.CONTRACTOR)
ELSEWHERE = AgencyRegistration(OLD_THERE, GOOD, Origin.PROPAGATION)
BEFORE = state(OLD, {HERE: REGISTERED, THERE: ELSEWHERE})
AFTER = state(OLD, {HERE: replace(REGISTERED, state=REPLACED, replaced_by=NEW[0]), THERE: ELSEWHERE}, number=3)
RENEWED = AgencyRegistration(NEW_HERE, GOOD, Origin.RENEWAL, predecessor=OLD[0])
SUCCESSOR = state(NEW, {HERE: RENEWED})
STAYING = state(NEW, {HERE: replace(RENEWED, stays_here=True)})
KEPT = KeptState(Version(1, 1), frozenset({OLD_HERE, OLD_THERE}))


def of_old(intention_state: IntentionState, kind: IntentionKind = REGISTRATION) -> KeptIntention:
    return KeptIntention(OLD_HERE, OLD, HERE, 1, intention_state, kind)


def of_new(intention_state: IntentionState, kind: IntentionKind = RENEWAL) -> KeptIntention:
    return KeptIntention(NEW_HERE, NEW, HERE, 1, intention_state, kind)


def changes(
    *written: CardState, known: Sequence[CardState] = (), kept: Sequence[KeptIntention] = ()
) -> IntentionChanges:
    replaced = {one.key: KEPT if one.key == OLD else None for one in written}
    if any(intention.card == NEW for intention in kept):
        replaced = {
            key: KeptState(Version(1, 1), frozenset({NEW_HERE})) if key == NEW else replaced[key] for key in replaced
        }
    return find_changes(replaced, {one.key: one for one in (*known, *written)}, kept)


def test_renewal_opens_an_intention_of_its_own_kind() -> None:
    assert changes(SUCCESSOR, AFTER, kept=[of_old(DONE)]) == IntentionChanges([of_new(OPEN)], [])
    assert changes(SUCCESSOR, known=[AFTER], kept=[of_old(DONE)]) == IntentionChanges([of_new(OPEN)], [])


def test_renewal_that_stays_here_opens_none() -> None:
    assert changes(STAYING, AFTER, kept=[of_old(DONE)]) == IntentionChanges([], [])


def test_renewal_waits_for_the_state_of_the_old_card() -> None:
    for known in ([], [BEFORE]):
        assert changes(SUCCESSOR, known=known, kept=[of_old(DONE)]) == IntentionChanges([of_new(WAITING)], [])
    came = changes(AFTER, known=[SUCCESSOR], kept=[of_old(DONE), of_new(WAITING)])
    assert came == IntentionChanges([], [of_new(OPEN)])
    # It was carried out long ago.
    assert changes(AFTER, known=[SUCCESSOR], kept=[of_old(DONE), of_new(DONE)]) == IntentionChanges([], [])


@pytest.mark.parametrize("planned", [OPEN, WAITING])
def test_renewal_takes_over_what_was_not_carried_out(planned: IntentionState) -> None:
    expected = IntentionChanges([of_new(OPEN, REGISTRATION)], [of_old(DONE)])
    assert changes(SUCCESSOR, AFTER, kept=[of_old(planned)]) == expected
    assert changes(AFTER, SUCCESSOR, kept=[of_old(planned)]) == expected
    assert changes(SUCCESSOR, known=[AFTER], kept=[of_old(planned)]) == expected


def test_states_of_both_cards_may_come_in_any_order() -> None:
    # The old card's first: nothing is known of the new one yet.
    first = changes(AFTER, kept=[of_old(OPEN)])
    assert first == IntentionChanges([], [of_old(WAITING)])
    then = changes(SUCCESSOR, known=[AFTER], kept=first.changed)
    assert then == IntentionChanges([of_new(OPEN, REGISTRATION)], [of_old(DONE)])
    # The new card's first: that it took the other's place is known from it.
    first = changes(SUCCESSOR, known=[BEFORE], kept=[of_old(OPEN)])
    assert first == IntentionChanges([of_new(WAITING, REGISTRATION)], [of_old(DONE)])
    then = changes(AFTER, known=[SUCCESSOR], kept=[of_old(DONE), of_new(WAITING, REGISTRATION)])
    assert then == IntentionChanges([], [of_new(OPEN, REGISTRATION)])


def test_registration_that_is_first_heard_of_when_it_is_replaced_is_taken_over() -> None:
    known = {OLD: AFTER, NEW: SUCCESSOR}
    heard = find_changes({OLD: None}, known, [of_new(DONE)])
    assert heard == IntentionChanges([of_old(DONE)], [of_new(OPEN, REGISTRATION)])


def test_what_the_other_agencies_do_not_follow_is_void() -> None:
    assert changes(STAYING, AFTER, kept=[of_old(OPEN)]) == IntentionChanges([], [of_old(DONE)])
    assert changes(STAYING, known=[AFTER], kept=[of_old(WAITING)]) == IntentionChanges([], [of_old(DONE)])


def test_end_of_the_new_card_voids_its_renewal() -> None:
    ended = replace(SUCCESSOR, is_live=False, registrations={HERE: replace(RENEWED, state=RegistrationState.ENDED)})
    for kind in IntentionKind:
        assert changes(ended, known=[AFTER], kept=[of_new(OPEN, kind)]) == IntentionChanges([], [of_new(DONE, kind)])


def test_suspension_of_the_new_card_has_its_renewal_wait() -> None:
    suspended = replace(SUCCESSOR, is_suspended=True)
    assert changes(suspended, known=[AFTER], kept=[of_new(OPEN)]) == IntentionChanges([], [of_new(WAITING)])
    assert changes(SUCCESSOR, known=[AFTER], kept=[of_new(WAITING)]) == IntentionChanges([], [of_new(OPEN)])


def test_renewal_of_a_renewal_takes_over_no_renewal() -> None:
    renewed = replace(RENEWED, registration_id=OLD_HERE, predecessor=b"\x00" * 32)
    replaced = state(OLD, {HERE: replace(renewed, state=REPLACED, replaced_by=NEW[0])}, number=3)
    found = changes(replaced, SUCCESSOR, kept=[of_old(OPEN, RENEWAL)])
    assert found == IntentionChanges([of_new(OPEN)], [of_old(DONE, RENEWAL)])


def test_card_that_an_officer_linked_to_an_expired_one_is_propagated_as_any_other() -> None:
    linked = state(NEW, {HERE: AgencyRegistration(NEW_HERE, GOOD, Origin.CONTRACTOR, predecessor=OLD[0])})
    assert changes(linked, known=[BEFORE], kept=[of_old(OPEN)]) == IntentionChanges([of_new(OPEN, REGISTRATION)], [])


def test_restore_opens_a_renewal_again() -> None:
    restored = replace(SUCCESSOR, version=Version(2, 1))
    found = changes(restored, known=[AFTER], kept=[of_new(DONE)])
    assert found == IntentionChanges([replace(of_new(OPEN), epoch=2)], [])
