"""Outbound events: the states of bidders, enqueued in the transaction that causes them and sent by the worker."""

from collections.abc import Sequence
from dataclasses import dataclass

from qualification_registry.adapters.certificate_registry import CertificateRegistry
from qualification_registry.domain.bidders import Bidder, BidderStatus
from qualification_registry.store import bidders
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_connection import Connection

# The task that sends events. Its arguments are `bidder_ids`, or `import_number` and `after`.
SEND_BIDDERS = "send_bidders"
# Bidders that may not act any more; those that may again; the thousands of an import.
STOPS_QUEUE = "stopped_bidders"
BIDDERS_QUEUE = "bidders"
IMPORTS_QUEUE = "imported_bidders"
# Bidders in one message; about 40 bytes each.
_MOST_BIDDERS = 5000


async def enqueue_first_named(connection: Connection, import_number: int) -> None:
    """Enqueues the states of all bidders that an import named first: one job at a time."""
    arguments = {"import_number": import_number, "after": ""}
    await jobs.enqueue(connection, SEND_BIDDERS, queue=IMPORTS_QUEUE, arguments=arguments)


async def enqueue_status(connection: Connection, bidder: Bidder) -> None:
    """Enqueues the state of a bidder whose status changed; stops have a separate queue, so that nothing delays them."""
    queue = BIDDERS_QUEUE if bidder.status is BidderStatus.ACTIVE else STOPS_QUEUE
    arguments = {"bidder_ids": [bidder.bidder_id]}
    await jobs.enqueue(connection, SEND_BIDDERS, queue=queue, arguments=arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderEvents:
    """Sends the current states of bidders to certificate-registry.

    Repeated and reordered events have the same effect: the consumer keeps the highest version of each bidder.
    """

    database: Database
    certificate_registry: CertificateRegistry

    async def send(self, bidder_ids: Sequence[str]) -> jobs.Replacements:
        """Sends the current states of these bidders.

        Returns the arguments of two jobs for the halves where the message is refused for what it contains, so that what
        is refused comes to stand alone; raises the refusal of a single bidder.
        """
        async with self.database.read() as connection:
            states = await bidders.list_states(connection, bidder_ids)
        return await self._record(states)

    async def send_first_named(self, import_number: int, *, after: str) -> jobs.Replacements:
        """Sends the states of the next bidders that an import named first; returns the arguments of a job for the rest.

        So that a retry does not repeat a large import from its start. Halves as in `send` come first.
        """
        async with self.database.read() as connection:
            states = await bidders.list_states_first_named_by(
                connection, import_number, after=after, most=_MOST_BIDDERS
            )
        replacements = [*await self._record(states)]
        if len(states) == _MOST_BIDDERS:
            replacements.append({"import_number": import_number, "after": states[-1].bidder_id})
        return replacements

    async def _record(self, states: Sequence[Bidder]) -> jobs.Replacements:
        if states:
            try:
                await self.certificate_registry.record_bidders(states)
            except Refusal as refusal:
                halves = jobs.halve_refused(states, refusal)
                return [{"bidder_ids": [bidder.bidder_id for bidder in half]} for half in halves]
        return []
