"""Questions about a roster file as a whole, which an officer confirms with the import (QUA-12)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from instance_profile.characters import shorten_visible
from refusals import Code, Refusal

_MOST_CONFIRMATIONS_SHOWN = 10
_MOST_CONFIRMATION_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a file: a reason of the catalogue, and what fills the placeholders of its words."""

    reason: str
    metadata: Mapping[str, str]


def require_confirmed(asked: Collection[str], confirmed: Sequence[str]) -> None:
    """Raises unless exactly the reasons that were asked are confirmed.

    ROSTER_CONFIRMATION_NOT_ASKED, ROSTER_NOT_CONFIRMED (metadata `reasons`: those that are missing).
    """
    if superfluous := [reason for reason in dict.fromkeys(confirmed) if reason not in asked]:
        shown = [
            shorten_visible(reason, _MOST_CONFIRMATION_CHARACTERS) for reason in superfluous[:_MOST_CONFIRMATIONS_SHOWN]
        ]
        raise Refusal("ROSTER_CONFIRMATION_NOT_ASKED", Code.INVALID_ARGUMENT, {"reasons": ", ".join(shown)})
    if missing := [reason for reason in asked if reason not in confirmed]:
        raise Refusal("ROSTER_NOT_CONFIRMED", Code.FAILED_PRECONDITION, {"reasons": ", ".join(missing)})
