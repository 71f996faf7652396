"""Has the contacts of a bidder told what officers decided: a job of the act's transaction, which holds ids only.

contact-notification, which knows the addresses, sends the mails. It takes each notice once, however often it is handed
over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID, uuid4

from history.sealed_entry import NEXT_LOOK, USUAL_WAIT
from history.writing import WrittenEntry
from qualification_registry.domain.bidder_notice import BidderNotice, BidderNoticeKind
from qualification_registry.domain.bidder_state import BidderKey
from qualification_registry.domain.suspension import Suspension
from qualification_registry.store.sealed_entries import find_entry
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection

SEND_NOTICE = "send_bidder_notice"
NOTICES_QUEUE = "bidder_notices"


class NoticeSender(Protocol):
    """The service that sends notices as mails, each once by its id."""

    async def send_bidder_notice(self, notice: BidderNotice) -> None:
        """Hands a notice over."""


async def enqueue_notice(
    connection: Connection, kind: BidderNoticeKind, suspension: Suspension, entry: WrittenEntry
) -> None:
    """Has the contacts of a suspension's bidder told of the act with this entry."""
    arguments = {
        "notice_id": str(uuid4()),
        "kind": kind.value,
        "bidder_id": suspension.bidder_id,
        "category": suspension.category,
        "agency": suspension.agency,
        "entry": entry.number,
    }
    await jobs.enqueue(connection, SEND_NOTICE, queue=NOTICES_QUEUE, arguments=arguments, delay=USUAL_WAIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderNotices:
    """Hands notices over to the service that sends them."""

    database: Database
    sender: NoticeSender
    clock: DatabaseClock

    async def send(self, arguments: Mapping[str, Any]) -> jobs.Result:
        """Hands over the notice in the arguments of a job, once the entry of its act is sealed, a minute at most."""
        async with self.database.read() as connection:
            found = await find_entry(connection, arguments["entry"], await self.clock(connection))
        if found.waits:
            return jobs.Later(NEXT_LOOK)
        notice = BidderNotice(
            notice_id=UUID(arguments["notice_id"]),
            kind=BidderNoticeKind(arguments["kind"]),
            key=BidderKey(arguments["bidder_id"], arguments["category"]),
            agency=arguments["agency"],
            happened_at=found.happened_at,
            entry=found.entry,
        )
        await self.sender.send_bidder_notice(notice)
        return None
