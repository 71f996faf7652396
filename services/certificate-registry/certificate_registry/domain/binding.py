"""Which bidder a card belongs to: one bidder per category, several cards per bidder (CRD-06, CRD-07)."""

from dataclasses import dataclass
from enum import StrEnum

from refusals import Code, Refusal


class BindingState(StrEnum):
    """Whether a binding is live, and how it ended: released, and the card may register anew, or closed for good."""

    LIVE = "live"
    RELEASED = "released"
    CLOSED = "closed"


# Why a binding was closed whose card another one replaced, and why its registrations were: a word of the history.
ENDED_BY_RENEWAL = "renewal"


class RegistrationState(StrEnum):
    """Whether a registration is good at its agency.

    It is not if an officer of the agency suspended the card there, another card replaced it, or its binding ended.
    """

    GOOD = "good"
    SUSPENDED = "suspended"
    REPLACED = "replaced"
    ENDED = "ended"


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
    """The newest binding of one card in one category, seen from one agency.

    `number` and `state` are those of the newest binding, 0 and None where there was none; `bound_to` is its bidder
    while it is live, and `here` the state of its registration at this agency: of one that is closed only REPLACED, also
    where a renewal closed it from another agency. `is_suspended`: in the whole instance.
    """

    number: int = 0
    state: BindingState | None = None
    bound_to: str | None = None
    here: RegistrationState | None = None
    is_suspended: bool = False


def determine_standing(record: CardRecord) -> CardStanding:
    """Returns the standing of a card, before any search for a bidder.

    Raises CARD_REPLACED if another card took its place here, CARD_BINDING_ENDED if its newest binding was closed
    otherwise: only officers can bind it again. Raises CARD_SUSPENDED if it is suspended here or in the whole instance.
    """
    if record.here is RegistrationState.REPLACED:
        raise Refusal("CARD_REPLACED", Code.FAILED_PRECONDITION)
    if record.state is BindingState.CLOSED or record.here is RegistrationState.ENDED:
        raise Refusal("CARD_BINDING_ENDED", Code.FAILED_PRECONDITION)
    if record.is_suspended or record.here is RegistrationState.SUSPENDED:
        raise Refusal("CARD_SUSPENDED", Code.FAILED_PRECONDITION)
    if record.bound_to is None:
        return CardStanding.NEW
    return CardStanding.REGISTERED_ELSEWHERE if record.here is None else CardStanding.REGISTERED_HERE


def require_registered_here(record: CardRecord) -> None:
    """Checks that a card is registered and good at this agency and category.

    Raises CARD_NOT_REGISTERED_HERE if it is registered at other agencies only, or nowhere; and as `determine_standing`.
    """
    if determine_standing(record) is not CardStanding.REGISTERED_HERE:
        raise Refusal("CARD_NOT_REGISTERED_HERE", Code.FAILED_PRECONDITION)


def determine_registration_kind(record: CardRecord, bidder_id: str) -> RegistrationKind:
    """Returns what registering this card for this bidder writes.

    Raises CARD_ALREADY_REGISTERED if the card is registered at this agency and category, for any bidder;
    CARD_BOUND_TO_ANOTHER_BIDDER if it is bound to another bidder in this category; and as `determine_standing`.
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
