"""An office whose card is registered, and which changes its contacts or asks for advice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from card_agent.advice.advise import advise
from card_agent.advice.propagations import look_at_propagations
from card_agent.change.change import change_contacts
from card_agent.change.in_progress import ChangeResult
from card_agent.operation.progress import Progress
from card_agent.operation.propagations import Propagations
from card_agent.operation.unfinished import RequestKey
from instance_profile.model import Profile
from refusals import Refusal
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from tests.support.office import CONTACT, GENERAL_AUTHENTICATE, Office, replace_person
from tests.support.scripted_person import ScriptedPerson
from tests.support.services.front_door import running_front_door
from toroku.agencysync.v1 import propagation_pb2
from toroku.contact.v1 import contact_pb2
from toroku.frontdoor.v1 import advice_pb2

REPRESENTATIVE = CONTACT | {"person_name": "代表 花子", "mail_address": "daihyo@contractor.example"}
CARD_CONTACT, REPRESENTATIVE_CONTACT = SECTIONS = ("card_contact", "representative_contact")
# The person changes the telephone number of the card's contact; all else is kept with the Enter key.
CHANGE: dict[str, str | list[str]] = {
    "agency": PREFECTURE,
    "category": WORKS,
    "change": CARD_CONTACT,
    "card_contact.telephone": "048-111-2222",
    "propagate": "everywhere",
}


class ChangingOffice(Office):
    """An office that changes the contacts of its card."""

    change_progress: Progress[ChangeResult]

    async def have_registered(self, *, agencies: tuple[str, ...] = (PREFECTURE,), category: str = WORKS) -> None:
        """Registers the card at these agencies; its contacts are in force."""
        for agency in agencies:
            again = {f"{section}.mail_address_again": CONTACT["mail_address"] for section in SECTIONS}
            replace_person(self, agency=agency, category=category, **again)
            await self.register()
        self.put_contact(CARD_CONTACT, CONTACT, category=category)
        if (BIDDER, category) not in self.server.contacts.versions:
            self.put_contact(REPRESENTATIVE_CONTACT, REPRESENTATIVE, category=category)
        self.card_in_memory.connection.commands.clear()

    def put_contact(
        self, section: str, contact: dict[str, str], *, brought_by: bytes | None = None, category: str = WORKS
    ) -> None:
        """Makes this the newest contact, by an act of this card or of another one."""
        owner = self.card.sha256 if section == CARD_CONTACT else BIDDER
        self.server.contacts.add_version(
            (owner, category), contact_pb2.Contact(**contact), brought_by=brought_by or self.card.sha256
        )

    def newest(self, section: str, category: str = WORKS) -> contact_pb2.Contact:
        """Returns the newest contact of the card or of the bidder."""
        owner = self.card.sha256 if section == CARD_CONTACT else BIDDER
        return self.server.contacts.versions[owner, category][-1].contact

    def send_person(self, **changes: str | list[str]) -> ScriptedPerson:
        """Sends a person to the office who wants to change something."""
        self.person = ScriptedPerson(CHANGE | changes)
        return self.person

    async def change(self, **options: Any) -> ChangeResult | None:
        """Changes in a thread beside the front door, which runs in this one, and has the receipt."""
        self.change_progress = Progress()
        result = await asyncio.to_thread(
            change_contacts, self.front_door, self.medium, self.person, self.unfinished, self.change_progress, **options
        )
        self.change_progress.forget()
        return result

    async def change_done(self, **options: Any) -> ChangeResult:
        """Changes, and returns the result of a change that was made."""
        result = await self.change(**options)
        assert result is not None
        return result

    async def change_refused(self, **options: Any) -> Refusal:
        """Returns the refusal that ends the change."""
        with pytest.raises(Refusal) as refused:
            await self.change(**options)
        return refused.value

    async def advise(self, *, now: datetime | None = None) -> advice_pb2.GetAdviceResponse:
        """Asks which operation is right for the card."""
        return await asyncio.to_thread(
            advise, self.front_door, self.medium, self.person, self.unfinished, lambda: now or datetime.now(UTC)
        )

    async def look_at_propagations(self) -> Propagations:
        """Looks how far what the card did has come at the other agencies."""
        return await asyncio.to_thread(look_at_propagations, self.front_door, self.medium, self.person, self.unfinished)

    def propagate(self, *propagations: propagation_pb2.Propagation, agency: str = PREFECTURE) -> None:
        """Has agency-sync say this of what the card did at an agency."""
        self.server.propagations.propagations[self.card.sha256, WORKS, agency] = list(propagations)

    @property
    def change_key(self) -> RequestKey:
        """What an unfinished change of this card is found by."""
        return RequestKey("change", "example", PREFECTURE, WORKS, self.card.sha256.hex())

    @property
    def changes(self) -> int:
        """How many changes were made."""
        return len(self.server.contacts.changes)

    @property
    def signed(self) -> int:
        """How often the card has signed since it was registered."""
        return self.card_in_memory.connection.instructions.count(GENERAL_AUTHENTICATE)


@asynccontextmanager
async def office_at(folder: Path, profile: Profile) -> AsyncIterator[ChangingOffice]:
    """An office whose card is registered at the prefecture, and a person who wants to change something."""
    async with running_front_door(profile, folder) as server:
        office = ChangingOffice(server, folder)
        await office.have_registered()
        office.send_person()
        yield office
