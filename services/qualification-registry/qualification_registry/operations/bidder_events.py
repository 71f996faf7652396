"""Tells other services the states of bidders, by jobs that the transaction enqueues which changes them."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from instance_profile.japan_time import find_japan_day
from qualification_registry.domain.bidder_state import BidderKey, BidderState
from qualification_registry.store import bidder_states
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection

# The task that sends states. Its arguments are `consumer`, and `bidders`: lists of bidder id and category.
SEND_STATES = "send_bidder_states"
CERTIFICATE_REGISTRY = "certificate-registry"
AGENCY_SYNC = "agency-sync"
# The queue of each consumer.
QUEUES = {CERTIFICATE_REGISTRY: "states_to_certificate_registry", AGENCY_SYNC: "states_to_agency_sync"}
# Of states by which a bidder is stopped, for which nothing else waits.
STOP_QUEUES = {CERTIFICATE_REGISTRY: "stop_to_certificate_registry", AGENCY_SYNC: "stop_to_agency_sync"}
# Of the states that an import changed, thousands at once.
BULK_QUEUES = {CERTIFICATE_REGISTRY: "bulk_to_certificate_registry", AGENCY_SYNC: "bulk_to_agency_sync"}
# States of one message.
MOST_STATES = 500
# Seconds that an officer waits for the consumers after a stop, at most; then the jobs alone go on.
PATIENCE = 2.0


class Consumer(Protocol):
    """A service that keeps the states of bidders. It ignores states that are not newer than those that it has."""

    async def record_bidder_states(self, states: Sequence[BidderState]) -> None:
        """Hands over at most `MOST_STATES` states."""


async def enqueue_states(connection: Connection, category: str, bidder_ids: Collection[str]) -> None:
    """Has other services told of the changed states of bidders in a category: raises their versions, enqueues jobs."""
    await _enqueue(connection, [BidderKey(bidder_id, category) for bidder_id in bidder_ids], QUEUES)


async def enqueue_stop(connection: Connection, key: BidderKey) -> None:
    """Does the same for a state by which a bidder is stopped."""
    await _enqueue(connection, [key], STOP_QUEUES)


async def enqueue_imported(connection: Connection, keys: Sequence[BidderKey]) -> None:
    """Does the same for the states that an import changed, for which nothing else waits."""
    await _enqueue(connection, keys, BULK_QUEUES)


async def _enqueue(connection: Connection, keys: Sequence[BidderKey], queues: Mapping[str, str]) -> None:
    new_jobs = [
        jobs.NewJob(SEND_STATES, queue, _write_arguments(consumer, keys[start : start + MOST_STATES]))
        for start in range(0, len(keys), MOST_STATES)
        for consumer, queue in queues.items()
    ]
    await jobs.enqueue_together(connection, new_jobs)
    # Last, because whoever decides about one of these bidders waits from here until the commit.
    await bidder_states.raise_versions(connection, keys)


def read_keys(bidders: Sequence[tuple[str, str]]) -> Sequence[BidderKey]:
    """Returns the bidders in the arguments of a job."""
    return [BidderKey(bidder_id, category) for bidder_id, category in bidders]


def _write_arguments(consumer: str, keys: Sequence[BidderKey]) -> dict[str, Any]:
    return {"consumer": consumer, "bidders": keys}


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderEvents:
    """Sends the current states of bidders to their consumers, by name.

    Repeated and reordered events have the same effect: a consumer keeps the highest version of each.
    """

    database: Database
    consumers: Mapping[str, Consumer]
    clock: DatabaseClock
    patience: float = PATIENCE

    async def send(self, consumer: str, keys: Sequence[BidderKey]) -> jobs.Replacements:
        """Sends the states of these bidders, as they are now, to one consumer in one message.

        Returns the arguments of two jobs for the halves where the message is refused for what it contains, so that what
        is refused comes to stand alone; raises the refusal of a message with one state.
        """
        async with self.database.read() as connection:
            states = await self._list_states(connection, keys)
        try:
            await self.consumers[consumer].record_bidder_states(states)
        except Refusal as refusal:
            halves = jobs.halve_refused(keys, refusal)
            return [_write_arguments(consumer, half) for half in halves]
        return []

    async def tell_at_once(self, key: BidderKey) -> Sequence[str]:
        """Sends the state of a bidder to all consumers, right after the commit of what changed it, beside the jobs.

        Returns the names of those that did not take it in time.
        """
        async with self.database.read() as connection:
            states = await self._list_states(connection, [key])
        told = await asyncio.gather(*(self._tell(consumer, states) for consumer in self.consumers.values()))
        return sorted(name for name, is_told in zip(self.consumers, told, strict=True) if not is_told)

    async def _list_states(self, connection: Connection, keys: Sequence[BidderKey]) -> Sequence[BidderState]:
        return await bidder_states.list_states(connection, keys, find_japan_day(await self.clock(connection)))

    async def _tell(self, consumer: Consumer, states: Sequence[BidderState]) -> bool:
        try:
            async with asyncio.timeout(self.patience):
                await consumer.record_bidder_states(states)
        except (Refusal, TimeoutError):
            return False
        return True
