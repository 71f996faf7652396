"""Deletes drafts and browser sessions that are too old."""

from dataclasses import dataclass
from datetime import timedelta

from portal.store import browser_sessions, drafts
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.deletion import delete_in_portions

# As long as a page may be reached again: after that a row is read by nobody.
KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """What browsers leave behind."""

    database: Database
    clock: DatabaseClock

    async def delete_expired(self) -> None:
        """Deletes drafts an hour after their last step, and sessions an hour after their last use."""
        async with self.database.read() as connection:
            before = await self.clock(connection) - KEPT
        await delete_in_portions(self.database.single_change, drafts.delete_drafts, before=before)
        await delete_in_portions(self.database.single_change, browser_sessions.delete_sessions, before=before)
