"""Erases a bidder's persons, in the tables and in the history."""

from dataclasses import dataclass

from contact_notification.operations.owner_events import enqueue_owners
from contact_notification.store import erasure
from history.bidder_erasure import BidderErasure, erase_bidder
from history.entries import Chain
from history.erasure_order import ErasureOrder
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Erases bidders; that their registrations have ended is for the operator to see to (docs/erasure.md)."""

    database: Database
    clock: DatabaseClock
    chain: Chain

    async def erase(self, order: ErasureOrder) -> BidderErasure:
        """Erases a bidder's contacts, mails that were not sent, and the details of its history; returns how many.

        The act is an entry of the history itself. What was erased before is passed over.
        """
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            owner_ids = await erasure.lock_owners(connection, order.subject)
            rows = await erasure.erase(connection, order.subject)
            # Which are told that there is no contact any more.
            await enqueue_owners(connection, owner_ids)
            return await erase_bidder(connection, self.chain, order, rows, now=now)
