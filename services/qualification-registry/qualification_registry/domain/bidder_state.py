"""The state of a bidder in a category, as events carry it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from qualification_registry.domain.bidders import BidderStatus
from qualification_registry.domain.card_approval import ApprovedCard
from qualification_registry.domain.qualified_periods import CompanyReview, QualifiedPeriod
from servicekit.versions import Version


class BidderKey(NamedTuple):
    """A bidder in a category."""

    bidder_id: str
    category: str


@dataclass(frozen=True, slots=True)
class BidderState:
    """The whole state of a bidder in a category; each of `suspended_agencies` suspended it for itself."""

    key: BidderKey
    version: Version
    status: BidderStatus
    suspended_agencies: Sequence[str]
    # Cards that officers approved, each at one agency.
    approved_cards: Sequence[ApprovedCard]
    # In this term and the next; empty after it left all rosters of the category.
    qualified: Sequence[QualifiedPeriod]
    # Where changed company data is under review.
    reviews: Sequence[CompanyReview]
