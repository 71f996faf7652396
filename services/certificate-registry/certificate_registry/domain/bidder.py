"""The states of bidders as the qualification registry reports them: who may act, who is qualified where and when."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from refusals import Code, Refusal
from servicekit.versions import Version


class BidderStatus(StrEnum):
    """Whether a bidder may act."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class QualifiedPeriod:
    """A period in which a bidder is qualified at these agencies: from `begin` until before `end`; None: no bound."""

    begin: datetime | None
    end: datetime | None
    agencies: Sequence[str]


@dataclass(frozen=True, slots=True)
class CompanyReview:
    """A review of changed company data at these agencies (QUA-08); a card that registers there since then is new."""

    began_at: datetime
    agencies: Sequence[str]


@dataclass(frozen=True, slots=True)
class BidderState:
    """The state of a bidder in a category; each of `suspended_agencies` suspended it for itself."""

    bidder_id: str
    category: str
    version: Version
    status: BidderStatus
    suspended_agencies: Sequence[str]
    qualified: Sequence[QualifiedPeriod]
    reviews: Sequence[CompanyReview]


def select_newest(states: Iterable[BidderState]) -> Sequence[BidderState]:
    """Returns one state for each bidder and category, since a list may have an older one beside it; in their order."""
    newest: dict[tuple[str, str], BidderState] = {}
    for state in states:
        key = (state.bidder_id, state.category)
        if key not in newest or newest[key].version < state.version:
            newest[key] = state
    return [newest[key] for key in sorted(newest)]


def list_steps(periods: Sequence[QualifiedPeriod]) -> tuple[Sequence[datetime], Sequence[Sequence[str]]]:
    """Returns the instants at which it changes where a bidder is qualified, ascending, and the agencies by step.

    There is one step more than instants: the first step is before all of them, each other one begins with its instant.
    """
    bounds = {bound for period in periods for bound in (period.begin, period.end)}
    instants = sorted(bound for bound in bounds if bound is not None)
    steps = []
    for begin, end in zip([None, *instants], [*instants, None], strict=True):
        lasting = [period.agencies for period in periods if _lasts(period, begin, end)]
        steps.append(tuple(dict.fromkeys(agency for agencies in lasting for agency in agencies)))
    return instants, steps


def _lasts(period: QualifiedPeriod, begin: datetime | None, end: datetime | None) -> bool:
    has_begun = period.begin is None or (begin is not None and period.begin <= begin)
    goes_on = period.end is None or (end is not None and end <= period.end)
    return has_begun and goes_on


def list_reviews(reviews: Iterable[CompanyReview]) -> Mapping[str, datetime]:
    """Returns when the review at each agency began; of several there, the earliest."""
    began_at: dict[str, datetime] = {}
    for review in reviews:
        for agency in review.agencies:
            began_at[agency] = min(review.began_at, began_at.get(agency, review.began_at))
    return began_at


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
