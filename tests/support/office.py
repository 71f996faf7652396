"""A contractor's office for contract tests of the card agent: person, card, agent, connection to the front door."""

import asyncio
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from card_agent.media.token import TokenMedium
from card_agent.operation.calls import FrontDoor
from card_agent.operation.progress import Progress
from card_agent.operation.unfinished import RequestKey, UnfinishedRequests
from card_agent.registration.in_progress import RegistrationResult
from card_agent.registration.register import register
from refusals import Refusal
from simulators.virtual_piv import PivApplication
from tests.support.card_in_memory import PivInMemory
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from tests.support.scripted_person import ScriptedPerson
from tests.support.services.front_door import COMPANY, PASSWORD, RunningFrontDoor
from tests.support.tampering_proxy import TamperingProxy

GENERAL_AUTHENTICATE = 0x87
ADDRESS_FOR_ANSWER = "koji@contractor.example"
CONTACT = {
    "department": "工事課",
    "postal_code": "330-9301",
    "address": "埼玉県さいたま市浦和区高砂３－１５－１",
    "person_name": "土木 一郎",
    "telephone": "048-000-0000",
    "fax": "048-000-0001",
    "mail_address": "koji@contractor.example",
}
ANSWERS: dict[str, str | list[str]] = {
    "agency": PREFECTURE,
    "category": WORKS,
    "search.name": COMPANY,
    "search.bidder_id": BIDDER,
    "search.password": PASSWORD,
    **{f"card_contact.{name}": value for name, value in CONTACT.items()},
    **{f"representative_contact.{name}": value for name, value in (CONTACT | {"person_name": "代表 花子"}).items()},
    "person_in_charge": "",
    "predecessor_serial": "",
}


class Office:
    """A contractor's office: person, card, agent, and the connection to the front door."""

    def __init__(self, server: RunningFrontDoor, folder: Path, **card: Any) -> None:
        self.server = server
        self.card = server.card(**card)
        self.card_in_memory = PivInMemory.of(self.card)
        self.medium: TokenMedium = self.card_in_memory
        self.person = ScriptedPerson(dict(ANSWERS))
        # All services in one, so that a test can take over any method and count all calls.
        self.channel = grpc.secure_channel(server.address, grpc.ssl_channel_credentials(server.authority))
        services = FrontDoor.at(self.channel)
        names = [field.name for field in fields(services)]
        methods = {name: call for each in names for name, call in vars(getattr(services, each)).items()}
        self.proxy = TamperingProxy(SimpleNamespace(**methods))
        self.front_door = FrontDoor(**dict.fromkeys(names, self.proxy))  # type: ignore[arg-type]  # of all stubs
        self.unfinished = UnfinishedRequests(folder / "unfinished")
        self.progress = Progress[RegistrationResult]()

    async def register(self, **options: Any) -> RegistrationResult:
        """Registers in a thread beside the front door, which runs in this one, and has the receipt."""
        self.progress = Progress()
        result = await asyncio.to_thread(
            register,
            self.front_door,
            self.medium,
            self.person,
            self.unfinished,
            self.progress,
            **options,
        )
        self.progress.forget()
        return result

    async def refused(self, **options: Any) -> Refusal:
        """Returns the refusal that ends the registration."""
        with pytest.raises(Refusal) as refused:
            await self.register(**options)
        return refused.value

    @property
    def piv(self) -> PivApplication:
        """The card's application."""
        return self.card_in_memory.connection.piv

    @property
    def signatures(self) -> int:
        """How often the card has signed."""
        return self.card_in_memory.connection.instructions.count(GENERAL_AUTHENTICATE)

    @property
    def key(self) -> RequestKey:
        """What an unfinished registration of this card is found by."""
        return RequestKey("registration", "example", PREFECTURE, WORKS, self.card.sha256.hex())

    def registrations(self) -> int:
        """How many registrations there are."""
        return len(self.server.cards.outcomes)


def replace_person(office: Office, **changes: str | list[str]) -> None:
    """Sends another person to the office, who answers some questions otherwise."""
    office.person = ScriptedPerson(dict(ANSWERS) | changes)
