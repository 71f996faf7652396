"""Ends what has expired: challenges, sessions, unused cards, notices, tombstones; what CAs and officers left."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from certificate_registry.domain.challenge import LONGEST_LIFETIME
from certificate_registry.domain.invitation import TRIES_FOR_PERSON_COUNT_FOR
from certificate_registry.store import (
    incidents,
    invitations,
    log_in,
    notices,
    officer_notices,
    officer_sessions,
    officers,
    predecessors,
    registrations,
    revocation_lists,
    trust,
)
from history.entries import Chain
from officers.expiry import delete_expired
from officers.proposal_voiding import void_expired
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.deletion import delete_in_portions

EXPIRY_QUEUE = "expiry"
# A challenge is anybody's for the asking, so it is kept minutes: as long as any is valid, and then as long as somebody
# may come too late and hear CHALLENGE_EXPIRED; afterwards it is CHALLENGE_UNKNOWN.
CHALLENGES_KEPT = LONGEST_LIFETIME + timedelta(minutes=5)
# Sessions are valid for an hour at most; nothing refers to them a day later. A notice is kept as long, in case its job
# is run again by another worker.
SESSIONS_KEPT = timedelta(days=1)
# A registration needs a session, of an hour, and a signature over a challenge, of minutes: whatever arrives later than
# these fails without the tombstone too. Longer than contact-notification keeps its own, which rests on this one.
TOMBSTONES_KEPT = timedelta(days=60)
# A code is good for a week, and what it was accepted with waits for a month: nothing becomes of an older invitation.
INVITATIONS_KEPT = timedelta(days=60)
# Longer than the 60 days between the first notice and the end of a certificate, so that none is sent twice.
OFFICER_NOTICES_KEPT = timedelta(days=90)
# Of officers who were withdrawn; afterwards the history alone says who a person was.
OFFICER_NAMES_KEPT = timedelta(days=365)
# Of cards that contractors named and no officer linked: what was under way with them then is decided.
NAMED_PREDECESSORS_KEPT = timedelta(days=365)
# Of CRLs and addresses that nothing names any more. A CA that is away for weeks is found again as it was.
LISTS_KEPT = timedelta(days=90)
# Longer than a contractor waits before it calls the help desk.
INCIDENTS_KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredRecords:
    """What log-ins, abandoned requests and CAs leave behind. Each is deleted in portions."""

    database: Database
    chain: Chain
    clock: DatabaseClock

    async def delete_challenges(self) -> None:
        """Deletes challenges a quarter of an hour after they were issued, whether they were used or not."""
        before = await self._compute_limit(CHALLENGES_KEPT)
        await delete_in_portions(self.database.single_change, log_in.delete_challenges, before=before)

    async def delete_sessions(self) -> None:
        """Deletes sessions that began more than a day ago, cards without binding or session, and sent notices."""
        before = await self._compute_limit(SESSIONS_KEPT)
        await delete_in_portions(self.database.transaction, log_in.delete_sessions, before=before)
        await delete_in_portions(self.database.single_change, notices.delete_sent_notices, before=before)

    async def delete_left_behind(self) -> None:
        """Deletes tombstones after two months; what CAs and cards left behind and nothing names, after three.

        Cards that contractors named as those before theirs, after a year; what went wrong for contractors, after three
        months.

        A path goes as soon as no card rests on it: a card brings it along again.
        """
        single_change = self.database.single_change
        before = await self._compute_limit(TOMBSTONES_KEPT)
        await delete_in_portions(single_change, registrations.delete_tombstones, before=before)
        await delete_in_portions(self.database.transaction, trust.delete_unused_paths)
        before = await self._compute_limit(NAMED_PREDECESSORS_KEPT)
        await delete_in_portions(single_change, predecessors.delete_named, before=before)
        before = await self._compute_limit(INCIDENTS_KEPT)
        await delete_in_portions(single_change, incidents.delete_incidents, before=before)
        before = await self._compute_limit(LISTS_KEPT)
        await delete_in_portions(single_change, revocation_lists.delete_sources, before=before)
        await delete_in_portions(single_change, revocation_lists.delete_lists, before=before)

    async def delete_of_officers(self) -> None:
        """Deletes sessions after a day, counts of tries after a week, invitations and notices after months.

        Also what acts leave behind (`officers.expiry`). Erases names and addresses a year after the withdrawal.
        """
        single_change = self.database.single_change
        before = await self._compute_limit(SESSIONS_KEPT)
        await delete_in_portions(single_change, officer_sessions.delete_sessions, before=before)
        before = await self._compute_limit(TRIES_FOR_PERSON_COUNT_FOR)
        await delete_in_portions(single_change, invitations.delete_tries, before=before)
        before = await self._compute_limit(INVITATIONS_KEPT)
        await delete_in_portions(single_change, invitations.delete_invitations, before=before)
        before = await self._compute_limit(OFFICER_NOTICES_KEPT)
        await delete_in_portions(single_change, officer_notices.delete_notices, before=before)
        before = await self._compute_limit(OFFICER_NAMES_KEPT)
        await delete_in_portions(single_change, officers.erase_names, before=before)
        await delete_expired(self.database, await self._compute_limit(timedelta()))

    async def void_proposals(self) -> None:
        """Voids proposals that no second officer decided within a week."""
        await void_expired(self.database, self.chain, self.clock)

    async def _compute_limit(self, kept: timedelta) -> datetime:
        async with self.database.read() as connection:
            return await self.clock(connection) - kept
