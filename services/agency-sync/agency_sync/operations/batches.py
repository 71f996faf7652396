"""Carries out the intentions that are due, batch by batch, whatever they are of."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from agency_sync.domain.intention import Intention
from agency_sync.domain.schedule import Schedule
from agency_sync.store import intentions
from refusals import Refusal
from servicekit import jobs
from servicekit.breaker import MOST_FAILURES, PEER_AWAY, PEER_FAILS
from servicekit.database import Database
from servicekit.database_clock import StatementClock

log = logging.getLogger(__name__)

# Intentions of one batch. With sixty agencies they request 30,000 registrations: about 1.3 MB of ids in the request and
# 4 MB of answers.
BATCH = 500
# How long a batch is claimed, and the seconds after which its worker claims it anew: however long the calls take, it is
# soon free again after a crash.
CLAIM = timedelta(seconds=30)
RENEWAL = 10.0

# Carries out a part of a batch, judged at this instant. Returns whether more may be free than before.
CarryOut = Callable[[Sequence[Intention], datetime], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """The batches of registrations and renewals, or those of changes: each kind has its own peer to wait for.

    A batch of a night works for `night_share` of the time and rests for the others: nothing waits for it.
    """

    database: Database
    clock: StatementClock
    schedule: Schedule
    of_changes: bool
    night_share: float = 1

    async def carry_out(self, carry_out: CarryOut) -> None:
        """Carries out all intentions that are due, batch by batch, until none is free.

        A crash loses nothing: a claim that nobody renews ends soon, and a peer reports as done what is there already.
        An intention that a peer refuses waits alone for its next try, with the reason, and the others are carried out.
        Raises PEER_UNREACHABLE, PEER_FAILED; then the batch is free again.
        """
        may_have_more = True
        began_at: datetime | None = None
        while may_have_more:
            # What becomes free later has a job of its own.
            async with self.database.single_change() as connection:
                batch = await intentions.claim_open(
                    connection,
                    limit=BATCH,
                    duration=CLAIM,
                    of_changes=self.of_changes,
                    at_once=self.schedule.is_at_once,
                    now=self.clock(connection),
                    began_at=began_at,
                )
            if batch.claimed_at is None:
                return
            claimed, may_have_more = batch.intentions, batch.may_have_more
            began_at, began = began_at or batch.claimed_at, time.monotonic()
            try:
                async with self._keep_claimed(claimed):
                    has_stopped = await self._carry_out_each(claimed, batch.claimed_at, carry_out)
            except BaseException:
                # BaseException, for a job that is cancelled by its time-out: its next try must not wait for the claim
                # to expire.
                async with self.database.transaction() as connection:
                    await intentions.lock_claimed(connection, claimed)
                    await intentions.release(connection, claimed)
                raise
            # One whose card has a newer state already is free again.
            may_have_more = may_have_more or has_stopped
            if may_have_more and not self.schedule.is_at_once:
                await asyncio.sleep((time.monotonic() - began) * (1 / self.night_share - 1))

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

    async def _carry_out_each(self, claimed: Sequence[Intention], now: datetime, carry_out: CarryOut) -> bool:
        """Carries out a batch; halves it where a peer refuses it, until what is refused stands alone and waits.

        Returns whether more may be free than before.
        """
        has_stopped = False
        parts, refused = [claimed], dict[UUID, Refusal]()
        is_answered = claimed[0].was_refused
        while parts:
            part = parts.pop()
            try:
                has_stopped = await carry_out(part, now) or has_stopped
                is_answered = True
            except Refusal as refusal:
                if len(part) > 1:
                    parts += jobs.halve_refused(part, refusal)
                    continue
                is_answered = is_answered or refusal.reason not in PEER_FAILS
                refused[part[0].registration_id] = refusal
                # A peer that fails for one after the other, or for the last one too, fails for all.
                is_last = len(refused) >= MOST_FAILURES or not parts
                if refusal.reason in PEER_AWAY or (is_last and not is_answered):
                    raise
        for intention in claimed:
            if intention.registration_id in refused:
                await self._postpone(intention, refused[intention.registration_id])
        return has_stopped

    async def _postpone(self, intention: Intention, refusal: Refusal) -> None:
        log.error("ALERT a peer refused to propagate %s %s: %s", intention.kind, intention.registration_id, refusal)
        async with self.database.transaction() as connection:
            await intentions.lock_claimed(connection, [intention])
            await intentions.postpone(connection, intention, refusal.reason)
