"""At which agencies a change counts now: those it was planned for, where its card is still good."""

from collections.abc import Collection, Iterable
from uuid import UUID

from agency_sync.domain.card_state import RegistrationState
from agency_sync.domain.intention import Intention, IntentionState, judge_change
from agency_sync.domain.propagation import CARD_NOT_GOOD, Answer, Pair, Plan

CHANGE_UNKNOWN = "CHANGE_UNKNOWN"

_NOT_GOOD = (RegistrationState.SUSPENDED, RegistrationState.ENDED)


def judge_source(intention: Intention) -> IntentionState:
    """Returns what is to be done with the intention of a change, by the state of its card that it is judged by."""
    return judge_change(
        intention.registrations,
        intention.agency,
        is_live=intention.is_card_live,
        is_suspended=intention.is_card_suspended,
    )


def make_change_plan(intentions: Iterable[Intention]) -> Plan:
    """Returns the plan of changes: what contact-notification is asked for, and the agencies that are refused.

    An agency is refused where the card that made the change was suspended or ended there, and everywhere where it is
    void. One at which another card of the bidder is registered has the bidder's contact, so it is asked for.
    """
    requested: dict[str, list[UUID]] = {}
    settled: dict[Pair, Answer] = {}
    for intention in intentions:
        is_void = judge_source(intention) is IntentionState.DONE
        for agency in sorted(intention.agencies):
            there = intention.registrations.get(agency)
            if is_void or (there is not None and there.state in _NOT_GOOD):
                settled[intention.registration_id, agency] = Answer(CARD_NOT_GOOD, None)
            else:
                requested.setdefault(agency, []).append(intention.registration_id)
    return Plan(requested, settled, [])


def answer_changes(plan: Plan, unknown: Collection[UUID]) -> dict[Pair, Answer]:
    """Returns the answer for every pair that was requested; `unknown` are the changes that nobody knows any more."""
    return {
        (change_id, agency): Answer(CHANGE_UNKNOWN if change_id in unknown else "", None)
        for agency, change_ids in plan.requested.items()
        for change_id in change_ids
    }
