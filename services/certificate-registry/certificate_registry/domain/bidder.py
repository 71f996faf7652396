"""The states of bidders as the qualification registry reports them, and which bidders may act (QUA-10, LIF-04)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from refusals import Code, Refusal
from servicekit.versions import Version


class BidderStatus(StrEnum):
    """Whether a bidder may act."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class BidderState:
    """The state of a bidder in a category; each of `suspended_agencies` suspended it for itself."""

    bidder_id: str
    category: str
    version: Version
    status: BidderStatus
    suspended_agencies: Sequence[str]


def select_newest(states: Iterable[BidderState]) -> Sequence[BidderState]:
    """Returns one state for each bidder and category, since a list may have an older one beside it; in their order."""
    newest: dict[tuple[str, str], BidderState] = {}
    for state in states:
        key = (state.bidder_id, state.category)
        if key not in newest or newest[key].version < state.version:
            newest[key] = state
    return [newest[key] for key in sorted(newest)]


def require_may_act(status: BidderStatus | None) -> None:
    """Raises BIDDER_SUSPENDED or BIDDER_ENDED. `status` is the one at the agency where the bidder acts.

    A bidder without a reported state may act: the bidder proof, just confirmed, shows that it exists and may.
    """
    match status:
        case BidderStatus.SUSPENDED:
            raise Refusal("BIDDER_SUSPENDED", Code.FAILED_PRECONDITION)
        case BidderStatus.ENDED:
            raise Refusal("BIDDER_ENDED", Code.FAILED_PRECONDITION)
        case BidderStatus.ACTIVE | None:
            return
