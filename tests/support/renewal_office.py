"""A contractor's office for contract tests of `card-agent renew`: two cards, one reader or two, and a person."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from typing_extensions import override

from card_agent.console import renewal_words
from card_agent.console.words import Words
from card_agent.operation.calls import FrontDoor
from card_agent.operation.progress import Progress
from card_agent.operation.unfinished import RequestKey, UnfinishedRequests
from card_agent.renewal.in_progress import RenewalDone
from card_agent.renewal.renew import renew_card
from refusals import Refusal
from simulators.certificate_authorities import IssuedCard
from tests.support.card_in_memory import PivInMemory
from tests.support.example_profile import PREFECTURE, WORKS
from tests.support.office import GENERAL_AUTHENTICATE
from tests.support.reader_in_memory import PlacesInMemory, ReaderInMemory
from tests.support.scripted_person import ScriptedPerson
from tests.support.services.front_door import RunningFrontDoor
from tests.support.tampering_proxy import TamperingProxy

VERIFY = 0x20
ANSWERS: dict[str, str | list[str]] = {"agency": PREFECTURE, "category": WORKS}
OLD_PIN, NEW_PIN = "123456", "654321"


@dataclass
class RenewingPerson(ScriptedPerson):
    """Puts cards into the reader when told to: `hands` says what it does at which message."""

    hands: dict[str, Callable[[], None]] = field(default_factory=dict, repr=False)

    @override
    def show_message(self, message: Words) -> None:
        super().show_message(message)
        self._act(message.ja)

    @override
    def acknowledge(self, message: Words) -> None:
        super().acknowledge(message)
        self._act(message.ja)

    def _act(self, text: str) -> None:
        if text in self.hands:
            self.hands[text]()


@dataclass
class RenewalOffice:
    """The office; `register_old` makes the old card a registered one."""

    server: RunningFrontDoor
    folder: Path
    old: IssuedCard = field(init=False)
    new: IssuedCard = field(init=False)

    def __post_init__(self) -> None:
        self.old, self.new = self.server.card(), self.server.card()
        self.old_piv = PivInMemory.of(self.old, pin=OLD_PIN)
        self.new_piv = PivInMemory.of(self.new, pin=NEW_PIN)
        self.reader = ReaderInMemory(self.old_piv)
        self.places = PlacesInMemory(self.reader)
        self.person = self.make_person()
        channel = grpc.secure_channel(self.server.address, grpc.ssl_channel_credentials(self.server.authority))
        services = FrontDoor.at(channel)
        names = [each.name for each in fields(services)]
        methods = {name: call for each in names for name, call in vars(getattr(services, each)).items()}
        self.proxy = TamperingProxy(SimpleNamespace(**methods))
        self.front_door = FrontDoor(**dict.fromkeys(names, self.proxy))  # type: ignore[arg-type]  # of all stubs
        self.unfinished = UnfinishedRequests(self.folder / "unfinished")
        self.progress = Progress[RenewalDone]()

    def make_person(self, **answers: str | list[str]) -> RenewingPerson:
        """Returns a person who swaps the cards when it is told to."""
        person = RenewingPerson(ANSWERS | answers, pins=[OLD_PIN, NEW_PIN])
        person.hands = {
            renewal_words.SWAP_CARDS.ja: lambda: self.reader.put(self.new_piv),
            renewal_words.INSERT_OLD.ja: lambda: self.reader.put(self.old_piv),
        }
        return person

    async def register_old(self, *agencies: str) -> None:
        """Registers the old card at the prefecture and at further agencies."""
        for agency in (PREFECTURE, *agencies):
            await self.server.contractor(self.old, agency=agency).whole()
        self.server.cards.sessions.clear()

    async def renew(self, **options: Any) -> RenewalDone:
        """Renews in a thread beside the front door, which runs in this one, and has the result."""
        self.progress = Progress()
        values: dict[str, Any] = {"most_seconds": 5.0, "places": self.places} | options
        places = values.pop("places")
        done = await asyncio.to_thread(
            renew_card, self.front_door, places, self.person, self.unfinished, self.progress, **values
        )
        self.progress.forget()
        return done

    async def refused(self, **options: Any) -> Refusal:
        """Returns the refusal that ends the renewal."""
        with pytest.raises(Refusal) as refused:
            await self.renew(**options)
        return refused.value

    @property
    def key(self) -> RequestKey:
        """What an unfinished renewal of these cards is found by."""
        return RequestKey("renewal", "example", PREFECTURE, WORKS, self.new.sha256.hex())

    @property
    def renewals(self) -> int:
        """How many renewals there are."""
        return len(self.server.cards.renewals)

    def signatures(self, card: PivInMemory) -> int:
        """How often a card has signed."""
        return card.connection.instructions.count(GENERAL_AUTHENTICATE)

    def pins_sent(self, card: PivInMemory) -> list[bytes]:
        """The PINs that a card received, in order."""
        return [command[5:].rstrip(b"\xff") for command in card.connection.commands if command[1] == VERIFY]
