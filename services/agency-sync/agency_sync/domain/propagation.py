"""To which agencies a registration or change is propagated, and the result at each of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from agency_sync.domain.bidder_state import (
    BIDDER_SUSPENDED,
    COMPANY_NEEDS_OFFICER,
    HOLDER_NEEDS_OFFICER,
    JUDGED_BY_BIDDER,
    NOT_QUALIFIED,
)
from agency_sync.domain.card_state import CompanyComparison, HolderComparison, Proven, RegistrationState
from agency_sync.domain.intention import (
    BIDDER_AWAITED,
    Intention,
    IntentionKind,
    IntentionState,
    KeptIntention,
    ListedIntention,
)
from agency_sync.domain.offers import AgencyRule, Offering
from instance_profile.model import CompanyMatch, HolderRule


class PropagationState(StrEnum):
    """How far a registration has come at one further agency (SYN-05)."""

    PLANNED = "planned"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Propagation:
    """The propagation of one registration to one further agency; `reason`, of the catalogue, may be empty."""

    registration_id: UUID
    agency: str
    state: PropagationState
    # Why it is refused, or why it waits.
    reason: str
    # The card's registration at that agency, where the propagation is done.
    target_id: UUID | None
    updated_at: datetime
    kind: IntentionKind = IntentionKind.REGISTRATION
    # When it is carried out, while it is planned.
    planned_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagationProgress:
    """How far everything is that an agency's contractors did, in acts; `refused` in further agencies that refused one.

    `done` and `refused` are of the last 24 hours; `running_since` is None while no batch runs.
    """

    running_since: datetime | None
    planned: int
    due: int
    waiting: int
    done: int
    refused: int


# The words of these reasons have no other placeholder than the agency's name, since no message carries a value.
PASSWORD_NOT_PROVEN = "PASSWORD_NOT_PROVEN"  # noqa: S105  # a reason
COMPANY_DIFFERS = "COMPANY_DIFFERS_FROM_CARD"
CARD_NOT_GOOD = "CARD_NOT_GOOD"
REGISTRATION_UNKNOWN = "REGISTRATION_UNKNOWN"
# The reason of a planned one whose intention waits.
SUSPENDED = "PROPAGATION_SUSPENDED"
# The reason of a planned one whose intention a registry refused. What the registry said is in the log and the table:
# its words may have other placeholders.
POSTPONED = "PROPAGATION_POSTPONED"

_ACCEPTED_HOLDERS = {
    HolderRule.CONTRACT_PARTY: {HolderComparison.CONTRACT_PARTY},
    HolderRule.OR_REPRESENTATIVE: {HolderComparison.CONTRACT_PARTY, HolderComparison.REPRESENTATIVE},
    HolderRule.NOT_COMPARED: set(HolderComparison),
}

# A registration and a further agency.
Pair: TypeAlias = tuple[UUID, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """certificate-registry's answer for one pair; an empty reason means that the card is registered there."""

    reason: str
    target_id: UUID | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch of intentions, expanded: the registrations to request, and the pairs that are settled without a call."""

    # The ids of the registrations to propagate, by agency.
    requested: Mapping[str, Sequence[UUID]]
    # What is refused by the agency's rule, and where the card is registered already.
    settled: Mapping[Pair, Answer]
    # Those of the requested registrations, made by renewals, that go also where the card is not registered whose place
    # was taken.
    taking_over: Sequence[UUID]


def make_plan(
    intentions: Iterable[Intention],
    *,
    offering: Offering,
    qualified: Mapping[tuple[str, str], Collection[str]],
) -> Plan:
    """Returns the plan of a batch of intentions, for the agencies that each concerns (SYN-01), each by its own rule.

    `qualified` has the agencies where each (category, bidder) is qualified. The registration's own agency is left out,
    and so is every agency that does not offer the category.
    """
    intentions = list(intentions)
    requested: dict[str, list[UUID]] = {}
    settled: dict[Pair, Answer] = {}
    for intention in intentions:
        qualified_at = qualified.get((intention.category, intention.bidder_id), ())
        for rule in offering.get(intention.category, ()):
            if not intention.concerns(rule.agency):
                continue
            answer = _settle(rule, intention, is_qualified=rule.agency in qualified_at)
            if answer is None:
                requested.setdefault(rule.agency, []).append(intention.registration_id)
            else:
                settled[intention.registration_id, rule.agency] = answer
    asked = {registration_id for registration_ids in requested.values() for registration_id in registration_ids}
    taking_over = [each.registration_id for each in intentions if each.takes_over and each.registration_id in asked]
    return Plan(requested, settled, taking_over)


def _settle(rule: AgencyRule, intention: Intention, *, is_qualified: bool) -> Answer | None:
    """Returns what is known without asking certificate-registry; None where the registration is to be made.

    A card that is registered at the agency has passed its rule, or was accepted there by an officer; where it is good,
    it may still have to take another one's place.
    """
    existing = intention.registrations.get(rule.agency)
    if existing is None and intention.is_bidder_suspended_at(rule.agency):
        return Answer(BIDDER_SUSPENDED, None)
    if not is_qualified:
        return Answer(NOT_QUALIFIED, None)
    if existing is not None:
        if existing.state is RegistrationState.GOOD and intention.replaces_at(rule.agency):
            return None
        if existing.state in (RegistrationState.GOOD, RegistrationState.SUSPENDED):
            return Answer("", existing.registration_id)
        return Answer(CARD_NOT_GOOD, None)
    reason = find_refusal(
        rule,
        intention.proven,
        is_company_approved=intention.has_approved_company(rule.agency),
        is_holder_approved=intention.has_approved_holder(rule.agency),
    )
    return Answer(reason, None) if reason else None


def find_refusal(
    rule: AgencyRule, proven: Proven, *, is_company_approved: bool = False, is_holder_approved: bool = False
) -> str:
    """Returns the reason why an agency's own rule refuses a card of which this was proven; empty if it accepts it.

    As at a registration at the agency itself (CRD-10, QUA-03): a password that is asked has to be proven; where
    the roster's company is required, another one is refused; any other that is not the roster's, and a holder whom the
    agency does not take by itself, need an officer, unless one of the agency approved them.
    """
    if rule.requires_password and not proven.password:
        return PASSWORD_NOT_PROVEN
    if rule.company_match is CompanyMatch.REQUIRED and proven.company is CompanyComparison.DIFFERENT:
        return COMPANY_DIFFERS
    is_same = rule.company_match is CompanyMatch.OFF or proven.company is CompanyComparison.SAME
    if not is_same and not is_company_approved:
        return COMPANY_NEEDS_OFFICER
    if proven.holder not in _ACCEPTED_HOLDERS[rule.holder] and not is_holder_approved:
        return HOLDER_NEEDS_OFFICER
    return ""


def judge_pairs(plan: Plan, answers: Mapping[Pair, Answer], now: datetime) -> Sequence[Propagation]:
    """Returns the state of every pair of a plan that is settled; a pair without an answer is left out."""
    requested = {
        (registration_id, agency): answers[registration_id, agency]
        for agency, registration_ids in plan.requested.items()
        for registration_id in registration_ids
        if (registration_id, agency) in answers
    }
    return [
        Propagation(
            registration_id,
            agency,
            PropagationState.REFUSED if answer.reason else PropagationState.DONE,
            answer.reason,
            answer.target_id,
            now,
        )
        for (registration_id, agency), answer in {**plan.settled, **requested}.items()
    ]


def select_answered(intentions: Iterable[Intention], plan: Plan, answers: Mapping[Pair, Answer]) -> Sequence[Intention]:
    """Returns the intentions that have an answer for every pair of the plan."""
    unanswered = {
        registration_id
        for agency, registration_ids in plan.requested.items()
        for registration_id in registration_ids
        if (registration_id, agency) not in answers
    }
    return [intention for intention in intentions if intention.registration_id not in unanswered]


def select_judged_by_bidder(intentions: Iterable[Intention], plan: Plan) -> Sequence[Intention]:
    """Returns those of the intentions that the state of their bidder decided about at some agency of the plan."""
    by_bidder = JUDGED_BY_BIDDER | {NOT_QUALIFIED}
    judged = {pair[0] for pair, answer in plan.settled.items() if answer.reason in by_bidder}
    return [intention for intention in intentions if intention.registration_id in judged]


def select_suspended(intentions: Iterable[Intention], answers: Mapping[Pair, Answer]) -> Sequence[Intention]:
    """Returns the intentions whose bidder certificate-registry found suspended where it is not by the state kept here.

    One of the two has yet to hear of a newer state; which one, nobody can tell.
    """
    suspended = {pair[0] for pair, answer in answers.items() if answer.reason == BIDDER_SUSPENDED}
    return [intention for intention in intentions if intention.registration_id in suspended]


def split_stopped(
    answered: Iterable[Intention], answers: Mapping[Pair, Answer]
) -> tuple[Sequence[Intention], Sequence[Intention]]:
    """Returns the intentions that are finished, and those whose card certificate-registry found not good.

    The latter's card is good by the state that is kept here, so a newer state is to come.
    """
    not_good = {registration_id for (registration_id, _), answer in answers.items() if answer.reason == CARD_NOT_GOOD}
    finished: list[Intention] = []
    stopped: list[Intention] = []
    for intention in answered:
        (stopped if intention.registration_id in not_good else finished).append(intention)
    return finished, stopped


def refuse_void(
    intentions: Iterable[KeptIntention],
    *,
    followed: Mapping[UUID, Collection[str]],
    offering: Offering,
    now: datetime,
) -> Sequence[Propagation]:
    """Returns the refused propagations of the intentions that are void, for the other agencies that they concern.

    `intentions` are changed by a state of their cards; those that are then done are void. `followed` has the agencies
    of renewals, as far as they are known.
    """
    return [
        Propagation(intention.registration_id, rule.agency, PropagationState.REFUSED, CARD_NOT_GOOD, None, now)
        for intention in intentions
        if intention.state is IntentionState.DONE
        for rule in offering.get(intention.card[1], ())
        if rule.agency != intention.agency
        and (
            intention.kind is IntentionKind.REGISTRATION
            or rule.agency in followed.get(intention.registration_id, intention.agencies)
        )
    ]


def add_planned(
    propagations: Iterable[Propagation],
    *,
    intention: ListedIntention,
    offering: Offering,
) -> Sequence[Propagation]:
    """Returns the propagations of a registration or change as a person sees them (SYN-05), ordered by agency.

    Those recorded, and until the intention is done, PLANNED for every other agency that it concerns. Where a
    registry refused the intention and no agency is known to offer its category, the refusal is shown at its own agency.
    """
    shown = {propagation.agency: replace(propagation, kind=intention.kind) for propagation in propagations}
    if intention.state is not IntentionState.DONE:
        reason = POSTPONED if intention.refused_for else ""
        if intention.refused_for == BIDDER_AWAITED:
            reason = ""
        elif intention.state is IntentionState.WAITING:
            reason = intention.refused_for or SUSPENDED
        for rule in offering.get(intention.category, ()):
            if intention.concerns(rule.agency) and rule.agency not in shown:
                shown[rule.agency] = _plan(intention, rule.agency, reason)
        if not shown and intention.refused_for:
            shown[intention.agency] = _plan(intention, intention.agency, reason)
    return [shown[agency] for agency in sorted(shown)]


def _plan(intention: ListedIntention, agency: str, reason: str) -> Propagation:
    return Propagation(
        intention.registration_id,
        agency,
        PropagationState.PLANNED,
        reason,
        None,
        intention.made_at,
        intention.kind,
        intention.planned_at,
    )
