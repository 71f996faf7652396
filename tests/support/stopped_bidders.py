"""Bidders with a status that no RPC, or no single officer, can give them."""

from sqlalchemy import text

from qualification_registry.domain.bidder_state import BidderKey
from qualification_registry.domain.bidders import BidderStatus
from qualification_registry.operations.bidder_events import enqueue_states
from qualification_registry.store.bidder_states import lock_state
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_END = Statement(text("UPDATE bidder_states SET has_ended = :ended WHERE bidder_id = :bidder_id"))
_RESUME = Statement(text("DELETE FROM bidder_suspensions WHERE bidder_id = :bidder_id"))
_SUSPEND = Statement(
    text(
        "INSERT INTO bidder_suspensions "
        "(bidder_id, category, agency, reason, suspended_by, suspended_at, confirmed_by, confirmed_at) "
        "VALUES (:bidder_id, :category, 'operator', 'test', 'operator/gen', now(), 'operator/ichiro', now())"
    )
)


async def set_status(connection: Connection, bidder_id: str, category: str, status: BidderStatus) -> None:
    """Gives a bidder a status in the whole instance, in one category, and has other services told of it."""
    await lock_state(connection, BidderKey(bidder_id, category))
    await connection.change(_END, bidder_id=bidder_id, ended=status is BidderStatus.ENDED)
    await connection.change(_RESUME, bidder_id=bidder_id)
    if status is BidderStatus.SUSPENDED:
        await connection.change(_SUSPEND, bidder_id=bidder_id, category=category)
    await enqueue_states(connection, category, [bidder_id])
