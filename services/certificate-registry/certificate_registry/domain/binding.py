"""Whose card this may be: one bidder per category, several cards per bidder (CRD-06, CRD-07)."""

from dataclasses import dataclass
from enum import Enum

from refusals import Code, Refusal


class CardStanding(Enum):
    """What is known of a card in a category when its session opens."""

    NEW = "new"
    REGISTERED_ELSEWHERE = "registered elsewhere"
    REGISTERED_HERE = "registered here"


class RegistrationKind(Enum):
    """What a registration writes: a binding and a registration, or a registration at a further agency alone."""

    NEW_BINDING = "new binding"
    FURTHER_AGENCY = "further agency"


@dataclass(frozen=True, slots=True)
class CardRecord:
    """What is kept of one card in one category, seen from one agency.

    `bound_to` is the bidder of its live binding. `was_bound` says whether a binding of it ended. `registered_here`
    says whether the live binding is made good at this agency.
    """

    bound_to: str | None = None
    was_bound: bool = False
    registered_here: bool = False


def standing(record: CardRecord) -> CardStanding:
    """How a card stands right after the PIN, before any search. Raises CARD_BINDING_ENDED: only officers undo that."""
    if record.bound_to is not None:
        return CardStanding.REGISTERED_HERE if record.registered_here else CardStanding.REGISTERED_ELSEWHERE
    if record.was_bound:
        raise Refusal("CARD_BINDING_ENDED", Code.FAILED_PRECONDITION)
    return CardStanding.NEW


def kind_of_registration(record: CardRecord, bidder_id: str) -> RegistrationKind:
    """What registering this card for this bidder means.

    Raises CARD_ALREADY_REGISTERED where the card is registered at this agency and category, for whomever;
    CARD_BOUND_TO_ANOTHER_BIDDER where it serves another bidder in this category; CARD_BINDING_ENDED where it was
    bound and is not any more: only officers open that again, on the record.
    """
    match standing(record):
        case CardStanding.REGISTERED_HERE:
            raise Refusal("CARD_ALREADY_REGISTERED", Code.ALREADY_EXISTS)
        case CardStanding.REGISTERED_ELSEWHERE if record.bound_to != bidder_id:
            raise Refusal("CARD_BOUND_TO_ANOTHER_BIDDER", Code.FAILED_PRECONDITION)
        case CardStanding.REGISTERED_ELSEWHERE:
            return RegistrationKind.FURTHER_AGENCY
        case CardStanding.NEW:
            return RegistrationKind.NEW_BINDING
