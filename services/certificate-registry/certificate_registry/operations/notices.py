"""Has people told of an act: the notice is written in the act's transaction, and handed over by the worker.

contact-notification, which knows the addresses, sends the mails. It takes each notice once, however often it is handed
over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

from certificate_registry.domain.notice import MOST_RECIPIENTS, Notice, NoticeKind
from certificate_registry.store import notices
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_connection import Connection

SEND_NOTICE = "send_notice"
NOTICES_QUEUE = "notices"


class NoticeSender(Protocol):
    """The service that sends notices as mails, each once by its id."""

    async def send_notice(self, notice: Notice) -> None:
        """Hands a notice over."""


async def write_notices(connection: Connection, registration_id: UUID, now: datetime) -> Sequence[jobs.NewJob]:
    """Writes the two notices of a registration; returns a job for each that holds its id only."""
    kinds = {uuid4(): kind for kind in (NoticeKind.REGISTRATION, NoticeKind.REGISTRATION_NOTICE)}
    await notices.insert_notices(connection, kinds, registration_id, now)
    return [jobs.NewJob(SEND_NOTICE, NOTICES_QUEUE, {"notice_id": str(notice_id)}) for notice_id in kinds]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Hands notices over to the service that sends them."""

    database: Database
    sender: NoticeSender

    async def send(self, notice_id: UUID) -> None:
        """Hands a notice over; does nothing if that is done. The bidder's cards are those of now."""
        async with self.database.read() as connection:
            # The representative contact is a recipient too.
            notice = await notices.find_unsent_notice(connection, notice_id, most_cards=MOST_RECIPIENTS - 1)
        if notice is None:
            return
        await self.sender.send_notice(notice)
        async with self.database.single_change() as connection:
            await notices.mark_sent(connection, notice_id)
