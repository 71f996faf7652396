"""What is to be propagated where, and what became of it. No gRPC, no SQL, no clock."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """The version of a registration: compared by epoch, then by number."""

    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration as its event tells it."""

    registration_id: UUID
    agency: str
    category: str
    certificate_sha256: bytes
    bidder_id: str
    registered_at: datetime
    by_propagation: bool
    version: Version


class Timing(StrEnum):
    """When an intention is carried out (SYN-02)."""

    AT_ONCE = "at_once"
    NIGHT = "night"


class IntentionState(StrEnum):
    """Whether an intention is still to be carried out. A newer version of its registration opens it again."""

    OPEN = "open"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Intention:
    """This registration, to all other agencies. Which those are is decided when it is carried out."""

    registration_id: UUID
    agency: str
    category: str
    bidder_id: str
    version: Version


class PropagationState(StrEnum):
    """How far a registration has come at one further agency (SYN-05)."""

    PLANNED = "planned"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Propagation:
    """One registration on its way to one further agency; `reason` is one of the catalogue where it is refused."""

    registration_id: UUID
    agency: str
    state: PropagationState
    reason: str
    # The registration that stands there now, where it is done.
    target_id: UUID | None
    updated_at: datetime


NOT_QUALIFIED = "BIDDER_NOT_QUALIFIED"
CARD_NOT_GOOD = "CARD_NOT_GOOD"
REGISTRATION_UNKNOWN = "REGISTRATION_UNKNOWN"

# A registration and a further agency.
Pair = tuple[UUID, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the registry of cards said about one pair; an empty reason means that it stands there."""

    reason: str
    target_id: UUID | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What one batch of intentions comes to: whom to ask, and what need not be asked."""

    # Registrations to make, by agency.
    wanted: Mapping[str, Sequence[UUID]]
    not_qualified: Collection[Pair]


def plan(
    intentions: Iterable[Intention],
    *,
    offering: Mapping[str, Collection[str]],
    qualified: Mapping[tuple[str, str], Collection[str]],
) -> Plan:
    """Expands intentions to the other agencies.

    `offering` has the agencies that offer each category, `qualified` the agencies where each (category, bidder) is
    qualified. The registration's own agency is left out, and so is every agency that does not offer the category.
    """
    wanted: dict[str, list[UUID]] = {}
    not_qualified: list[Pair] = []
    for intention in intentions:
        allowed = qualified.get((intention.category, intention.bidder_id), ())
        for agency in offering.get(intention.category, ()):
            if agency == intention.agency:
                continue
            if agency in allowed:
                wanted.setdefault(agency, []).append(intention.registration_id)
            else:
                not_qualified.append((intention.registration_id, agency))
    return Plan(wanted, not_qualified)


def judge(made: Plan, answers: Mapping[Pair, Answer], now: datetime) -> Sequence[Propagation]:
    """The state of every pair of a plan that is known now; a pair without an answer is left out."""
    found = [
        Propagation(registration_id, agency, PropagationState.REFUSED, NOT_QUALIFIED, None, now)
        for registration_id, agency in made.not_qualified
    ]
    for agency, registration_ids in made.wanted.items():
        for registration_id in registration_ids:
            answer = answers.get((registration_id, agency))
            if answer is not None:
                state = PropagationState.REFUSED if answer.reason else PropagationState.DONE
                found.append(Propagation(registration_id, agency, state, answer.reason, answer.target_id, now))
    return found


def answered(intentions: Iterable[Intention], made: Plan, answers: Mapping[Pair, Answer]) -> Sequence[Intention]:
    """The intentions of which no pair waits for an answer any more."""
    missing = {
        registration_id
        for agency, registration_ids in made.wanted.items()
        for registration_id in registration_ids
        if (registration_id, agency) not in answers
    }
    return [intention for intention in intentions if intention.registration_id not in missing]


def with_planned(
    registration_id: UUID,
    known: Iterable[Propagation],
    *,
    own_agency: str,
    offering: Collection[str],
    planned_at: datetime | None,
) -> Sequence[Propagation]:
    """What a person is told (SYN-05): what is known, and, while the intention is open (`planned_at` is set), PLANNED
    for every other agency of the category. Ordered by agency."""
    shown = {propagation.agency: propagation for propagation in known}
    if planned_at is not None:
        for agency in offering:
            if agency != own_agency and agency not in shown:
                shown[agency] = Propagation(registration_id, agency, PropagationState.PLANNED, "", None, planned_at)
    return [shown[agency] for agency in sorted(shown)]
