"""Records committed registrations: activates their contacts and writes their mails."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification.domain.mail import choose_recipients
from contact_notification.domain.registration import Registration, RegistrationEvent, require_same_act
from contact_notification.domain.staging import StagedRegistration, StagedState
from contact_notification.operations.mails import enqueue_mail
from contact_notification.store import contacts, mails, registrations, staging
from refusals import Refusal
from servicekit.database import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationEvents:
    """Records committed registrations. The Message-IDs of their mails end in `mail_domain`."""

    database: Database
    clock: Callable[[], datetime]
    mail_domain: str

    async def record(self, event: RegistrationEvent) -> None:
        """Records a committed registration, once per version, with its contacts and mails in one transaction.

        Raises CONTACTS_NOT_STAGED and CONTACTS_DIFFER_FROM_ACT; then nothing is changed, and the event has to be
        delivered again.
        """
        registration = event.registration
        async with self.database.transaction() as connection:
            is_newer = await registrations.record_registration(connection, event)
            if not is_newer or event.request_id is None:
                return
            request = (registration.certificate_sha256, event.request_id)
            try:
                staged = require_same_act(await staging.find_staged(connection, *request, lock=True), event)
            except Refusal as refusal:
                log.error("ALERT a committed registration has no contacts and no mail: %s", refusal)
                raise
            if staged.state is StagedState.ACTIVE:
                return
            await staging.activate(connection, staged, registration)
            await self._write_mails(connection, staged, registration)

    async def _write_mails(
        self, connection: AsyncConnection, staged: StagedRegistration, registration: Registration
    ) -> None:
        representative = await contacts.find_representative_contact_id(
            connection, registration.bidder_id, registration.category
        )
        other_cards = await contacts.list_contacts_of_other_cards(
            connection, registration.bidder_id, registration.certificate_sha256
        )
        others = [*([representative] if representative else []), *other_cards]
        addresses = await contacts.list_mail_addresses(connection, [staged.card_contact_id, *others])
        recipients = choose_recipients(staged.card_contact_id, others, addresses)
        for mail_id in await mails.insert_mails(
            connection, registration.registration_id, recipients, domain=self.mail_domain, now=self.clock()
        ):
            await enqueue_mail(connection, mail_id)
