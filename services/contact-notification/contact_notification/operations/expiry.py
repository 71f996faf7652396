"""Deletes what is too old: tombstones, and notices with their mails."""

from dataclasses import dataclass
from datetime import timedelta

from contact_notification.store import notices, staging
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.deletion import delete_in_portions

DELETE_EXPIRED = "delete_expired"
# A request whose tombstone is deleted here still has its tombstone in certificate-registry, which bars its commit.
TOMBSTONES_KEPT = timedelta(days=30)
# From the end of a notice's last mail. Until then the same notice writes no mail again, also after a restore of
# certificate-registry, and an operator sees which mails failed. That a registration took place is on record elsewhere.
NOTICES_KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredRecords:
    """What abandoned requests and mails leave behind."""

    database: Database
    clock: DatabaseClock

    async def delete_expired(self) -> None:
        """Deletes tombstones after a month, and notices three months after their mails ended; each in portions."""
        async with self.database.read() as connection:
            now = await self.clock(connection)
        single_change = self.database.single_change
        await delete_in_portions(single_change, staging.delete_tombstones, before=now - TOMBSTONES_KEPT)
        await delete_in_portions(single_change, notices.delete_written, before=now - NOTICES_KEPT)
