"""Deletes challenges, sessions and unused cards that have expired, and notices that were sent."""

from dataclasses import dataclass
from datetime import timedelta

from certificate_registry.domain.challenge import LIFETIME
from certificate_registry.store import cards, log_in, notices
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock

EXPIRY_QUEUE = "expiry"
# A challenge is anybody's for the asking, so it is kept minutes: as long as it is valid, and then as long as somebody
# may come too late and hear CHALLENGE_EXPIRED; afterwards it is CHALLENGE_UNKNOWN.
_CHALLENGE_RETENTION = LIFETIME + timedelta(minutes=5)
# Sessions are valid for an hour at most; nothing refers to them a day later. A notice is kept as long, in case its job
# is run again by another worker.
_RETENTION = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredRecords:
    """What log-ins leave behind."""

    database: Database
    clock: DatabaseClock

    async def delete_challenges(self) -> None:
        """Deletes challenges five minutes after they expired, whether they were used or not."""
        async with self.database.transaction() as connection:
            await log_in.delete_challenges(connection, await self.clock(connection) - _CHALLENGE_RETENTION)

    async def delete_sessions(self) -> None:
        """Deletes sessions that began more than a day ago, then cards without binding or session, and sent notices."""
        async with self.database.transaction() as connection:
            before = await self.clock(connection) - _RETENTION
            await log_in.delete_sessions(connection, before)
            await cards.delete_unused_cards(connection, before)
            await notices.delete_sent_notices(connection, before)
