"""Tells other services of officers: by jobs of the transaction that changes them, of a withdrawal at once as well."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from certificate_registry.domain.officer import Officer
from certificate_registry.operations.deliveries import AGENCY_SYNC, CARD_STOP_QUEUES, CONTACT_NOTIFICATION
from certificate_registry.store import officers
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_connection import Connection

log = logging.getLogger(__name__)

DELIVER_OFFICERS = "deliver_officers"
STOP_OFFICERS = "stop_officers"
QUALIFICATION_REGISTRY = "qualification-registry"
CONSUMERS = (AGENCY_SYNC, CONTACT_NOTIFICATION, QUALIFICATION_REGISTRY)
# The queue of each consumer for what officers get, and for what is taken away from them.
OFFICER_QUEUES = {consumer: f"officers_to_{consumer.replace('-', '_')}" for consumer in CONSUMERS}
STOP_QUEUES = {**CARD_STOP_QUEUES, QUALIFICATION_REGISTRY: "stop_to_qualification_registry"}
# Officers of one message.
MOST_OFFICERS = 500
# Seconds that an officer who withdraws waits for the other services.
_TELL_WITHIN = 5.0


class OfficerConsumer(Protocol):
    """A service that keeps the officers. It ignores states that are not newer than those that it has."""

    async def record_officers(self, officers: Sequence[Officer]) -> None:
        """Hands over at most `MOST_OFFICERS` states."""


def deliver_officers(person_ids: Sequence[str]) -> Sequence[jobs.NewJob]:
    """Returns the jobs that deliver the states of officers who were given something."""
    return _create_jobs(DELIVER_OFFICERS, OFFICER_QUEUES, person_ids)


def stop_officers(person_ids: Sequence[str]) -> Sequence[jobs.NewJob]:
    """Returns the jobs that deliver the states of officers from whom something was taken."""
    return _create_jobs(STOP_OFFICERS, STOP_QUEUES, person_ids)


async def adopt_epoch(connection: Connection) -> None:
    """Has each consumer told of all officers that was never, or not since the epoch was raised."""
    new = {
        consumer: queue
        for consumer, queue in OFFICER_QUEUES.items()
        if await officers.adopt_epoch(connection, consumer)
    }
    if new:
        person_ids = await officers.list_person_ids(connection)
        await jobs.enqueue_together(connection, _create_jobs(DELIVER_OFFICERS, new, person_ids))


def _create_jobs(task: str, queues: Mapping[str, str], person_ids: Sequence[str]) -> Sequence[jobs.NewJob]:
    return [
        jobs.NewJob(task, queue, _write_arguments(consumer, person_ids[start : start + MOST_OFFICERS]))
        for start in range(0, len(person_ids), MOST_OFFICERS)
        for consumer, queue in queues.items()
    ]


def _write_arguments(consumer: str, person_ids: Sequence[str]) -> dict[str, Any]:
    return {"consumer": consumer, "person_ids": [*person_ids]}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerDeliveries:
    """Delivers the states of officers to the services that keep them, by name."""

    database: Database
    consumers: Mapping[str, OfficerConsumer]

    async def deliver(self, consumer: str, person_ids: Sequence[str]) -> jobs.Replacements:
        """Hands the states of these officers, as they are now, to one service in one message.

        Returns the arguments of two jobs for the halves where the service refuses a message for what it contains, so
        that what it refuses comes to stand alone; raises the refusal of a message with one state.
        """
        async with self.database.read() as connection:
            states = await officers.read_officers(connection, person_ids)
        try:
            await self.consumers[consumer].record_officers(states)
        except Refusal as refusal:
            halves = jobs.halve_refused(person_ids, refusal)
            return [_write_arguments(consumer, half) for half in halves]
        return []

    async def tell_now(self, person_ids: Sequence[str]) -> Sequence[str]:
        """Hands the states of these officers to all services at a time; returns those that could not be told yet.

        Waits some seconds at most. The jobs go on where this fails.
        """
        async with self.database.read() as connection:
            states = await officers.read_officers(connection, person_ids)
        told = await asyncio.gather(*(self._is_told(consumer, states) for consumer in self.consumers))
        return sorted(consumer for consumer, is_told in zip(self.consumers, told, strict=True) if not is_told)

    async def _is_told(self, consumer: str, states: Sequence[Officer]) -> bool:
        try:
            async with asyncio.timeout(_TELL_WITHIN):
                for start in range(0, len(states), MOST_OFFICERS):
                    await self.consumers[consumer].record_officers(states[start : start + MOST_OFFICERS])
        except (Refusal, TimeoutError) as error:
            log.warning("%s does not know of a withdrawal of officers yet: %s", consumer, error)
            return False
        return True
