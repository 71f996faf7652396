"""What officers see of a card before they decide about it: no holder, no address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from certificate_registry.domain.card_state import CardState
from certificate_registry.domain.suspension import Suspension

MOST_LISTED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CardQuery:
    """Which cards of a category an agency's officers ask for, or with the operator's code the operator's.

    Either all of a bidder or one card, those after a certificate's hash, and at most how many.
    """

    agency: str
    category: str
    bidder_id: str | None
    certificate_sha256: bytes | None
    after: bytes
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a certificate says of itself, and when and at which agency its newest binding began."""

    certificate_sha256: bytes
    serial: bytes
    issuer: str
    not_after: datetime
    revoked_at: datetime | None
    bound_at: datetime
    bound_by_agency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCard:
    """A card with its state, and the suspensions by officers that the asking officers may see."""

    facts: CardFacts
    state: CardState
    suspensions: Sequence[Suspension]
