"""A bidder is suspended, resumed or ended: the state changes and the event is enqueued in one transaction."""

from qualification_registry.operations.bidder_events import announce
from qualification_registry.domain.bidders import Bidder, BidderStatus
from qualification_registry.store import bidders
from refusals import Code, Refusal
from servicekit.database import Database


async def change_status(database: Database, bidder_id: str, status: BidderStatus) -> Bidder | None:
    """Gives a bidder another status; None where it has it already. Raises BIDDER_UNKNOWN."""
    async with database.transaction() as connection:
        changed = await bidders.change_status(connection, bidder_id, status)
        if changed is not None:
            await announce(connection, changed)
        elif await bidders.status(connection, bidder_id) is None:
            raise Refusal("BIDDER_UNKNOWN", Code.NOT_FOUND, {"bidder_id": bidder_id[:40]})
    return changed
