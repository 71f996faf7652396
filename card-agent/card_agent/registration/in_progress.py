"""What every step of a registration needs, and how far the registration has come."""

from dataclasses import dataclass, field
from enum import Enum, auto

from card_agent.console.person import Person
from card_agent.console.place import Place
from card_agent.registration.calls import FrontDoor
from card_agent.registration.unfinished import RegistrationKey, UnfinishedRegistrations
from card_agent.signing.card_use import SigningCard
from card_agent.signing.purpose import ExpectedPurpose, ExpectedRequest
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import front_door_pb2


@dataclass(frozen=True, slots=True)
class RegistrationResult:
    """The receipt of a registration, and the instance, which has the names for the receipt's codes."""

    receipt: front_door_pb2.Receipt
    instance: front_door_pb2.Instance


class Outcome(Enum):
    """What is known of the registration, at any moment."""

    NOT_REGISTERED = auto()
    # It was sent and is not answered yet, in this run or in an earlier one.
    UNKNOWN = auto()
    REGISTERED = auto()


@dataclass(slots=True)
class Progress:
    """How far a registration has come, for who ends it before its end; `result` is set once it is registered."""

    outcome: Outcome = Outcome.NOT_REGISTERED
    result: RegistrationResult | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration in progress: with whom, where, and with which card."""

    front_door: FrontDoor
    person: Person
    unfinished: UnfinishedRegistrations
    progress: Progress
    instance: front_door_pb2.Instance
    agency: front_door_pb2.Agency
    category: front_door_pb2.Category
    card: SigningCard
    # The values typed so far, by the path of their question; they outlive the session. No secret is among them.
    typed: dict[str, str] = field(default_factory=dict, repr=False)
    # The card as read by the server.
    server_card: card_pb2.Card = field(default_factory=card_pb2.Card)
    session_token: str = field(default="", repr=False)
    # Whether a purpose is shown with all its values.
    details: bool = False

    @property
    def key(self) -> RegistrationKey:
        """What an unfinished registration is found by."""
        return RegistrationKey(
            self.instance.id, self.agency.code, self.category.code, self.card.certificate.sha256.hex()
        )

    @property
    def place(self) -> Place:
        """Where it is, for the words."""
        return Place(self.instance, self.agency, self.category, self.server_card.authority)

    def expect_purpose(self, request: ExpectedRequest | None = None) -> ExpectedPurpose:
        """Returns the purpose that the card may sign now."""
        card = self.card.certificate.sha256
        return ExpectedPurpose(self.instance.id, self.agency.code, self.category.code, card, request)
