"""What the steps of a renewal need."""

from dataclasses import dataclass, field

from card_agent.console.person import Person
from card_agent.operation.at_agency import AtAgency
from card_agent.operation.progress import Progress
from card_agent.operation.session_keeping import SessionKeeping
from card_agent.operation.sessions import CardSession
from card_agent.renewal.succession import SignedSuccession
from toroku.frontdoor.v1 import front_door_pb2, renewal_pb2


@dataclass(frozen=True, slots=True)
class RenewalDone:
    """The result of a renewal, and the instance, which has the names for its codes. With `details`, all is shown."""

    result: renewal_pb2.RenewalResult
    instance: front_door_pb2.Instance
    details: bool = False


@dataclass(frozen=True, slots=True)
class Renewal:
    """A renewal in progress: where, with whom, and how its sessions are kept."""

    at_agency: AtAgency
    progress: Progress[RenewalDone]
    session_keeping: SessionKeeping

    @property
    def person(self) -> Person:
        """Who renews."""
        return self.at_agency.person

    @property
    def codes(self) -> dict[str, str]:
        """The agency and the category, as every request names them."""
        return {"agency": self.at_agency.agency.code, "category": self.at_agency.category.code}


@dataclass(frozen=True, slots=True)
class BothCards:
    """The sessions of both cards, and what the old one has signed."""

    old: CardSession
    new: CardSession
    succession: SignedSuccession = field(repr=False)
