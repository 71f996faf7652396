"""Composes and sends the mails of the outbox."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification.adapters.smtp import MailServer
from contact_notification.domain.mail import UndeliverableMailError, compose
from contact_notification.store import mails
from instance_profile.model import Profile
from refusals import Refusal
from servicekit import jobs
from servicekit.clock import DatabaseClock
from servicekit.database import Database

log = logging.getLogger(__name__)

SEND_MAIL = "send_mail"
MAIL_QUEUE = "mail"


class MailCounts(Protocol):
    """Counts the tries to send a mail, by result."""

    def sent(self) -> None:
        """Counts a mail that the server accepted."""

    def not_deliverable(self, smtp_code: int | None) -> None:
        """Counts a mail that no further try can deliver."""

    def not_taken(self, refusal: Refusal) -> None:
        """Counts a try that is repeated later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSending:
    """Sends the mails of the outbox, from the address `sender`."""

    database: Database
    clock: DatabaseClock
    profile: Profile
    server: MailServer
    sender: str
    counts: MailCounts

    async def send(self, mail_id: UUID) -> None:
        """Sends one mail of the outbox, at least once; does nothing where it was sent already or can't be delivered.

        It is recorded as sent after the server accepted it, so after a crash in between it is sent again. In the other
        order a crash would lose it, and nobody would learn that a card was registered. A mailbox recognizes the second
        copy by its Message-ID, which is identical in every try (RFC 5322, 3.6.4).
        Raises MAIL_NOT_TAKEN where a later try may succeed.
        """
        async with self.database.read() as connection:
            mail = await mails.find_unsent_mail(connection, mail_id)
        if mail is None:
            return
        try:
            message = compose(mail, self.profile, self.sender)
            await self.server.send(message, recipient=mail.mail_address, sender=self.sender)
        except UndeliverableMailError as error:
            self.counts.not_deliverable(error.smtp_code)
            log.error("mail %s can't be delivered, SMTP code %s", mail_id, error.smtp_code)
            async with self.database.transaction() as connection:
                now = await self.clock(connection)
                await mails.record_failure(connection, mail_id, smtp_code=error.smtp_code, now=now)
            return
        except Refusal as refusal:
            self.counts.not_taken(refusal)
            raise
        self.counts.sent()
        async with self.database.transaction() as connection:
            await mails.record_sent(connection, mail_id, now=await self.clock(connection))


async def enqueue_mails(connection: AsyncConnection, mail_ids: Sequence[UUID]) -> None:
    """Enqueues the sending of mails in the caller's transaction."""
    arguments = [{"mail_id": str(mail_id)} for mail_id in mail_ids]
    await jobs.enqueue_each(connection, SEND_MAIL, queue=MAIL_QUEUE, arguments=arguments)
