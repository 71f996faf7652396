"""Has people told of an act: the notice is written in the act's transaction, and handed over by the worker.

contact-notification, which knows the addresses, sends the mails. It takes each notice once, however often it is handed
over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

from certificate_registry.domain.notice import MOST_RECIPIENTS, CardAct, Notice, NoticeKind, ReversedRenewal
from certificate_registry.store import notices
from history.sealed_entry import NEXT_LOOK, USUAL_WAIT
from history.writing import WrittenEntry
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


def create_notices() -> Mapping[UUID, NoticeKind]:
    """Returns the ids of the two notices of a registration."""
    return {uuid4(): kind for kind in (NoticeKind.REGISTRATION, NoticeKind.REGISTRATION_NOTICE)}


def create_renewal_notices() -> Mapping[UUID, NoticeKind]:
    """Returns the ids of the two notices of a renewal."""
    return {uuid4(): kind for kind in (NoticeKind.RENEWAL, NoticeKind.RENEWAL_NOTICE)}


def send_notices(notice_ids: Iterable[UUID]) -> jobs.NewJob:
    """Returns the job that hands over notices of one act, which holds their ids only.

    It begins when the act's entry is usually sealed.
    """
    return jobs.NewJob(SEND_NOTICES, NOTICES_QUEUE, _write_arguments(notice_ids), USUAL_WAIT)


async def tell_of_card(
    connection: Connection, kind: NoticeKind, act: CardAct, entry: WrittenEntry, *, now: datetime
) -> None:
    """Has all contacts of a bidder told, in the act's transaction, what an officer did to its card."""
    notice_id = uuid4()
    await notices.insert_notice(connection, notice_id, kind, act, history_number=entry.number, now=now)
    await jobs.enqueue_together(connection, [send_notices([notice_id])])


async def tell_of_reversals(
    connection: Connection, reversals: Sequence[ReversedRenewal], entry: WrittenEntry, *, now: datetime
) -> None:
    """Has all contacts of a bidder told, in the act's transaction, which renewals officers took back."""
    notice_ids = []
    for reversal in reversals:
        notice_ids.append(uuid4())
        await notices.insert_notice(
            connection,
            notice_ids[-1],
            NoticeKind.REGISTRATION_REOPENED,
            reversal.act,
            registration_id=reversal.registration_id,
            history_number=entry.number,
            now=now,
        )
    await jobs.enqueue_together(connection, [send_notices(notice_ids)])


def _write_arguments(notice_ids: Iterable[UUID]) -> dict[str, Any]:
    return {"notice_ids": [str(notice_id) for notice_id in notice_ids]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Hands notices over to the service that sends them."""

    database: Database
    sender: NoticeSender

    async def send(self, notice_ids: Sequence[UUID]) -> jobs.Result:
        """Hands notices over, but those with which that is done. The bidder's cards are those of now.

        They wait until the entry of their act is sealed, a minute at most.
        Returns the arguments of two jobs for the halves where they are refused for what they contain, so that what is
        refused comes to stand alone; raises the refusal of a single notice.
        """
        async with self.database.read() as connection:
            # The representative contact is a recipient too.
            unsent = await notices.list_unsent_notices(connection, notice_ids, most_cards=MOST_RECIPIENTS - 1)
        if not unsent:
            return []
        if any(notice.waits for notice in unsent):
            return jobs.Later(NEXT_LOOK)
        try:
            await self.sender.send_notices(unsent)
        except Refusal as refusal:
            halves = jobs.halve_refused([notice.notice_id for notice in unsent], refusal)
            return [_write_arguments(half) for half in halves]
        async with self.database.single_change() as connection:
            await notices.mark_sent(connection, [notice.notice_id for notice in unsent])
        return []
