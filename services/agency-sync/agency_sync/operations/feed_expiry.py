"""Deletes what the feeds keep no longer."""

from dataclasses import dataclass
from datetime import timedelta

from agency_sync.store import feed_reading
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.deletion import delete_in_portions

# Who was away for longer begins again from a snapshot.
ENTRIES_KEPT = timedelta(days=35)
# A subscriber that has said nothing for so long is none any more, and no alarm.
SUBSCRIBERS_KEPT = timedelta(days=35)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedExpiry:
    """Deletes, in portions, what is too old."""

    database: Database
    clock: DatabaseClock

    async def delete_expired(self) -> None:
        """Deletes old entries, and subscribers that are silent. The newest entry of each card stays as its state."""
        async with self.database.read() as connection:
            now = await self.clock(connection)
        change = self.database.single_change
        await delete_in_portions(change, feed_reading.delete_entries, before=now - ENTRIES_KEPT)
        await delete_in_portions(change, feed_reading.delete_subscribers, before=now - SUBSCRIBERS_KEPT)
