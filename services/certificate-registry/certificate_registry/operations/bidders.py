"""Records the bidders' states that the qualification registry reports (QUA-10)."""

from collections.abc import Sequence
from dataclasses import dataclass

from certificate_registry.domain.bidder import Bidder
from certificate_registry.store import registrations
from servicekit.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderRecords:
    """Records which bidders may act."""

    database: Database

    async def record(self, bidders: Sequence[Bidder]) -> None:
        """Writes the newest state of each bidder; ignores late and repeated ones."""
        async with self.database.single_change() as connection:
            await registrations.record_bidders(connection, bidders)
