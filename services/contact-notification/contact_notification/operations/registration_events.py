"""What a committed registration changes here: its contacts stand, and its mails are on their way."""

import logging
from datetime import datetime

from contact_notification import store
from contact_notification.domain import RegistrationEvent, StagedState, check_same_act, recipients
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database

log = logging.getLogger(__name__)


async def record_registration(event: RegistrationEvent, *, database: Database, mail_domain: str, now: datetime) -> None:
    """Takes a committed registration, once per version; contacts and mails change with it in one transaction.

    Raises CONTACTS_NOT_STAGED and CONTACTS_DIFFER_FROM_ACT; then nothing was changed, and the same event has to come
    again.
    """
    registration = event.registration
    async with database.transaction() as connection:
        if not await store.record_registration(connection, event) or event.request_id is None:
            return
        found = await store.staged(connection, registration.certificate_sha256, event.request_id, lock=True)
        try:
            staged = check_same_act(found, event)
        except Refusal as refusal:
            log.error("ALERT a committed registration has no contacts and no mail: %s", refusal)
            raise
        if staged.state is StagedState.ACTIVE:
            return
        await store.activate(connection, staged, registration)
        representative = await store.representative_contact_id(
            connection, registration.bidder_id, registration.category
        )
        others = await store.contacts_of_other_cards(
            connection, registration.bidder_id, registration.certificate_sha256
        )
        told = [*([representative] if representative else []), *others]
        addresses = await store.mail_addresses(connection, [staged.card_contact_id, *told])
        chosen = recipients(staged.card_contact_id, told, addresses)
        for mail_id in await store.write_mails(
            connection, registration.registration_id, chosen, domain=mail_domain, now=now
        ):
            await jobs.enqueue(connection, "send_mail", queue="mail", arguments={"mail_id": str(mail_id)})
