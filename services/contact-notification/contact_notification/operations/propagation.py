"""The night: agencies follow the changes that were planned for them (CHG-02)."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from contact_notification.domain.history import describe_propagated
from contact_notification.operations.owner_events import enqueue_owners
from contact_notification.store import owner_states
from history.entries import Chain
from history.writing import write_history
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.telemetry import find_trace_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePropagation:
    """Ends the pins that changes left at other agencies until the night."""

    database: Database
    clock: DatabaseClock
    chain: Chain

    async def propagate(self, changes: Sequence[tuple[str, UUID]]) -> Sequence[UUID]:
        """Has agencies follow changes, each an agency with a change id; returns the ids that are not known, ascending.

        Set-wise, in one transaction, and idempotent: a pin that has ended, or that a later change ends, is left as it
        is. The history gets one entry per change.
        """
        change_ids = {change_id for _, change_id in changes}
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            unknown = await owner_states.list_unknown_changes(connection, change_ids)
            carried_out = await owner_states.end_planned(connection, changes, now=now)
            if carried_out:
                trace_id = find_trace_id()
                entries = [
                    describe_propagated(
                        request_id=change.request_id,
                        certificate_sha256=change.certificate_sha256,
                        category=change.category,
                        bidder_id=change.bidder_id,
                        agencies=change.agencies,
                        change_id=change.change_id,
                        now=now,
                        trace_id=trace_id,
                    )
                    for change in carried_out
                ]
                await write_history(connection, self.chain, entries)
                await enqueue_owners(connection, {owner_id for change in carried_out for owner_id in change.owner_ids})
        return unknown
