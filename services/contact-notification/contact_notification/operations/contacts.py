"""Reads contacts: those staged under a request, a bidder's representative contact, those that agencies query."""

import re
from dataclasses import dataclass
from uuid import UUID

from contact_notification.domain.contact import Contact, ContactQuery
from contact_notification.domain.staging import StagedContacts
from contact_notification.store import contacts, staging
from instance_profile.model import Profile
from refusals import Code, Refusal
from servicekit.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactReading:
    """Reads contacts."""

    database: Database
    profile: Profile

    async def get_staged_contacts(self, certificate_sha256: bytes, request_id: UUID) -> StagedContacts:
        """Returns the contacts staged under a card's request id, pending or active; raises CONTACTS_NOT_STAGED."""
        async with self.database.read() as connection:
            staged = await staging.find_staged(connection, certificate_sha256, request_id)
            if staged is None:
                raise Refusal("CONTACTS_NOT_STAGED", Code.NOT_FOUND)
            card_contact = await contacts.get_contact(connection, staged.card_contact_id)
            staged_id = staged.representative_contact_id
            representative = (
                await contacts.get_contact(connection, staged_id)
                if staged_id is not None
                else await contacts.find_active_representative_contact(
                    connection, staged.company.bidder_id, staged.category
                )
            )
        return StagedContacts(staged.company, card_contact, representative, staged.person_in_charge)

    async def find_representative_contact(self, bidder_id: str, category: str) -> Contact | None:
        """Returns the active representative contact of a bidder in a category; None where there is none."""
        if not self._may_exist(bidder_id, category):
            return None
        async with self.database.read() as connection:
            return await contacts.find_active_representative_contact(connection, bidder_id, category)

    async def get_contact(self, query: ContactQuery) -> Contact:
        """Returns the contact that an agency queries; raises CONTACT_NOT_FOUND."""
        contact = await self._find_contact(query) if self._may_exist(query.bidder_id, query.category) else None
        if contact is None:
            raise Refusal("CONTACT_NOT_FOUND", Code.NOT_FOUND)
        return contact

    async def _find_contact(self, query: ContactQuery) -> Contact | None:
        key = (query.agency, query.category, query.bidder_id)
        async with self.database.read() as connection:
            if query.certificate_sha256 is None:
                return await contacts.find_representative_contact(connection, *key)
            return await contacts.find_card_contact(connection, *key, query.certificate_sha256)

    def _may_exist(self, bidder_id: str, category: str) -> bool:
        """Returns whether such a bidder may exist; other texts are not looked up, for PostgreSQL refuses a NUL."""
        return re.fullmatch(self.profile.bidder_id.pattern, bidder_id) is not None and any(
            known.code == category for known in self.profile.categories
        )
