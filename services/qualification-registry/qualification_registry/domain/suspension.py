"""What officers decide about a bidder in a category: its suspension, at an agency or in the whole instance (LIF-04)."""

from dataclasses import dataclass, replace
from datetime import datetime

from officers.suspension import require_confirmable
from refusals import Code, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspensionRequest:
    """What an officer asks for a bidder: at its agency, or in the whole instance under the operator's code.

    `reason` is "" where none is asked for.
    """

    bidder_id: str
    category: str
    agency: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A suspension that stands: at one agency, or of the whole instance under the operator's code.

    Officers are named as agency/person. It lapses unless it is confirmed.
    """

    bidder_id: str
    category: str
    agency: str
    reason: str
    suspended_by: str
    suspended_at: datetime
    lapses_at: datetime | None
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None

    @property
    def identity(self) -> str:
        """What a proposal about it holds on to: the same before and after it is confirmed, and another one's never."""
        return f"{self.suspended_at.isoformat()} {self.suspended_by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspensionQuery:
    """Which suspensions of an agency are asked for: at most `most` after a bidder and category, "" for any."""

    agency: str
    category: str
    bidder_id: str
    after_bidder_id: str
    after_category: str
    most: int


@dataclass(frozen=True, slots=True)
class DecidedBidder:
    """A bidder in a category, as an officer's decision about it is judged; `suspension` is that at one agency."""

    has_ended: bool
    suspension: Suspension | None


def require_suspendable(bidder: DecidedBidder, bidder_id: str) -> None:
    """Raises BIDDER_ENDED, BIDDER_ALREADY_SUSPENDED."""
    if bidder.has_ended:
        raise Refusal("BIDDER_ENDED", Code.FAILED_PRECONDITION, {"bidder_id": bidder_id})
    if bidder.suspension is not None:
        raise Refusal("BIDDER_ALREADY_SUSPENDED", Code.FAILED_PRECONDITION)


def require_suspension(bidder: DecidedBidder) -> Suspension:
    """Returns the suspension; raises BIDDER_NOT_SUSPENDED."""
    if bidder.suspension is None:
        raise Refusal("BIDDER_NOT_SUSPENDED", Code.FAILED_PRECONDITION)
    return bidder.suspension


def confirm(suspension: Suspension, officer: str, now: datetime) -> Suspension:
    """Returns a suspension that another person confirms; raises SUSPENSION_CONFIRMED, SUSPENSION_OWN."""
    require_confirmable(suspended_by=suspension.suspended_by, confirmed_by=suspension.confirmed_by, officer=officer)
    return replace(suspension, lapses_at=None, confirmed_by=officer, confirmed_at=now)
