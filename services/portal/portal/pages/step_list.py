"""The steps of each operation, as a person counts them."""

from collections.abc import Mapping, Set

from portal.domain.journey import Journey, Operation, Step
from portal.pages import words
from portal.pages.views import Words

_CARD = (words.STEP_CARD, {Step.CARD, Step.LOG_IN})
_FORM = (words.STEP_FORM, {Step.FORM})
_END = (
    (words.STEP_CHECK, {Step.CHECK}),
    (words.STEP_SIGN, {Step.ACT}),
    (words.STEP_DONE, {Step.RESULT}),
)
_STEPS: Mapping[Operation, tuple[tuple[Words, Set[Step]], ...]] = {
    Operation.REGISTRATION: (
        _CARD,
        (words.STEP_SEARCH, {Step.SEARCH, Step.APPROVAL, Step.ASKED}),
        _FORM,
        *_END,
    ),
    Operation.CHANGE: (_CARD, _FORM, *_END),
    Operation.RENEWAL: (
        (words.OLD_CARD, {Step.OLD_CARD, Step.OLD_LOG_IN, Step.SUCCESSION}),
        (words.NEW_CARD, {Step.NEW_CARD, Step.NEW_LOG_IN, Step.APPROVAL, Step.ASKED}),
        *_END,
    ),
    Operation.ADVICE: (_CARD, (words.STEP_ADVICE, {Step.ADVICE})),
}


def list_steps(journey: Journey, step: Step) -> tuple[tuple[Words, ...], int]:
    """Returns the steps of the operation, and which one a page is of (0 is the first); none for a page of no step."""
    steps = _STEPS[journey.operation]
    for reached, (_, pages) in enumerate(steps):
        if step in pages:
            return tuple(name for name, _ in steps), reached
    return (), 0
