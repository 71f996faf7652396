"""Composes and sends the mails of the outbox."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from contact_notification.adapters.smtp import MailServer
from contact_notification.domain.mail import FailedTry, UndeliverableMailError, compose
from contact_notification.store import mails
from instance_profile.model import Profile
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_connection import Connection

log = logging.getLogger(__name__)

SEND_MAIL = "send_mail"
MAIL_QUEUE = "mail"
# The reason of a try that every other mail would meet too; the worker then tries one mail at a time.
SERVER_UNUSABLE = "MAIL_SERVER_UNUSABLE"


class MailCounts(Protocol):
    """Counts the tries to send a mail, by result."""

    def sent(self) -> None:
        """Counts a mail that the server accepted."""

    def failed(self, result: FailedTry) -> None:
        """Counts a try that did not send its mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSending:
    """Sends the mails of the outbox, from the address `sender`, until they have waited for `give_up_after`."""

    database: Database
    profile: Profile
    server: MailServer
    sender: str
    give_up_after: timedelta
    counts: MailCounts

    async def send(self, mail_id: UUID) -> None:
        """Sends one mail of the outbox, at least once; does nothing where it was sent already or has failed.

        It is recorded as sent after the server accepted it, so after a crash in between it is sent again. In the other
        order a crash would lose it, and nobody would learn that a card was registered. A mailbox recognizes the second
        copy by its Message-ID, which is identical in every try (RFC 5322, 3.6.4).
        It fails where no further try can deliver it, and where a try fails after it has waited for days by the
        database's clock (RFC 5321, 4.5.4.1: four or five); an operator can have it sent again.
        Raises MAIL_NOT_TAKEN and MAIL_SERVER_UNUSABLE where a later try may succeed.
        """
        async with self.database.read() as connection:
            mail = await mails.find_unsent_mail(connection, mail_id)
        if mail is None:
            return
        try:
            message = compose(mail, self.profile, self.sender)
            await self.server.send(message, recipient=mail.mail_address, sender=self.sender)
        except UndeliverableMailError as error:
            self.counts.failed(error.result)
            log.error(
                "mail %s failed, %s (%s): see list-failed-mails, and tell its recipient in another way, or correct the "
                "cause and run send-failed-mails",
                mail_id,
                error.result,
                error.answer or "not offered",
            )
            async with self.database.single_change() as connection:
                await mails.record_undeliverable(connection, mail_id, error.result, error.answer)
            return
        except Refusal as refusal:
            await self._put_off(mail_id, refusal)
            return
        self.counts.sent()
        async with self.database.single_change() as connection:
            await mails.record_sent(connection, mail_id)

    async def _put_off(self, mail_id: UUID, refusal: Refusal) -> None:
        """Records a try that is repeated, and raises its refusal, unless the mail is given up."""
        result = FailedTry.SERVER_UNUSABLE if refusal.reason == SERVER_UNUSABLE else FailedTry.PUT_OFF
        self.counts.failed(result)
        answer = refusal.metadata["answer"]
        async with self.database.single_change() as connection:
            is_given_up = await mails.record_not_taken(
                connection, mail_id, result, answer, give_up_after=self.give_up_after
            )
        if not is_given_up:
            raise refusal
        self.counts.failed(FailedTry.GIVEN_UP)
        log.error(
            "mail %s is given up after %s days, the last answer was %s: see list-failed-mails, correct the cause, and "
            "run send-failed-mails",
            mail_id,
            self.give_up_after.days,
            answer,
        )


async def enqueue_mails(connection: Connection, mail_ids: Sequence[UUID]) -> None:
    """Enqueues the sending of mails in the caller's transaction."""
    arguments = [{"mail_id": str(mail_id)} for mail_id in mail_ids]
    await jobs.enqueue_each(connection, SEND_MAIL, queue=MAIL_QUEUE, arguments=arguments)
