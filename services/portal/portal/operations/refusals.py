"""Where a refusal leaves a journey: which page shows it, and what is still good."""

from dataclasses import replace

from portal.domain.journey import HOPS, Journey, Problem, Step
from refusals import Code, Refusal
from servicekit.telemetry import trace_id

# The session of a card, or what rests on it, has ended, or the agent has forgotten the card: the card logs in again,
# and everything typed is kept.
LOG_IN_AGAIN = frozenset({"CARD_NOT_CHOSEN", "CARD_SESSION_EXPIRED", "CARD_SESSION_UNKNOWN", "BIDDER_PROOF_EXPIRED"})
# The signature came too late: the same page asks for a new one.
SIGN_AGAIN = frozenset({"CHALLENGE_EXPIRED", "CHALLENGE_UNKNOWN", "CHALLENGE_USED"})
# What was typed is to be corrected.
CORRECT = frozenset({"FIELDS_INVALID", "BIDDER_NOT_FOUND", "BIDDER_ENDED", "PREDECESSOR_UNKNOWN", "NOTHING_CHANGED"})
# Nobody knows whether the front door did what it was asked for.
UNANSWERED = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.INTERNAL, Code.RESOURCE_EXHAUSTED})


def read_problem(refusal: Refusal, *, from_agent: bool = False) -> Problem:
    """Returns what a page says of a refusal, with the 照会番号 of this request."""
    return Problem(
        reason=refusal.reason,
        metadata=refusal.metadata,
        fields={violation.field: violation.reason for violation in refusal.violations},
        field_metadata={violation.field: violation.metadata for violation in refusal.violations},
        number=trace_id(),
        from_agent=from_agent,
    )


def place_refusal(journey: Journey, refusal: Refusal, *, stay: Step, log_in: Step) -> Journey:
    """Returns the journey at the page that shows a refusal.

    `stay` is the page that was at work, `log_in` the first hop of a new log-in. Whatever is not known to be of help
    after another try ends the journey at REFUSED, where its page says what to do instead.
    """
    problem = read_problem(refusal)
    if refusal.reason in LOG_IN_AGAIN:
        return end_log_in(replace(journey, problem=problem), stay=stay, log_in=log_in)
    if refusal.reason in SIGN_AGAIN or refusal.reason in CORRECT or refusal.code in UNANSWERED:
        return replace(journey, problem=problem, step=stay, signing=journey.signing if stay in HOPS else None)
    return replace(journey, problem=problem, step=Step.REFUSED, signing=None)


def end_log_in(journey: Journey, *, stay: Step, log_in: Step) -> Journey:
    """Returns the journey without its cards' sessions, before a new log-in that leads back to `stay`."""
    cards = {role: replace(card, session_token="", expires_at=None) for role, card in journey.cards.items()}
    after = stay if stay not in HOPS and stay is not Step.REFUSED else journey.after_log_in
    return replace(journey, cards=cards, step=log_in, signing=None, after_log_in=after)
