"""Has officers told by mail: of an invitation, and that their certificate expires (LIF-08)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from certificate_registry.domain.officer_notice import OfficerNotice
from certificate_registry.operations.notices import NOTICES_QUEUE
from certificate_registry.store import officer_notices
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock

SEND_OFFICER_NOTICES = "send_officer_notices"
# Notices of one message: contact-notification takes no more.
_MOST_NOTICES = 10


class OfficerNoticeSender(Protocol):
    """The service that sends notices as mails, each once by its id."""

    async def send_officer_notices(self, notices: Sequence[OfficerNotice]) -> None:
        """Hands notices over, all of them or none."""


def send_officer_notices(notice_ids: Sequence[UUID]) -> Sequence[jobs.NewJob]:
    """Returns the jobs that hand over notices, which hold their ids only."""
    return [
        jobs.NewJob(SEND_OFFICER_NOTICES, NOTICES_QUEUE, _write_arguments(notice_ids[start : start + _MOST_NOTICES]))
        for start in range(0, len(notice_ids), _MOST_NOTICES)
    ]


def _write_arguments(notice_ids: Iterable[UUID]) -> dict[str, Any]:
    return {"notice_ids": [str(notice_id) for notice_id in notice_ids]}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerNotices:
    """Hands notices to officers over to the service that sends them."""

    database: Database
    sender: OfficerNoticeSender
    clock: DatabaseClock

    async def write_expiring(self) -> None:
        """Has officers told 60, 30 and 7 days before their certificate expires, once each."""
        async with self.database.transaction() as connection:
            notice_ids = await officer_notices.write_expiring(connection, await self.clock(connection))
            await jobs.enqueue_together(connection, send_officer_notices(notice_ids))

    async def send(self, notice_ids: Sequence[UUID]) -> jobs.Replacements:
        """Hands notices over, but those with which that is done, and those of invitations that are closed.

        Returns the arguments of two jobs for the halves where they are refused for what they contain, so that what is
        refused comes to stand alone; raises the refusal of a single notice.
        """
        async with self.database.read() as connection:
            unsent = await officer_notices.list_unsent(connection, notice_ids)
        try:
            if unsent:
                await self.sender.send_officer_notices(unsent)
        except Refusal as refusal:
            halves = jobs.halve_refused(notice_ids, refusal)
            return [_write_arguments(half) for half in halves]
        async with self.database.single_change() as connection:
            await officer_notices.mark_sent(connection, notice_ids)
        return []
