"""Carries out the open intentions: has registrations made at the other agencies, batch by batch."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from agency_sync.adapters.certificate_registry import CertificateRegistry
from agency_sync.adapters.qualification_registry import QualificationRegistry
from agency_sync.domain.bidder_state import BIDDER_SUSPENDED
from agency_sync.domain.intention import Intention
from agency_sync.domain.offers import Offering
from agency_sync.domain.propagation import (
    judge_pairs,
    make_plan,
    select_answered,
    select_judged_by_bidder,
    select_suspended,
    split_stopped,
)
from agency_sync.store import bidder_states, held_intentions, intentions, propagations
from refusals import Refusal
from servicekit import jobs
from servicekit.breaker import MOST_FAILURES, PEER_AWAY, PEER_FAILS
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection

log = logging.getLogger(__name__)

PROPAGATE = "propagate"
PROPAGATIONS_QUEUE = "propagations"

# Intentions of one batch. With sixty agencies they request 30,000 registrations: about 1.3 MB of ids in the request and
# 4 MB of answers.
BATCH = 500
# Seconds for each call to a registry.
DEADLINE = 60.0
# How long a batch is claimed, and the seconds after which its worker claims it anew: however long the calls take, it is
# soon free again after a crash.
CLAIM = timedelta(seconds=30)
RENEWAL = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagationRun:
    """Carries out the open intentions. `offering` has the agencies' rules for each category."""

    database: Database
    clock: DatabaseClock
    offering: Offering
    certificate_registry: CertificateRegistry
    qualification_registry: QualificationRegistry

    async def run(self) -> None:
        """Carries out all open intentions, batch by batch, until none is free.

        An agency gets a registration only where its own rule accepts what was proven about the card. An intention whose
        card certificate-registry finds not good waits for the card's next state, one whose bidder is suspended for the
        bidder's.

        A crash loses nothing: a claim that nobody renews ends soon, certificate-registry reports existing
        registrations as done, and the states are recorded in the transaction that closes the intentions.
        An intention that a registry refuses waits alone for its next try, with the reason, and the others are carried
        out. Raises PEER_UNREACHABLE, PEER_FAILED; then the batch is free again.
        """
        may_have_more = True
        while may_have_more:
            # What becomes free later has a job of its own.
            async with self.database.single_change() as connection:
                claimed, may_have_more = await intentions.claim_open(connection, limit=BATCH, duration=CLAIM)
            if not claimed:
                return
            try:
                async with self._keep_claimed(claimed):
                    has_stopped = await self._carry_out_each(claimed)
            except BaseException:
                # BaseException, for a job that is cancelled by its time-out: its next try must not wait for the claim
                # to expire.
                async with self.database.transaction() as connection:
                    await intentions.lock_claimed(connection, claimed)
                    await intentions.release(connection, claimed)
                raise
            # One whose card has a newer state already is free again.
            may_have_more = may_have_more or has_stopped

    @asynccontextmanager
    async def _keep_claimed(self, claimed: Sequence[Intention]) -> AsyncIterator[None]:
        """Renews the claim on a batch until the block ends."""
        # The renewals are ended, and not cancelled: a wait for a connection loses a cancellation in Python 3.11.
        ending = asyncio.Event()
        renewals = asyncio.create_task(self._renew_claim(claimed, ending))
        try:
            yield
        finally:
            ending.set()
            (result,) = await asyncio.gather(renewals, return_exceptions=True)
            if isinstance(result, Exception):
                # At worst another worker does the same again, which changes nothing.
                log.warning("a claim was not renewed: %s", type(result).__name__)

    async def _renew_claim(self, claimed: Sequence[Intention], ending: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), RENEWAL)
                return
            async with self.database.transaction() as connection:
                await intentions.lock_claimed(connection, claimed)
                await intentions.renew(connection, claimed, duration=CLAIM)

    async def _carry_out_each(self, claimed: Sequence[Intention]) -> bool:
        """Carries out a batch; halves it where a registry refuses it, until what is refused stands alone and waits.

        Returns whether certificate-registry found a card not good.
        """
        has_stopped = False
        parts, refused = [claimed], dict[UUID, Refusal]()
        is_answered = claimed[0].was_refused
        while parts:
            part = parts.pop()
            try:
                has_stopped = await self._carry_out(part) or has_stopped
                is_answered = True
            except Refusal as refusal:
                if len(part) > 1:
                    parts += jobs.halve_refused(part, refusal)
                    continue
                is_answered = is_answered or refusal.reason not in PEER_FAILS
                refused[part[0].registration_id] = refusal
                # A registry that fails for one after the other, or for the last one too, fails for all.
                is_last = len(refused) >= MOST_FAILURES or not parts
                if refusal.reason in PEER_AWAY or (is_last and not is_answered):
                    raise
        for intention in claimed:
            if intention.registration_id in refused:
                await self._postpone(intention, refused[intention.registration_id])
        return has_stopped

    async def _postpone(self, intention: Intention, refusal: Refusal) -> None:
        log.error("ALERT a registry refused to propagate registration %s: %s", intention.registration_id, refusal)
        async with self.database.transaction() as connection:
            await intentions.lock_claimed(connection, [intention])
            await intentions.postpone(connection, intention, refusal.reason)

    async def _carry_out(self, claimed: Sequence[Intention]) -> bool:
        suspended = [intention for intention in claimed if intention.is_bidder_suspended]
        active = [intention for intention in claimed if not intention.is_bidder_suspended]
        plan = make_plan(active, offering=self.offering, qualified=await self._list_qualified(active))
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
            outdated = await _find_outdated(connection, [*suspended, *select_judged_by_bidder(active, plan)])
            await propagations.record_propagations(connection, judge_pairs(plan, answers, now), now=now)
            if outdated:
                await intentions.release(connection, [each for each in claimed if each.registration_id in outdated])
            await held_intentions.wait_for_bidder(connection, _leave_out(suspended, outdated))
            disputed = select_suspended(answered, answers)
            for intention in _leave_out(disputed, outdated):
                await intentions.postpone(connection, intention, BIDDER_SUSPENDED)
            held = outdated | {intention.registration_id for intention in disputed}
            await intentions.wait(connection, _leave_out(stopped, held))
            await intentions.close(connection, _leave_out(finished, held), now=now)
        return bool(stopped or outdated)

    async def _list_qualified(self, claimed: Sequence[Intention]) -> Mapping[tuple[str, str], Collection[str]]:
        """Returns the agencies where each (category, bidder) is qualified now, by one call for each category."""
        bidders: dict[str, set[str]] = defaultdict(set)
        for intention in claimed:
            bidders[intention.category].add(intention.bidder_id)
        qualified: dict[tuple[str, str], Collection[str]] = {}
        for category, bidder_ids in bidders.items():
            agencies = await self.qualification_registry.list_qualified_agencies(
                category, bidder_ids, deadline=DEADLINE
            )
            qualified |= {(category, bidder_id): codes for bidder_id, codes in agencies.items()}
        return qualified


async def _find_outdated(connection: Connection, judged: Sequence[Intention]) -> Set[UUID]:
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


def _leave_out(judged: Sequence[Intention], left_out: Set[UUID]) -> Sequence[Intention]:
    return [intention for intention in judged if intention.registration_id not in left_out]


async def enqueue_propagation(connection: Connection) -> None:
    """Enqueues a run in the caller's transaction."""
    await jobs.enqueue(connection, PROPAGATE, queue=PROPAGATIONS_QUEUE, arguments={})
