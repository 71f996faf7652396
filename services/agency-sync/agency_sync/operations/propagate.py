"""Carries out the open intentions of registrations and renewals: has registrations made at the other agencies."""

import logging
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from agency_sync.adapters.certificate_registry import CertificateRegistry
from agency_sync.domain.bidder_state import BIDDER_SUSPENDED
from agency_sync.domain.intention import BIDDER_AWAITED, Intention
from agency_sync.domain.offers import Offering
from agency_sync.domain.propagation import (
    judge_pairs,
    make_plan,
    select_answered,
    select_judged_by_bidder,
    select_suspended,
    split_stopped,
)
from agency_sync.operations.batches import Batches
from agency_sync.store import bidder_states, held_intentions, intentions, propagations
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection

log = logging.getLogger(__name__)

PROPAGATE = "propagate"
PROPAGATIONS_QUEUE = "propagations"

# Seconds for each call to the registry.
DEADLINE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagationRun:
    """Carries out the open intentions. `offering` has the agencies' rules for each category."""

    database: Database
    clock: DatabaseClock
    batches: Batches
    offering: Offering
    certificate_registry: CertificateRegistry

    async def run(self) -> None:
        """Carries out all intentions that are due (`Batches.carry_out`).

        An agency gets a registration only where the bidder is qualified now, and where its own rule accepts what was
        proven about the card. An intention whose card certificate-registry finds not good waits for the card's next
        state; one whose bidder is suspended, or not known yet, for the bidder's.
        """
        await self.batches.carry_out(self._carry_out)

    async def _carry_out(self, claimed: Sequence[Intention], judged_at: datetime) -> bool:
        awaiting = [intention for intention in claimed if intention.bidder is None]
        suspended = [intention for intention in claimed if intention.is_bidder_suspended]
        active = [
            intention for intention in claimed if intention.bidder is not None and not intention.is_bidder_suspended
        ]
        qualified = {
            (intention.category, intention.bidder_id): intention.bidder.list_qualified_agencies(judged_at)
            for intention in active
            if intention.bidder is not None
        }
        plan = make_plan(active, offering=self.offering, qualified=qualified)
        answers = (
            await self.certificate_registry.propagate_registrations(plan, deadline=DEADLINE) if plan.requested else {}
        )
        answered = select_answered(active, plan, answers)
        if len(answered) < len(active):
            log.error("%s registrations got no answer and will be propagated again", len(active) - len(answered))
        finished, stopped = split_stopped(answered, answers)
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            await intentions.lock_claimed(connection, claimed)
            by_bidder = [*awaiting, *suspended, *select_judged_by_bidder(active, plan)]
            outdated = await find_outdated(connection, by_bidder)
            await propagations.record_propagations(connection, judge_pairs(plan, answers, now), now=now)
            if outdated:
                await intentions.release(connection, [each for each in claimed if each.registration_id in outdated])
            await held_intentions.wait_for_bidder(connection, leave_out(awaiting, outdated), reason=BIDDER_AWAITED)
            await held_intentions.wait_for_bidder(connection, leave_out(suspended, outdated), reason=BIDDER_SUSPENDED)
            disputed = select_suspended(answered, answers)
            for intention in leave_out(disputed, outdated):
                await intentions.postpone(connection, intention, BIDDER_SUSPENDED)
            held = outdated | {intention.registration_id for intention in disputed}
            await intentions.wait(connection, leave_out(stopped, held))
            await intentions.close(connection, leave_out(finished, held), now=now)
        return bool(stopped or outdated)


async def find_outdated(connection: Connection, judged: Sequence[Intention]) -> Set[UUID]:
    """Returns the intentions that were judged by another state of their bidder than the one that is kept now.

    Requires `lock_claimed`: who records a newer state from now on waits, and then sees what became of them.
    """
    if not judged:
        return frozenset()
    keys = {(intention.bidder_id, intention.category) for intention in judged}
    versions = await bidder_states.read_versions(connection, keys)
    return {
        intention.registration_id
        for intention in judged
        if versions.get((intention.bidder_id, intention.category))
        != (None if intention.bidder is None else intention.bidder.version)
    }


def leave_out(judged: Sequence[Intention], left_out: Set[UUID]) -> Sequence[Intention]:
    """Returns the intentions without some of them."""
    return [intention for intention in judged if intention.registration_id not in left_out]


async def enqueue_propagation(connection: Connection) -> None:
    """Enqueues a run in the caller's transaction."""
    await jobs.enqueue(connection, PROPAGATE, queue=PROPAGATIONS_QUEUE, arguments={})
