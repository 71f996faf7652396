"""What every step of a registration needs."""

from dataclasses import dataclass, field

from card_agent.console.person import Person
from card_agent.console.place import Place
from card_agent.operation.at_agency import AtAgency
from card_agent.operation.calls import FrontDoor
from card_agent.operation.progress import Progress
from card_agent.operation.propagations import Propagations
from card_agent.operation.sessions import CardSession
from card_agent.operation.unfinished import RequestKey
from card_agent.signing.card_use import SigningCard
from toroku.frontdoor.v1 import front_door_pb2


@dataclass(frozen=True, slots=True)
class RegistrationResult:
    """The receipt of a registration, and the instance, which has the names for the receipt's codes.

    With `details`, all of the receipt is shown. `planned` are the agencies that follow later, as far as is known.
    """

    receipt: front_door_pb2.Receipt
    instance: front_door_pb2.Instance
    details: bool = False
    planned: Propagations = ()


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration in progress: where, with whom, in the session of which card."""

    at_agency: AtAgency
    progress: Progress[RegistrationResult]
    session: CardSession
    # The values typed so far, by the path of their question; they outlive the session. No secret is among them.
    typed: dict[str, str] = field(repr=False)

    @property
    def person(self) -> Person:
        """Who registers."""
        return self.at_agency.person

    @property
    def front_door(self) -> FrontDoor:
        """Where the registration is made."""
        return self.at_agency.front_door

    @property
    def agency(self) -> front_door_pb2.Agency:
        """At which agency."""
        return self.at_agency.agency

    @property
    def category(self) -> front_door_pb2.Category:
        """In which category."""
        return self.at_agency.category

    @property
    def card(self) -> SigningCard:
        """The card of the session."""
        return self.session.card

    @property
    def key(self) -> RequestKey:
        """What an unfinished registration is found by."""
        return self.at_agency.key(self.card)

    @property
    def place(self) -> Place:
        """Where it is, for the words."""
        return self.at_agency.place(self.session.server_card.authority)
