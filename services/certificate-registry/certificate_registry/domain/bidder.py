"""The bidders' states as the qualification registry reports them, and which bidders may act (QUA-10)."""

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
class Bidder:
    """The state of a bidder, as reported by the qualification registry."""

    bidder_id: str
    status: BidderStatus
    version: Version


def require_may_act(status: BidderStatus | None) -> None:
    """Raises BIDDER_SUSPENDED or BIDDER_ENDED.

    A bidder without a reported state may act: the bidder proof, just confirmed, shows that it exists and may.
    """
    match status:
        case BidderStatus.SUSPENDED:
            raise Refusal("BIDDER_SUSPENDED", Code.FAILED_PRECONDITION)
        case BidderStatus.ENDED:
            raise Refusal("BIDDER_ENDED", Code.FAILED_PRECONDITION)
        case BidderStatus.ACTIVE | None:
            return
