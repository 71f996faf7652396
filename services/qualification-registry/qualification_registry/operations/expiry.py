"""Deletes what has expired: uncommitted previews and counts of tries."""

from dataclasses import dataclass
from datetime import timedelta

from qualification_registry.store import previews, search_counts
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.deletion import delete_in_portions

EXPIRY_QUEUE = "expiry"
# Twice as long as previews can be committed, so that no commit of a deleted one is in progress.
PREVIEWS_KEPT = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Deletes expired rows."""

    database: Database
    clock: DatabaseClock

    async def delete_expired(self) -> None:
        """Deletes uncommitted previews that are too old, one by one, and counts whose window has ended."""
        async with self.database.read() as connection:
            now = await self.clock(connection)
        is_deleted = True
        while is_deleted:
            async with self.database.transaction() as connection:
                is_deleted = await previews.delete_oldest_preview(connection, older_than=now - PREVIEWS_KEPT)
        await delete_in_portions(self.database.single_change, search_counts.delete_expired, now=now)
