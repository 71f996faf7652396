"""Ends what has expired: previews, counts of tries, questions about cards, and what acts of officers leave."""

from dataclasses import dataclass
from datetime import timedelta

from history.entries import Chain
from officers import expiry as officers_expiry
from officers import proposal_voiding
from qualification_registry.domain.card_approval import NAMES_KEPT, WAITS
from qualification_registry.store import card_approvals, previews, search_counts
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.deletion import delete_in_portions

EXPIRY_QUEUE = "expiry"
# Twice as long as previews can be committed, so that no commit of a deleted one is in progress.
PREVIEWS_KEPT = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Deletes expired rows, and voids expired proposals, which are kept."""

    database: Database
    chain: Chain
    clock: DatabaseClock

    async def delete_expired(self) -> None:
        """Deletes uncommitted previews that are too old, one by one, and the rest in portions.

        Of an approval, which counts for good, only the names.
        """
        async with self.database.read() as connection:
            now = await self.clock(connection)
        is_deleted = True
        while is_deleted:
            async with self.database.transaction() as connection:
                is_deleted = await previews.delete_oldest_preview(connection, older_than=now - PREVIEWS_KEPT)
        await delete_in_portions(self.database.single_change, search_counts.delete_expired, now=now)
        decided_until = now - NAMES_KEPT
        for forget in (card_approvals.forget_names, card_approvals.delete_refused):
            await delete_in_portions(self.database.single_change, forget, decided_until=decided_until)
        await delete_in_portions(self.database.single_change, card_approvals.delete_unanswered, asked_until=now - WAITS)
        await officers_expiry.delete_expired(self.database, now)

    async def void_proposals(self) -> None:
        """Voids proposals that no second officer decided within a week."""
        await proposal_voiding.void_expired(self.database, self.chain, self.clock)
