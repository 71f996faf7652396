"""What other services are told, enqueued in the transaction that causes it (design section 3)."""

from sqlalchemy.ext.asyncio import AsyncConnection

from qualification_registry.domain.bidders import Bidder, BidderStatus
from servicekit import jobs

TELL_CERTIFICATE_REGISTRY = "tell_certificate_registry"


async def announce_named_first_by(connection: AsyncConnection, import_number: int, *, after: str = "") -> None:
    """Tells of all bidders that an import named first and whose ids come after this one: one job at a time, however
    many they are."""
    arguments = {"import_number": import_number, "after": after}
    await jobs.enqueue(connection, TELL_CERTIFICATE_REGISTRY, queue="events", arguments=arguments)


async def announce(connection: AsyncConnection, bidder: Bidder) -> None:
    """Tells of one bidder whose status changed; a stop goes before everything else, so it has a queue of its own."""
    queue = "events" if bidder.status is BidderStatus.ACTIVE else "stop"
    arguments = {"bidder_ids": [bidder.bidder_id]}
    await jobs.enqueue(connection, TELL_CERTIFICATE_REGISTRY, queue=queue, arguments=arguments)
