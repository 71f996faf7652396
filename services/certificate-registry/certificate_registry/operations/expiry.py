"""Deletes challenges, sessions and unused cards that have expired long ago."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from certificate_registry.store import cards, log_in
from servicekit.database import Database

# Challenges and sessions are valid for an hour at most; nothing refers to them a day later.
_RETENTION = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredRecords:
    """What log-ins leave behind."""

    database: Database
    clock: Callable[[], datetime]

    async def delete(self) -> None:
        """Deletes challenges and sessions that began more than a day ago, and then cards without binding or session."""
        before = self.clock() - _RETENTION
        async with self.database.transaction() as connection:
            await log_in.delete_challenges_and_sessions(connection, before)
            await cards.delete_unused_cards(connection, before)
