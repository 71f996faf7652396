"""What officers decide about a card in a category: its suspension, and the undo of its binding (LIF-04, CRD-06)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from certificate_registry.domain.binding import BindingState, RegistrationState
from certificate_registry.domain.card_state import CardKey
from officers.suspension import require_confirmable
from refusals import Code, Refusal
from servicekit.identity import OPERATOR
from servicekit.versions import Version


class StateReason(StrEnum):
    """What a card's state says of an officer's decision; the officer's own words are not told to other services."""

    SUSPENDED = "suspended by an officer"
    UNDONE = "undone by officers"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRequest:
    """What an officer asks for a card in a category: at its agency, or in the whole instance under the operator's code.

    `bidder_id` is the bidder that the officer means; `reason` is "" where none is asked for.
    """

    key: CardKey
    agency: str
    bidder_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A suspension by an officer that stands: at one agency, or of the whole instance under the operator's code.

    Officers are named as agency/person. It lapses unless it is confirmed.
    """

    key: CardKey
    agency: str
    reason: str
    suspended_by: str
    suspended_at: datetime
    lapses_at: datetime | None
    confirmed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedCard:
    """A card in a category as an officer's decision about it is judged: its newest binding, seen from one agency.

    `began_at_agency` is where the binding began, `here` the state of its registration at the agency, `suspension` the
    officers' suspension there. For the operator `here` is None, and `suspension` that of the whole instance.
    """

    key: CardKey
    version: Version
    bidder_id: str
    binding_number: int
    binding: BindingState
    binding_reason: str | None
    began_at_agency: str
    here: RegistrationState | None
    suspension: Suspension | None


def require_known(card: DecidedCard | None, bidder_id: str) -> DecidedCard:
    """Returns the card; raises BINDING_UNKNOWN unless its newest binding is this bidder's."""
    if card is None or card.bidder_id != bidder_id:
        raise Refusal("BINDING_UNKNOWN", Code.NOT_FOUND)
    return card


def require_suspendable(card: DecidedCard, agency: str) -> None:
    """Raises BINDING_ENDED, CARD_ALREADY_SUSPENDED, or CARD_NOT_REGISTERED where it is not good at the agency.

    A card with another obstacle (revoked, stopped by its holder) can be suspended beside it.
    """
    if card.binding is not BindingState.LIVE:
        raise _refuse("BINDING_ENDED")
    if card.suspension is not None:
        raise _refuse("CARD_ALREADY_SUSPENDED")
    if agency != OPERATOR and card.here is not RegistrationState.GOOD:
        raise Refusal("CARD_NOT_REGISTERED", Code.FAILED_PRECONDITION, {"agency": agency})


def require_suspension(card: DecidedCard) -> Suspension:
    """Returns the suspension by an officer; raises CARD_NOT_SUSPENDED."""
    if card.suspension is None:
        raise _refuse("CARD_NOT_SUSPENDED")
    return card.suspension


def confirm(suspension: Suspension, officer: str) -> Suspension:
    """Returns a suspension that another person has confirmed; raises SUSPENSION_CONFIRMED, SUSPENSION_OWN."""
    require_confirmable(suspended_by=suspension.suspended_by, confirmed_by=suspension.confirmed_by, officer=officer)
    return replace(suspension, lapses_at=None, confirmed_by=officer)


def require_undoable(card: DecidedCard, agency: str) -> None:
    """Raises BINDING_UNDONE, BINDING_ENDED; BINDING_OF_ANOTHER_AGENCY where it did not begin at this agency.

    `agency` is that of the officer. The operator's may undo every binding.
    """
    if agency not in (OPERATOR, card.began_at_agency):
        raise Refusal("BINDING_OF_ANOTHER_AGENCY", Code.PERMISSION_DENIED, {"agency": card.began_at_agency})
    if card.binding is BindingState.RELEASED and card.binding_reason == StateReason.UNDONE:
        raise _refuse("BINDING_UNDONE")
    if card.binding is not BindingState.LIVE:
        raise _refuse("BINDING_ENDED")


def write_version(version: Version) -> str:
    """Returns a version as a proposal names the state of its target."""
    return f"{version.epoch}.{version.number}"


def _refuse(reason: str) -> Refusal:
    return Refusal(reason, Code.FAILED_PRECONDITION)
