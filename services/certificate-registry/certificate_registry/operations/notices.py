"""Has people told of an act: the notice is written in the act's transaction, and handed over by the worker.

contact-notification, which knows the addresses, sends the mails. It takes each notice once, however often it is handed
over.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.domain.notice import MOST_RECIPIENTS, Notice, NoticeKind
from certificate_registry.store import notices
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock

SEND_NOTICE = "send_notice"
NOTICES_QUEUE = "notices"


class NoticeSender(Protocol):
    """The service that sends notices as mails, each once by its id."""

    async def send_notice(self, notice: Notice) -> None:
        """Hands a notice over."""


async def enqueue_notices(connection: AsyncConnection, registration_id: UUID, now: datetime) -> None:
    """Writes the two notices of a registration, and enqueues a job for each that holds its id only."""
    for kind in (NoticeKind.REGISTRATION, NoticeKind.REGISTRATION_NOTICE):
        notice_id = uuid4()
        await notices.insert_notice(connection, notice_id, kind, registration_id, now)
        await jobs.enqueue(connection, SEND_NOTICE, queue=NOTICES_QUEUE, arguments={"notice_id": str(notice_id)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Hands notices over to the service that sends them."""

    database: Database
    sender: NoticeSender
    clock: DatabaseClock

    async def send(self, notice_id: UUID) -> None:
        """Hands a notice over; does nothing if that is done. The bidder's cards are those of now."""
        async with self.database.read() as connection:
            # The representative contact is a recipient too.
            notice = await notices.find_unsent_notice(connection, notice_id, most_cards=MOST_RECIPIENTS - 1)
        if notice is None:
            return
        await self.sender.send_notice(notice)
        async with self.database.transaction() as connection:
            await notices.mark_sent(connection, notice_id, await self.clock(connection))
