"""Mails that failed: lists them, has them sent again, and forgets addresses after a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from contact_notification.domain.mail import FailedMail
from contact_notification.operations.mails import enqueue_mails
from contact_notification.store import mails
from servicekit.database import Database

FORGET_ADDRESSES = "forget_addresses"
# For so long a failed mail keeps an address that was sent along, and can be sent again.
ADDRESSES_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedMails:
    """The mails that nobody tries to send any more."""

    database: Database

    async def list_mails(self, since: datetime) -> Sequence[FailedMail]:
        """Returns the mails that failed at this instant or later, oldest first."""
        async with self.database.read() as connection:
            return await mails.list_failed_mails(connection, since)

    async def send_again(self, since: datetime) -> int:
        """Has the mails sent that failed at this instant or later and still have an address; returns how many.

        They wait anew, so each is tried for days again. Their Message-IDs stay, so a mailbox recognizes one it has.
        """
        async with self.database.transaction() as connection:
            reopened = await mails.reopen_failed_mails(connection, since)
            await enqueue_mails(connection, reopened)
        return len(reopened)

    async def forget_addresses(self) -> None:
        """Forgets addresses that were sent along with mails that failed a month ago."""
        async with self.database.single_change() as connection:
            await mails.forget_addresses(connection, ADDRESSES_KEPT)
