"""Composes and sends the mails of the outbox."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from contact_notification.adapters.smtp import MailConnections
from contact_notification.domain.mail import FailedTry, Mail, UndeliverableMailError, compose
from contact_notification.domain.notice import ActEntry
from contact_notification.store import mails, notices
from history.sealed_entry import NEXT_LOOK
from instance_profile.model import Profile
from refusals import Code, Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.mailed_secrets import MailedSecretKey, SecretUnreadable

log = logging.getLogger(__name__)

SEND_MAIL = "send_mail"
MAIL_QUEUE = "mail"
# The reason of a try that every other mail would meet too; the worker then tries one mail at a time.
SERVER_UNUSABLE = "MAIL_SERVER_UNUSABLE"
SECRET_UNREADABLE = "MAIL_SECRET_UNREADABLE"  # noqa: S105  # a reason
_RESULTS = {SERVER_UNUSABLE: FailedTry.SERVER_UNUSABLE, SECRET_UNREADABLE: FailedTry.SECRET_UNREADABLE}


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
    connections: MailConnections
    sender: str
    mailed_secret_key: MailedSecretKey
    give_up_after: timedelta
    counts: MailCounts
    # Whose history our own acts are in.
    registry: str

    async def send(self, mail_id: UUID) -> jobs.Result:
        """Sends one mail of the outbox, at least once; does nothing where it was sent already or has failed.

        A mail about an act in our own history waits until the act's entry is sealed, a minute at most.

        It is recorded as sent after the server accepted it, so after a crash in between it is sent again. In the other
        order a crash would lose it, and nobody would learn that a card was registered. A mailbox recognizes the second
        copy by its Message-ID, which is identical in every try (RFC 5322, 3.6.4).
        It fails where no further try can deliver it, and where a try fails after it has waited for days by the
        database's clock (RFC 5321, 4.5.4.1: four or five); an operator can have it sent again.
        Raises MAIL_NOT_TAKEN, MAIL_SERVER_UNUSABLE and MAIL_SECRET_UNREADABLE where a later try may succeed.
        """
        async with self.database.read() as connection:
            mail = await mails.find_unsent_mail(connection, mail_id)
        if mail is None:
            return None
        if mail.history_number is not None and mail.entry is not None and mail.entry.position is None:
            entry = await self._find_sealed(mail)
            if entry is None:
                return jobs.Later(NEXT_LOOK)
            mail = replace(mail, entry=entry)
        try:
            message = compose(mail, self.profile, self.sender, code=self._open_secret(mail))
            await self.connections.send(message, recipient=mail.mail_address, sender=self.sender)
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
            return None
        except Refusal as refusal:
            await self._put_off(mail_id, refusal)
            return None
        self.counts.sent()
        async with self.database.single_change() as connection:
            await mails.record_sent(connection, mail_id)
        return None

    async def _find_sealed(self, mail: Mail) -> ActEntry | None:
        """Returns the entry of a mail's act as it was sealed, which is kept; None where the mail waits for that."""
        async with self.database.read() as connection:
            sealed, waits = await notices.find_seal(connection, mail.mail_id)
        if sealed.position is not None:
            async with self.database.single_change() as connection:
                await notices.keep_seal(connection, mail.notice_id, sealed)
        return None if waits else ActEntry(self.registry, *sealed)

    def _open_secret(self, mail: Mail) -> str:
        """Returns what a mail has to tell besides, "" where that is nothing; raises MAIL_SECRET_UNREADABLE."""
        if mail.sealed_secret is None:
            return ""
        try:
            return self.mailed_secret_key.open(mail.sealed_secret, mail.notice_id)
        except SecretUnreadable as error:
            log.error(  # the place of the error says nothing
                "ALERT the secret of mail %s can't be opened: %s. Give this worker the key of the service that sealed "
                "it (TOROKU_MAILED_SECRET_KEY); the mail waits for it",
                mail.mail_id,
                error,
            )
            raise Refusal(SECRET_UNREADABLE, Code.UNAVAILABLE, {"answer": ""}) from None

    async def _put_off(self, mail_id: UUID, refusal: Refusal) -> None:
        """Records a try that is repeated, and raises its refusal, unless the mail is given up."""
        result = _RESULTS.get(refusal.reason, FailedTry.PUT_OFF)
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


async def enqueue_mails(connection: Connection, mail_ids: Sequence[UUID], *, delay: timedelta | None = None) -> None:
    """Enqueues the sending of mails in the caller's transaction."""
    new_jobs = [jobs.NewJob(SEND_MAIL, MAIL_QUEUE, {"mail_id": str(mail_id)}, delay) for mail_id in mail_ids]
    await jobs.enqueue_together(connection, new_jobs)
