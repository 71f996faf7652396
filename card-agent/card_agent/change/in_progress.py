"""What every step of a change needs, and how far it has come."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from card_agent.console.field_names import REPEATED_MAIL_ADDRESS
from card_agent.console.person import Person
from card_agent.console.place import Place
from card_agent.operation.at_agency import AtAgency
from card_agent.operation.contacts import ContactForms, list_values, order_sections
from card_agent.operation.progress import Progress
from card_agent.operation.propagations import Propagations
from card_agent.operation.sessions import CardSession
from card_agent.operation.unfinished import UnfinishedRequest
from card_agent.signing.card_use import SigningCard
from toroku.contact.v1 import contact_pb2
from toroku.frontdoor.v1 import change_pb2, front_door_pb2


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """The receipt of a change, and the instance, which has the names for the receipt's codes.

    With `details`, all of the receipt is shown. `planned` are the agencies that follow later, as far as is known.
    """

    receipt: change_pb2.ChangeReceipt
    instance: front_door_pb2.Instance
    details: bool = False
    planned: Propagations = ()


@dataclass(slots=True)
class Draft:
    """What the person typed over what was registered. It outlives the session; no secret is in it."""

    contacts: ContactForms
    # What it is typed over; None until that was shown.
    registered: change_pb2.GetRegisteredResponse | None = None
    # Whether the other agencies follow; None until that was asked.
    propagate: bool | None = None
    # What the server knows the request by, through all sessions.
    request_id: str = field(default_factory=lambda: str(uuid4()))

    def begin(self, registered: change_pb2.GetRegisteredResponse, sections: Sequence[str]) -> None:
        """Begins with some sections, whose fields have the registered values to begin with."""
        self.registered = registered
        self.contacts.sections = sections
        self.contacts.registered = self._list_registered(registered)

    def go_on(self, newest: change_pb2.GetRegisteredResponse) -> None:
        """Goes on over newer contacts: what was left as it was is as it is now, what was typed stays."""
        before, values = self.contacts.registered, self.contacts.values
        now = self._list_registered(newest)
        for path, value in now.items():
            if path in values and values[path] == before.get(path, ""):
                values[path] = value
                section, _, name = path.partition(".")
                if name == "mail_address":
                    values[f"{section}.{REPEATED_MAIL_ADDRESS}"] = value
        self.registered, self.contacts.registered = newest, now

    def _list_registered(self, registered: change_pb2.GetRegisteredResponse) -> dict[str, str]:
        values: dict[str, str] = {}
        for section in order_sections(self.contacts.category):
            values |= list_values(section, find_version(registered, section).contact, self.contacts.category)
        return values


@dataclass(frozen=True, slots=True)
class Change:
    """A change in progress: where, with which card, in which session, and what was typed so far."""

    at_agency: AtAgency
    progress: Progress[ChangeResult]
    session: CardSession
    draft: Draft
    # The request of an earlier run, whose answer was lost.
    previous: UnfinishedRequest | None = None

    @property
    def person(self) -> Person:
        """The person who changes the contacts."""
        return self.at_agency.person

    @property
    def card(self) -> SigningCard:
        """The card of the session."""
        return self.session.card

    @property
    def place(self) -> Place:
        """Where it is, for the words."""
        return self.at_agency.place(self.session.server_card.authority)

    @property
    def category(self) -> front_door_pb2.Category:
        """The category in which the contacts are changed."""
        return self.at_agency.category

    @property
    def registered(self) -> change_pb2.GetRegisteredResponse:
        """What the person types over."""
        return self.draft.registered or change_pb2.GetRegisteredResponse()


def find_version(registered: change_pb2.GetRegisteredResponse, section: str) -> contact_pb2.ContactVersion:
    """Returns the contact of a section with its version; an empty one, of version 0, where there is none."""
    version: contact_pb2.ContactVersion = getattr(registered, section)
    return version
