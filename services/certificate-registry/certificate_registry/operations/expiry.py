"""Deletes what has expired: challenges, sessions, unused cards, sent notices, tombstones, what CAs left behind."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from certificate_registry.domain.challenge import LIFETIME
from certificate_registry.store import log_in, notices, registrations, revocation_lists, trust
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.deletion import delete_in_portions

EXPIRY_QUEUE = "expiry"
# A challenge is anybody's for the asking, so it is kept minutes: as long as it is valid, and then as long as somebody
# may come too late and hear CHALLENGE_EXPIRED; afterwards it is CHALLENGE_UNKNOWN.
CHALLENGES_KEPT = LIFETIME + timedelta(minutes=5)
# Sessions are valid for an hour at most; nothing refers to them a day later. A notice is kept as long, in case its job
# is run again by another worker.
SESSIONS_KEPT = timedelta(days=1)
# A registration needs a session, of an hour, and a signature over a challenge, of minutes: whatever arrives later than
# these fails without the tombstone too. Longer than contact-notification keeps its own, which rests on this one.
TOMBSTONES_KEPT = timedelta(days=60)
# Of CRLs and addresses that nothing names any more. A CA that is away for weeks is found again as it was.
LISTS_KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredRecords:
    """What log-ins, abandoned requests and CAs leave behind. Each is deleted in portions."""

    database: Database
    clock: DatabaseClock

    async def delete_challenges(self) -> None:
        """Deletes challenges five minutes after they expired, whether they were used or not."""
        before = await self._compute_limit(CHALLENGES_KEPT)
        await delete_in_portions(self.database.single_change, log_in.delete_challenges, before=before)

    async def delete_sessions(self) -> None:
        """Deletes sessions that began more than a day ago, cards without binding or session, and sent notices."""
        before = await self._compute_limit(SESSIONS_KEPT)
        await delete_in_portions(self.database.transaction, log_in.delete_sessions, before=before)
        await delete_in_portions(self.database.single_change, notices.delete_sent_notices, before=before)

    async def delete_left_behind(self) -> None:
        """Deletes tombstones after two months; what CAs and cards left behind and nothing names, after three.

        A path goes as soon as no card rests on it: a card brings it along again.
        """
        single_change = self.database.single_change
        before = await self._compute_limit(TOMBSTONES_KEPT)
        await delete_in_portions(single_change, registrations.delete_tombstones, before=before)
        await delete_in_portions(self.database.transaction, trust.delete_unused_paths)
        before = await self._compute_limit(LISTS_KEPT)
        await delete_in_portions(single_change, revocation_lists.delete_sources, before=before)
        await delete_in_portions(single_change, revocation_lists.delete_lists, before=before)

    async def _compute_limit(self, kept: timedelta) -> datetime:
        async with self.database.read() as connection:
            return await self.clock(connection) - kept
