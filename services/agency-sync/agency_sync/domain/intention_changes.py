"""What the new states of cards do to their intentions, and to those of the cards before and after them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from agency_sync.domain.card_state import (
    AgencyRegistration,
    CardKey,
    CardState,
    KeptState,
    Origin,
    RegistrationState,
)
from agency_sync.domain.intention import IntentionKind, IntentionState, KeptIntention, judge_change

_KINDS = {Origin.CONTRACTOR: IntentionKind.REGISTRATION, Origin.RENEWAL: IntentionKind.RENEWAL}
_KEPT_AWAY = (RegistrationState.GOOD, RegistrationState.SUSPENDED)


@dataclass(frozen=True, slots=True)
class IntentionChanges:
    """What new states of cards do to intentions: those opened, also anew, and others with their new state or kind."""

    opened: Sequence[KeptIntention]
    changed: Sequence[KeptIntention]


@dataclass(frozen=True, slots=True)
class _Judged:
    """An intention as it is wanted now; `kept` is the one that is stored, None where there is none."""

    wanted: KeptIntention
    kept: KeptIntention | None
    is_opened: bool

    @property
    def is_taken_over(self) -> bool:
        """Whether another card may take over what it intends: it was not carried out, or is to be once more."""
        return self.is_opened or self.kept is None or self.kept.state is not IntentionState.DONE


def find_changes(
    written: Mapping[CardKey, KeptState | None],
    states: Mapping[CardKey, CardState],
    kept: Iterable[KeptIntention],
) -> IntentionChanges:
    """Returns what new states of cards do to intentions.

    `written` are the cards with a new state, with the one that it replaced, None for a new card; `states` are the
    states of these, and of the cards before and after them as far as any is known; `kept` are the intentions of all.

    A contractor's registration that is new opens an intention, once; so does a renewal unless the other agencies do not
    follow. After a restore of certificate-registry (a higher epoch) each opens it again, because its registrations at
    other agencies may be gone. A registration made by propagation is not propagated again, or propagation would never
    end. A renewal waits until the other card's state says that its place was taken, since that one also says where else
    it is good. What was intended for a card whose place another one took is taken over by that one, or is void where
    the other agencies do not follow.
    """
    of_card: dict[CardKey, list[KeptIntention]] = defaultdict(list)
    for intention in kept:
        of_card[intention.card].append(intention)
    judged: dict[UUID, _Judged] = {}
    for key, before in written.items():
        judged |= _judge_card(states[key], before, of_card[key], states)
    for new, agency in _list_renewals(written, states):
        _hand_over(states[new], agency, states, of_card, judged)
    opened = [one.wanted for one in judged.values() if one.is_opened]
    changed = [
        one.wanted for one in judged.values() if not one.is_opened and one.kept is not None and one.wanted != one.kept
    ]
    return IntentionChanges(opened, changed)


def _judge_card(
    state: CardState, before: KeptState | None, kept: Iterable[KeptIntention], states: Mapping[CardKey, CardState]
) -> dict[UUID, _Judged]:
    """Returns the intentions of a card with a new state, as that one has them."""
    remaining = {intention.registration_id: intention for intention in kept}
    judged: dict[UUID, _Judged] = {}
    for agency, registration in state.registrations.items():
        if registration.origin is Origin.PROPAGATION or registration.stays_here:
            continue
        intention = remaining.pop(registration.registration_id, None)
        wanted = _judge_source(state, agency, registration, states)
        if _is_new(state, registration, before, intention):
            kind = intention.kind if intention is not None else _KINDS[registration.origin]
            opened = KeptIntention(registration.registration_id, state.key, agency, state.version.epoch, wanted, kind)
            judged[registration.registration_id] = _Judged(opened, intention, is_opened=True)
        elif intention is not None and intention.state is not IntentionState.DONE:
            judged[registration.registration_id] = _Judged(replace(intention, state=wanted), intention, is_opened=False)
    for intention in remaining.values():
        # The registration of an earlier binding has ended.
        wanted = IntentionState.DONE
        if intention.kind is IntentionKind.CHANGE and intention.state is not IntentionState.DONE:
            wanted = judge_change(
                state.registrations, intention.agency, is_live=state.is_live, is_suspended=state.is_suspended
            )
        judged[intention.registration_id] = _Judged(replace(intention, state=wanted), intention, is_opened=False)
    return judged


def _is_new(
    state: CardState, registration: AgencyRegistration, before: KeptState | None, intention: KeptIntention | None
) -> bool:
    if intention is not None:
        return intention.epoch < state.version.epoch
    return (
        before is None
        or before.version.epoch < state.version.epoch
        or registration.registration_id not in before.registration_ids
    )


def _judge_source(
    state: CardState, agency: str, registration: AgencyRegistration, states: Mapping[CardKey, CardState]
) -> IntentionState:
    """Returns the state of the intention of a registration whose card is in this state, before it is carried out."""
    if registration.state is RegistrationState.REPLACED and registration.origin is Origin.CONTRACTOR:
        # Another card takes it over, of which nothing is known yet.
        is_awaited = registration.replaced_by is not None and (registration.replaced_by, state.category) not in states
        return IntentionState.WAITING if is_awaited else IntentionState.DONE
    if not state.is_live or registration.state in (RegistrationState.REPLACED, RegistrationState.ENDED):
        return IntentionState.DONE
    if state.is_suspended or registration.state is RegistrationState.SUSPENDED:
        return IntentionState.WAITING
    if registration.origin is Origin.RENEWAL and not _has_left(state, agency, registration, states):
        return IntentionState.WAITING
    return IntentionState.OPEN


def _has_left(
    state: CardState, agency: str, registration: AgencyRegistration, states: Mapping[CardKey, CardState]
) -> bool:
    """Returns whether the card whose place was taken is known not to be at the agency any more."""
    if registration.predecessor is None:
        return True
    old = states.get((registration.predecessor, state.category))
    if old is None:
        return False
    there = old.registrations.get(agency)
    return there is None or there.state not in _KEPT_AWAY


def _list_renewals(
    written: Mapping[CardKey, KeptState | None], states: Mapping[CardKey, CardState]
) -> Sequence[tuple[CardKey, str]]:
    """Returns the cards that took others' places, with the agency, where one of the two has a new state."""
    found: dict[tuple[CardKey, str], None] = {}
    for key in written:
        for agency in states[key].list_predecessors():
            found[key, agency] = None
        for agency, new in states[key].list_successors().items():
            if new in states and states[new].list_predecessors().get(agency) == key:
                found[new, agency] = None
    return list(found)


def _hand_over(
    new: CardState,
    agency: str,
    states: Mapping[CardKey, CardState],
    of_card: Mapping[CardKey, Sequence[KeptIntention]],
    judged: dict[UUID, _Judged],
) -> None:
    """Hands what was intended for a card over to the one that took its place, and judges that one's renewal anew."""
    registration = new.registrations[agency]
    old_key = new.list_predecessors()[agency]
    source = _find(registration.registration_id, of_card.get(new.key, ()), judged)
    old = _find_at(states.get(old_key), agency, of_card, judged)
    taken_over = old is not None and old.wanted.kind is IntentionKind.REGISTRATION and old.is_taken_over
    if old is not None and taken_over:
        void = replace(old, wanted=replace(old.wanted, state=IntentionState.DONE))
        judged[old.wanted.registration_id] = void
    if source is None or source.wanted.card != new.key:
        return
    wanted = source.wanted
    is_open = source.is_opened or wanted.state is not IntentionState.DONE or taken_over
    if not is_open:
        return
    judged[registration.registration_id] = replace(
        source,
        wanted=replace(
            wanted,
            state=_judge_source(new, agency, registration, states),
            kind=IntentionKind.REGISTRATION if taken_over else wanted.kind,
        ),
    )


def _find(registration_id: UUID, kept: Iterable[KeptIntention], judged: Mapping[UUID, _Judged]) -> _Judged | None:
    if registration_id in judged:
        return judged[registration_id]
    for intention in kept:
        if intention.registration_id == registration_id:
            return _Judged(intention, intention, is_opened=False)
    return None


def _find_at(
    state: CardState | None,
    agency: str,
    of_card: Mapping[CardKey, Sequence[KeptIntention]],
    judged: Mapping[UUID, _Judged],
) -> _Judged | None:
    """Returns the intention of a card's registration at an agency, as it is wanted now."""
    if state is None or agency not in state.registrations:
        return None
    return _find(state.registrations[agency].registration_id, of_card.get(state.key, ()), judged)
