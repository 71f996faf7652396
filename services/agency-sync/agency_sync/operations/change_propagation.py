"""Plans changes that the other agencies follow, and carries them out: has the newest contacts count there (CHG-02)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from agency_sync.adapters.contact_notification import ContactNotification
from agency_sync.domain.bidder_state import BIDDER_SUSPENDED
from agency_sync.domain.change_propagation import answer_changes, judge_source, make_change_plan
from agency_sync.domain.contact_owner import ContactOwnerState
from agency_sync.domain.intention import Intention, IntentionState
from agency_sync.domain.propagation import judge_pairs
from agency_sync.domain.schedule import Schedule
from agency_sync.operations.batches import Batches
from agency_sync.operations.propagate import find_outdated, leave_out
from agency_sync.store import change_intentions, held_intentions, intentions, propagations
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection

PROPAGATE_CHANGES = "propagate_changes"
CHANGES_QUEUE = "changes"

# Seconds for each call to contact-notification.
DEADLINE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePlanning:
    """Opens the intentions of changes, as the states of contacts' owners name them."""

    schedule: Schedule

    async def open_changes(self, connection: Connection, owners: Iterable[ContactOwnerState]) -> None:
        """Opens one intention for each planned change of these states, in the caller's transaction.

        Both owners of one change name the same id; what the second one adds is added. A change that was carried out is
        opened again only after a restore of contact-notification (a higher epoch), or for further agencies. It is one
        statement whatever their number, and one for the job.
        """
        planned = [(owner, change) for owner in owners for change in owner.planned]
        if not planned:
            return
        await change_intentions.open_changes(connection, planned, plan=self.schedule.plan)
        await jobs.enqueue(connection, PROPAGATE_CHANGES, queue=CHANGES_QUEUE, arguments={})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRun:
    """Carries out the open intentions of changes."""

    database: Database
    clock: DatabaseClock
    batches: Batches
    contact_notification: ContactNotification

    async def run(self) -> None:
        """Carries out all changes that are due (`Batches.carry_out`).

        A change whose card or bidder is suspended waits for the end of it; one whose registration was undone is void.
        """
        await self.batches.carry_out(self._carry_out)

    async def _carry_out(self, claimed: Sequence[Intention], _: datetime) -> bool:
        stopped = [intention for intention in claimed if judge_source(intention) is IntentionState.WAITING]
        of_stopped = {intention.registration_id for intention in stopped}
        suspended = [each for each in leave_out(claimed, of_stopped) if each.is_bidder_suspended]
        active = leave_out(claimed, of_stopped | {intention.registration_id for intention in suspended})
        plan = make_change_plan(active)
        unknown = (
            await self.contact_notification.propagate_changes(plan, deadline=DEADLINE) if plan.requested else set()
        )
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            await intentions.lock_claimed(connection, claimed)
            outdated = await find_outdated(connection, suspended)
            answers = answer_changes(plan, unknown)
            await propagations.record_propagations(connection, judge_pairs(plan, answers, now), now=now)
            if outdated:
                await intentions.release(connection, [each for each in suspended if each.registration_id in outdated])
            await held_intentions.wait_for_bidder(connection, leave_out(suspended, outdated), reason=BIDDER_SUSPENDED)
            await intentions.wait(connection, stopped)
            await change_intentions.close_changes(connection, active, now=now)
        return bool(stopped or outdated)
