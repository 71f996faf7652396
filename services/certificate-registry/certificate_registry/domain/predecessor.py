"""The card that another one comes after, where it had expired before it could be renewed: named, and linked."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from certificate_registry.domain.binding import RegistrationState
from certificate_registry.domain.suspension import CardRequest, DecidedCard
from refusals import Code, Refusal

_STANDING = (RegistrationState.GOOD, RegistrationState.SUSPENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRequest:
    """What an officer asks for a new card, and the card before it."""

    of_card: CardRequest
    predecessor: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Predecessor:
    """A card of a bidder in a category as the one before another card, at an agency.

    `followed_by` is a card that came after it there already: by a renewal, or linked.
    """

    certificate_sha256: bytes
    not_after: datetime
    followed_by: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedQuery:
    """Which named cards an agency's officers ask for: those after a registration, and at most how many."""

    agency: str
    category: str
    after: UUID | None
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPredecessor:
    """A card that a contractor named as the one before its new card."""

    registration_id: UUID
    bidder_id: str
    certificate_sha256: bytes
    predecessor: bytes
    predecessor_serial: bytes
    predecessor_not_after: datetime
    named_at: datetime


def require_registered(card: DecidedCard, agency: str) -> None:
    """Raises CARD_NOT_REGISTERED unless the card is registered at the agency, suspended or not."""
    if card.here not in _STANDING:
        raise Refusal("CARD_NOT_REGISTERED", Code.FAILED_PRECONDITION, {"agency": agency})


def require_linkable(linked_to: bytes | None, predecessor: Predecessor | None, now: datetime) -> Predecessor:
    """Returns the card before another one, which has `linked_to` as its predecessor at the agency.

    Raises PREDECESSOR_UNKNOWN, PREDECESSOR_CARD_LINKED where either is linked already, PREDECESSOR_NOT_EXPIRED.
    """
    if predecessor is None:
        raise refuse_unknown()
    if linked_to is not None or predecessor.followed_by is not None:
        raise Refusal("PREDECESSOR_CARD_LINKED", Code.FAILED_PRECONDITION)
    if predecessor.not_after >= now:
        raise Refusal("PREDECESSOR_NOT_EXPIRED", Code.FAILED_PRECONDITION)
    return predecessor


def refuse_unknown() -> Refusal:
    """Returns the refusal of a card that is none of the bidder's in the category."""
    return Refusal("PREDECESSOR_UNKNOWN", Code.NOT_FOUND)
