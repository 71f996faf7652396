"""Reads contacts: those staged under a request, a bidder's representative contact, those that agencies query."""

import re
from dataclasses import dataclass
from uuid import UUID

from contact_notification.domain.contact import Contact, ContactQuery, CountingContact
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
            staged = await staging.find_staged_contacts(connection, certificate_sha256, request_id)
        if staged is None:
            raise Refusal("CONTACTS_NOT_STAGED", Code.NOT_FOUND)
        return staged

    async def find_representative_contact(self, bidder_id: str, category: str) -> Contact | None:
        """Returns the active representative contact of a bidder in a category; None where there is none."""
        if not self._may_exist(bidder_id, category):
            return None
        async with self.database.read() as connection:
            return await contacts.find_active_representative_contact(connection, bidder_id, category)

    async def get_contact(self, query: ContactQuery) -> CountingContact:
        """Returns the contact that an agency queries; raises CONTACT_NOT_FOUND."""
        contact = None
        if self._may_exist(query.bidder_id, query.category):
            async with self.database.read() as connection:
                contact = await contacts.find_contact(connection, query)
        if contact is None:
            raise Refusal("CONTACT_NOT_FOUND", Code.NOT_FOUND)
        return contact

    def _may_exist(self, bidder_id: str, category: str) -> bool:
        """Returns whether such a bidder may exist; other texts are not looked up, for PostgreSQL refuses a NUL."""
        return re.fullmatch(self.profile.bidder_id.pattern, bidder_id) is not None and any(
            known.code == category for known in self.profile.categories
        )
