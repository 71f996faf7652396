"""The intentions to propagate registrations: when, and what a card's state does to them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from agency_sync.domain.card_state import AgencyRegistration, CardKey, CardState, KeptState, Proven, RegistrationState
from servicekit.versions import Version


class IntentionState(StrEnum):
    """What is to be done with an intention."""

    # To be carried out.
    OPEN = "open"
    # Judged again when a newer state of the card says that it is good: the card or its registration is suspended, or
    # certificate-registry found the card not good.
    WAITING = "waiting"
    # Carried out, or void because the registration ended. A restore of certificate-registry opens it again.
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    """A registration to propagate to all other agencies, with what is known of its card.

    Which agencies those are is decided when it is carried out.
    """

    registration_id: UUID
    agency: str
    category: str
    bidder_id: str
    # The epoch of certificate-registry for which it was opened.
    epoch: int
    # The card's state that it is judged by.
    card_version: Version
    proven: Proven
    registrations: Mapping[str, AgencyRegistration]
    # Whether a registry refused it before, alone.
    was_refused: bool = False


@dataclass(frozen=True, slots=True)
class KeptIntention:
    """An intention, as it is kept for a card."""

    registration_id: UUID
    card: CardKey
    agency: str
    epoch: int
    state: IntentionState


@dataclass(frozen=True, slots=True)
class ListedIntention:
    """What the planned propagations of a registration are shown from, until its intention is done."""

    agency: str
    category: str
    state: IntentionState
    planned_at: datetime
    # For which reason a registry refused it, so that it waits for its next try; otherwise empty.
    refused_for: str


@dataclass(frozen=True, slots=True)
class IntentionChanges:
    """What the new state of a card does to its intentions: those opened, also anew, and others with their new state."""

    opened: Sequence[KeptIntention]
    changed: Sequence[KeptIntention]


def find_changes(state: CardState, before: KeptState | None, kept: Iterable[KeptIntention]) -> IntentionChanges:
    """Returns what the new state of a card does to its intentions.

    `before` is the state that it replaces, None for a new card; `kept` are the card's intentions. A contractor's
    registration that is new opens an intention, once; after a restore of certificate-registry (a higher epoch) each
    opens it again, because its registrations at other agencies may be gone. A registration made by propagation is not
    propagated again, or propagation would never end.
    """
    remaining = {intention.registration_id: intention for intention in kept}
    opened: list[KeptIntention] = []
    changed: list[KeptIntention] = []
    for agency, registration in state.registrations.items():
        if registration.by_propagation:
            continue
        intention = remaining.pop(registration.registration_id, None)
        wanted = _judge_source(state, registration)
        if _is_new(state, registration, before, intention):
            opened.append(KeptIntention(registration.registration_id, state.key, agency, state.version.epoch, wanted))
        elif intention is not None and intention.state not in (wanted, IntentionState.DONE):
            changed.append(replace(intention, state=wanted))
    # The registration of an earlier binding, which ended.
    changed += [
        replace(intention, state=IntentionState.DONE)
        for intention in remaining.values()
        if intention.state is not IntentionState.DONE
    ]
    return IntentionChanges(opened, changed)


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


def _judge_source(state: CardState, registration: AgencyRegistration) -> IntentionState:
    """Returns the state of the intention of a registration whose card is in this state, before it is carried out."""
    if not state.is_live or registration.state in (RegistrationState.REPLACED, RegistrationState.ENDED):
        return IntentionState.DONE
    if state.is_suspended or registration.state is RegistrationState.SUSPENDED:
        return IntentionState.WAITING
    return IntentionState.OPEN
