"""What certificate-registry knows of a card in a category: whose it is, and at which agencies it is registered."""

from dataclasses import dataclass, field
from enum import StrEnum


class BindingState(StrEnum):
    """Whether a card belongs to its bidder, and how that ended."""

    LIVE = "live"
    # The card may register anew.
    RELEASED = "released"
    # Only an officer can open it again.
    CLOSED = "closed"


class RegistrationState(StrEnum):
    """Whether a registration is good at its agency."""

    GOOD = "good"
    SUSPENDED = "suspended"
    REPLACED = "replaced"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class AgencyRegistration:
    """A card's registration at one agency; `encoded` is what a receipt shows of it."""

    agency: str
    state: RegistrationState
    encoded: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CardState:
    """A card's newest binding in a category, with all its registrations, by the agencies' codes ascending."""

    bidder_id: str
    binding: BindingState
    # In the whole instance.
    is_suspended: bool
    registrations: tuple[AgencyRegistration, ...] = ()

    def find_registration(self, agency: str) -> AgencyRegistration | None:
        """Returns the registration at an agency, good or not; None where there is none."""
        return next((each for each in self.registrations if each.agency == agency), None)

    def list_other_agencies(self, agency: str) -> list[str]:
        """Returns the codes of the other agencies at which the card is registered, suspended or not, ascending."""
        registered = (RegistrationState.GOOD, RegistrationState.SUSPENDED)
        return [each.agency for each in self.registrations if each.agency != agency and each.state in registered]
