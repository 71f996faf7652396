"""Records the newest sealed heads of the registries' histories, which the feeds' heartbeats carry (LIF-05)."""

from dataclasses import dataclass

from agency_sync.domain.feed import SealedHead
from agency_sync.store import history_heads
from servicekit.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryHeadRecord:
    """Records the heads as they arrive."""

    database: Database

    async def record(self, head: SealedHead) -> None:
        """Replaces the head of a service, unless one that was sealed later is kept."""
        async with self.database.single_change() as connection:
            await history_heads.replace_head(connection, head)
