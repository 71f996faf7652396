"""Has people told of an act: the notice is written in the act's transaction, and handed over by the worker.

contact-notification, which knows the addresses, sends the mails. It takes each notice once, however often it is handed
over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

from certificate_registry.domain.notice import MOST_RECIPIENTS, Notice, NoticeKind
from certificate_registry.store import notices
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_connection import Connection

SEND_NOTICES = "send_notices"
NOTICES_QUEUE = "notices"


class NoticeSender(Protocol):
    """The service that sends notices as mails, each once by its id."""

    async def send_notices(self, notices: Sequence[Notice]) -> None:
        """Hands notices over, all of them or none."""


async def write_notices(connection: Connection, registration_id: UUID, now: datetime) -> jobs.NewJob:
    """Writes the two notices of a registration; returns the job that hands them over, which holds their ids only."""
    kinds = {uuid4(): kind for kind in (NoticeKind.REGISTRATION, NoticeKind.REGISTRATION_NOTICE)}
    await notices.insert_notices(connection, kinds, registration_id, now)
    return jobs.NewJob(SEND_NOTICES, NOTICES_QUEUE, _write_arguments(list(kinds)))


def _write_arguments(notice_ids: Sequence[UUID]) -> dict[str, Any]:
    return {"notice_ids": [str(notice_id) for notice_id in notice_ids]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Hands notices over to the service that sends them."""

    database: Database
    sender: NoticeSender

    async def send(self, notice_ids: Sequence[UUID]) -> jobs.Replacements:
        """Hands notices over, but those with which that is done. The bidder's cards are those of now.

        Returns the arguments of two jobs for the halves where they are refused for what they contain, so that what is
        refused comes to stand alone; raises the refusal of a single notice.
        """
        async with self.database.read() as connection:
            # The representative contact is a recipient too.
            unsent = await notices.list_unsent_notices(connection, notice_ids, most_cards=MOST_RECIPIENTS - 1)
        if not unsent:
            return []
        try:
            await self.sender.send_notices(unsent)
        except Refusal as refusal:
            halves = jobs.halve_refused([notice.notice_id for notice in unsent], refusal)
            return [_write_arguments(half) for half in halves]
        async with self.database.single_change() as connection:
            await notices.mark_sent(connection, [notice.notice_id for notice in unsent])
        return []
