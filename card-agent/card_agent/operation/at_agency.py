"""Where a person does something with a card: an agency and a category, at the front door of an instance."""

from dataclasses import dataclass

from card_agent.console.person import Person
from card_agent.console.place import Place
from card_agent.operation.calls import FrontDoor
from card_agent.operation.unfinished import RequestKey, UnfinishedRequests
from card_agent.signing.card_use import SigningCard
from card_agent.signing.purpose import ExpectedPurpose, ExpectedRequest
from signed_acts.purpose import Operation, Role
from toroku.frontdoor.v1 import front_door_pb2


@dataclass(frozen=True, slots=True)
class AtAgency:
    """An operation at an agency in a category, and the person who carries it out."""

    operation: Operation
    front_door: FrontDoor
    person: Person
    unfinished: UnfinishedRequests
    instance: front_door_pb2.Instance
    agency: front_door_pb2.Agency
    category: front_door_pb2.Category
    # Whether a purpose is shown with all its values.
    details: bool = False

    def key(self, card: SigningCard) -> RequestKey:
        """Returns what a request of a card is found by, where its answer was lost."""
        codes = self.instance.id, self.agency.code, self.category.code
        return RequestKey(self.operation, *codes, card.certificate.sha256.hex())

    def place(self, authority: str = "") -> Place:
        """Returns where it is, for the words; `authority` is the CA of a card as read by the server."""
        return Place(self.instance, self.agency, self.category, authority)

    def expect_purpose(
        self, card: SigningCard, request: ExpectedRequest | None = None, role: Role = Role.SOLE
    ) -> ExpectedPurpose:
        """Returns the purpose that a card may sign now: the act of a request, a log-in without one."""
        return ExpectedPurpose(
            self.instance.id,
            self.agency.code,
            self.category.code,
            card.certificate.sha256,
            request,
            self.operation,
            role,
        )
