"""Tells agency-sync the states of contacts' owners, by jobs that the transaction enqueues which changes them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from contact_notification.domain.owner_state import OwnerState
from contact_notification.store import owner_states
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_connection import Connection

# The task that sends states. Its argument is `owners`: their ids.
SEND_OWNERS = "send_contact_owners"
AGENCY_SYNC = "agency-sync"
OWNERS_QUEUE = "owners_to_agency_sync"
# States of one message.
MOST_STATES = 500


class Consumer(Protocol):
    """A service that keeps the states of owners. It ignores states that are not newer than those that it has."""

    async def record_contact_owners(self, states: Sequence[OwnerState]) -> None:
        """Hands over at most `MOST_STATES` states."""


async def enqueue_owners(connection: Connection, owner_ids: Collection[UUID]) -> None:
    """Has agency-sync told of owners whose states the transaction has changed and given their next versions."""
    # In one order, whatever the database's: equal sets make equal jobs.
    ids = sorted(map(str, owner_ids))
    parts = [_write_arguments(ids[start : start + MOST_STATES]) for start in range(0, len(ids), MOST_STATES)]
    await jobs.enqueue_each(connection, SEND_OWNERS, queue=OWNERS_QUEUE, arguments=parts)


def _write_arguments(owner_ids: Sequence[str]) -> dict[str, Any]:
    return {"owners": owner_ids}


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerEvents:
    """Sends the current states of owners. Repeated and reordered messages have the same effect."""

    database: Database
    agency_sync: Consumer

    async def send(self, owner_ids: Sequence[str]) -> jobs.Replacements:
        """Sends the states of these owners, as they are now, in one message.

        Returns the arguments of two jobs for the halves where the message is refused for what it contains, so that what
        is refused comes to stand alone; raises the refusal of a message with one state.
        """
        async with self.database.read() as connection:
            states = await owner_states.list_owner_states(connection, [UUID(owner_id) for owner_id in owner_ids])
        if not states:
            return []
        try:
            await self.agency_sync.record_contact_owners(states)
        except Refusal as refusal:
            return [_write_arguments(half) for half in jobs.halve_refused(owner_ids, refusal)]
        return []
