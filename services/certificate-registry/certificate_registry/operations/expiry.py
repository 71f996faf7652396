"""Deletes challenges, sessions and unused cards that have expired long ago, and notices that were sent."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from certificate_registry.store import cards, log_in, notices
from servicekit.database import Database

# Challenges and sessions are valid for an hour at most; nothing refers to them a day later. A notice is kept as long,
# in case its job is run again by another worker.
_RETENTION = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredRecords:
    """What log-ins leave behind."""

    database: Database
    clock: Callable[[], datetime]

    async def delete(self) -> None:
        """Deletes challenges and sessions that began more than a day ago, and then cards without binding or session.

        Deletes notices that were sent more than a day ago too.
        """
        before = self.clock() - _RETENTION
        async with self.database.transaction() as connection:
            await log_in.delete_challenges_and_sessions(connection, before)
            await cards.delete_unused_cards(connection, before)
            await notices.delete_sent_notices(connection, before)
