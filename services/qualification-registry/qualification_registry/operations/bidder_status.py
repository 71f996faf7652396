"""Suspends, resumes or ends a bidder: the status changes and the event is enqueued in one transaction."""

from dataclasses import dataclass

from qualification_registry.domain.bidders import Bidder, BidderStatus, refuse_unknown_bidder
from qualification_registry.operations.bidder_events import enqueue_status
from qualification_registry.store import bidders
from servicekit.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderStatusChange:
    """Changes of bidders' statuses."""

    database: Database

    async def change(self, bidder_id: str, status: BidderStatus) -> Bidder | None:
        """Sets a bidder's status and returns its new state; None where it has the status already.

        Raises BIDDER_UNKNOWN.
        """
        async with self.database.transaction() as connection:
            bidder = await bidders.change_status(connection, bidder_id, status)
            if bidder is not None:
                await enqueue_status(connection, bidder)
            elif await bidders.find_status(connection, bidder_id) is None:
                raise refuse_unknown_bidder(bidder_id)
        return bidder
