"""Which bidder a card belongs to: one bidder per category, several cards per bidder (CRD-06, CRD-07)."""

from dataclasses import dataclass
from enum import StrEnum

from refusals import Code, Refusal


class CardStanding(StrEnum):
    """State of a card in a category when its session opens."""

    NEW = "new"
    REGISTERED_ELSEWHERE = "registered_elsewhere"
    REGISTERED_HERE = "registered_here"


class RegistrationKind(StrEnum):
    """What a registration writes: a binding and a registration, or only a registration at a further agency."""

    NEW_BINDING = "new_binding"
    FURTHER_AGENCY = "further_agency"


@dataclass(frozen=True, slots=True)
class CardRecord:
    """The bindings of one card in one category, seen from one agency.

    `bound_to` is the bidder of the live binding. `was_bound` is true if an earlier binding ended. `registered_here` is
    true if the live binding has a registration at this agency.
    """

    bound_to: str | None = None
    was_bound: bool = False
    registered_here: bool = False


def determine_standing(record: CardRecord) -> CardStanding:
    """Returns the standing of a card, before any search for a bidder.

    Raises CARD_BINDING_ENDED if its binding ended: only officers can bind it again.
    """
    if record.bound_to is not None:
        return CardStanding.REGISTERED_HERE if record.registered_here else CardStanding.REGISTERED_ELSEWHERE
    if record.was_bound:
        raise Refusal("CARD_BINDING_ENDED", Code.FAILED_PRECONDITION)
    return CardStanding.NEW


def determine_registration_kind(record: CardRecord, bidder_id: str) -> RegistrationKind:
    """Returns what registering this card for this bidder writes.

    Raises CARD_ALREADY_REGISTERED if the card is registered at this agency and category, for any bidder;
    CARD_BOUND_TO_ANOTHER_BIDDER if it is bound to another bidder in this category; CARD_BINDING_ENDED if its binding
    ended: only officers can bind it again, with an entry in the history.
    """
    match determine_standing(record):
        case CardStanding.REGISTERED_HERE:
            raise Refusal("CARD_ALREADY_REGISTERED", Code.ALREADY_EXISTS)
        case CardStanding.REGISTERED_ELSEWHERE if record.bound_to != bidder_id:
            raise Refusal("CARD_BOUND_TO_ANOTHER_BIDDER", Code.FAILED_PRECONDITION)
        case CardStanding.REGISTERED_ELSEWHERE:
            return RegistrationKind.FURTHER_AGENCY
        case CardStanding.NEW:
            return RegistrationKind.NEW_BINDING
