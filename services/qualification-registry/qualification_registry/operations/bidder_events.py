"""Outbound events: the states of bidders, enqueued in the transaction that causes them and sent by the worker."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from qualification_registry.adapters.certificate_registry import CertificateRegistry
from qualification_registry.domain.bidders import Bidder, BidderStatus
from qualification_registry.store import bidders
from servicekit import jobs
from servicekit.database import Database

# The task that sends events. Its arguments are `bidder_ids`, or `import_number` and `after`.
SEND_BIDDERS = "send_bidders"
# Bidders in one message; about 40 bytes each.
_MOST_BIDDERS = 5000


async def enqueue_first_named(connection: AsyncConnection, import_number: int, *, after: str = "") -> None:
    """Enqueues the states of all bidders that an import named first, with ids after `after`: one job at a time."""
    arguments = {"import_number": import_number, "after": after}
    await jobs.enqueue(connection, SEND_BIDDERS, queue="events", arguments=arguments)


async def enqueue_status(connection: AsyncConnection, bidder: Bidder) -> None:
    """Enqueues the state of a bidder whose status changed; stops have a separate queue, so that nothing delays them."""
    queue = "events" if bidder.status is BidderStatus.ACTIVE else "stop"
    arguments = {"bidder_ids": [bidder.bidder_id]}
    await jobs.enqueue(connection, SEND_BIDDERS, queue=queue, arguments=arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderEvents:
    """Sends the current states of bidders to certificate-registry.

    Repeated and reordered events have the same effect: the consumer keeps the highest version of each bidder.
    """

    database: Database
    certificate_registry: CertificateRegistry

    async def send(self, bidder_ids: Sequence[str]) -> None:
        """Sends the current states of these bidders."""
        async with self.database.read() as connection:
            states = await bidders.list_states(connection, bidder_ids)
        await self._record(states)

    async def send_first_named(self, import_number: int, *, after: str) -> None:
        """Sends the states of the next bidders that an import named first, and enqueues a job for the rest.

        So that a retry does not repeat a large import from its start.
        """
        async with self.database.read() as connection:
            states = await bidders.list_states_first_named_by(
                connection, import_number, after=after, most=_MOST_BIDDERS
            )
        await self._record(states)
        if len(states) == _MOST_BIDDERS:
            async with self.database.transaction() as connection:
                await enqueue_first_named(connection, import_number, after=states[-1].bidder_id)

    async def _record(self, states: Sequence[Bidder]) -> None:
        if states:
            await self.certificate_registry.record_bidders(states)
