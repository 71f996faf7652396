"""To which agencies a registration is propagated, and the result at each of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from agency_sync.domain.intention import Intention, OpenIntention


class PropagationState(StrEnum):
    """How far a registration has come at one further agency (SYN-05)."""

    PLANNED = "planned"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Propagation:
    """The propagation of one registration to one further agency; where it is refused, `reason` is of the catalogue."""

    registration_id: UUID
    agency: str
    state: PropagationState
    reason: str
    # The card's registration at that agency, where the propagation is done.
    target_id: UUID | None
    updated_at: datetime


NOT_QUALIFIED = "BIDDER_NOT_QUALIFIED"
CARD_NOT_GOOD = "CARD_NOT_GOOD"
REGISTRATION_UNKNOWN = "REGISTRATION_UNKNOWN"

# A registration and a further agency.
Pair = tuple[UUID, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """certificate-registry's answer for one pair; an empty reason means that the card is registered there."""

    reason: str
    target_id: UUID | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch of intentions, expanded: the registrations to request, and the pairs that are refused without a call."""

    # The ids of the registrations to propagate, by agency.
    requested: Mapping[str, Sequence[UUID]]
    not_qualified: Collection[Pair]


def make_plan(
    intentions: Iterable[Intention],
    *,
    offering: Mapping[str, Collection[str]],
    qualified: Mapping[tuple[str, str], Collection[str]],
) -> Plan:
    """Returns the plan of a batch of intentions, for all other agencies (SYN-01).

    `offering` has the agencies that offer each category, `qualified` the agencies where each (category, bidder) is
    qualified. The registration's own agency is left out, and so is every agency that does not offer the category.
    """
    requested: dict[str, list[UUID]] = {}
    not_qualified: list[Pair] = []
    for intention in intentions:
        allowed = qualified.get((intention.category, intention.bidder_id), ())
        for agency in offering.get(intention.category, ()):
            if agency == intention.agency:
                continue
            if agency in allowed:
                requested.setdefault(agency, []).append(intention.registration_id)
            else:
                not_qualified.append((intention.registration_id, agency))
    return Plan(requested, not_qualified)


def judge_pairs(plan: Plan, answers: Mapping[Pair, Answer], now: datetime) -> Sequence[Propagation]:
    """Returns the state of every pair of a plan that is settled; a pair without an answer is left out."""
    propagations = [
        Propagation(registration_id, agency, PropagationState.REFUSED, NOT_QUALIFIED, None, now)
        for registration_id, agency in plan.not_qualified
    ]
    for agency, registration_ids in plan.requested.items():
        for registration_id in registration_ids:
            answer = answers.get((registration_id, agency))
            if answer is not None:
                state = PropagationState.REFUSED if answer.reason else PropagationState.DONE
                propagations.append(Propagation(registration_id, agency, state, answer.reason, answer.target_id, now))
    return propagations


def select_answered(intentions: Iterable[Intention], plan: Plan, answers: Mapping[Pair, Answer]) -> Sequence[Intention]:
    """Returns the intentions that have an answer for every pair of the plan."""
    unanswered = {
        registration_id
        for agency, registration_ids in plan.requested.items()
        for registration_id in registration_ids
        if (registration_id, agency) not in answers
    }
    return [intention for intention in intentions if intention.registration_id not in unanswered]


def add_planned(
    registration_id: UUID,
    propagations: Iterable[Propagation],
    *,
    intention: OpenIntention | None,
    offering: Mapping[str, Collection[str]],
) -> Sequence[Propagation]:
    """Returns the propagations of a registration as a person sees them (SYN-05), ordered by agency.

    Those recorded, and while the intention is open, PLANNED for every other agency that offers the category
    (`offering`: the agencies of each category).
    """
    shown = {propagation.agency: propagation for propagation in propagations}
    if intention is not None:
        for agency in offering.get(intention.category, ()):
            if agency != intention.agency and agency not in shown:
                shown[agency] = Propagation(
                    registration_id, agency, PropagationState.PLANNED, "", None, intention.planned_at
                )
    return [shown[agency] for agency in sorted(shown)]
