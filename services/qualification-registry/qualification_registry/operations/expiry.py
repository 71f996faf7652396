"""Deletes what has expired: uncommitted previews and counts of tries."""

from dataclasses import dataclass
from datetime import timedelta

from qualification_registry.store import previews, search_counts
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock

EXPIRY_QUEUE = "expiry"
# Twice as long as previews can be committed, so that no commit of a deleted one is in progress.
_PREVIEW_RETENTION = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Deletes expired rows."""

    database: Database
    clock: DatabaseClock

    async def delete_expired(self) -> None:
        """Deletes uncommitted previews that are too old, and counts whose window has ended."""
        async with self.database.transaction() as connection:
            await previews.delete_previews(connection, older_than=await self.clock(connection) - _PREVIEW_RETENTION)
        async with self.database.transaction() as connection:
            await search_counts.delete_expired(connection, now=await self.clock(connection))
