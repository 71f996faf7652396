"""Records the states of bidders that the qualification registry reports (QUA-10, LIF-04)."""

from collections.abc import Sequence
from dataclasses import dataclass

from certificate_registry.domain.bidder import BidderState, select_newest
from certificate_registry.store import bidder_states
from servicekit.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderStateRecord:
    """Records which bidders may act, and where."""

    database: Database

    async def record(self, states: Sequence[BidderState]) -> None:
        """Writes the newest state of each bidder and category; ignores late and repeated ones."""
        async with self.database.single_change() as connection:
            await bidder_states.record_states(connection, select_newest(states))
