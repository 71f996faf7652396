"""Records the states of cards: where they are registered, and which staged contacts have become active."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification.domain.card_state import CardState, Registration, choose_newest, require_same_act
from contact_notification.domain.notice import divide_notices
from contact_notification.domain.staging import StagedRegistration, StagedState
from contact_notification.operations.notices import write_mails
from contact_notification.store import card_states, notices, staging
from refusals import Refusal
from servicekit.clock import DatabaseClock
from servicekit.database import Database

log = logging.getLogger(__name__)

# Recipients whose mails one statement writes: a statement has 65,535 values at most, and a mail has seven.
MOST_RECIPIENTS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CardStates:
    """Records the states of cards. The Message-IDs of the mails that waited for them end in `mail_domain`."""

    database: Database
    clock: DatabaseClock
    mail_domain: str

    async def record(self, states: Sequence[CardState], unreadable: Sequence[Refusal] = ()) -> None:
        """Records the states in one transaction, each unless the same or a higher version is kept.

        Contacts become active whatever the version, since a registration was committed whichever state names it; so a
        repeated list finds those that were missing before.
        Raises the first of `unreadable`, the refusals of further states, or CONTACTS_NOT_STAGED or
        CONTACTS_DIFFER_FROM_ACT, after everything else was recorded.
        """
        registrations = {
            (registration.certificate_sha256, registration.request_id): registration
            for state in sorted(states, key=lambda state: state.version)
            for registration in state.registrations
        }
        async with self.database.transaction() as connection:
            await card_states.record_card_states(connection, choose_newest(states))
            refusals = [*unreadable, *await self._activate(connection, registrations)]
        for refusal in refusals:
            log.error("ALERT the state of a card was not recorded completely: %s", refusal)
        if refusals:
            raise refusals[0]

    async def _activate(
        self, connection: AsyncConnection, registrations: Mapping[tuple[bytes, UUID], Registration]
    ) -> Sequence[Refusal]:
        """Activates the contacts of the registrations, and writes the notices that waited for them.

        Returns a refusal for each registration without contacts of its own act.
        """
        if not registrations:
            return []
        # Nearly always all of them are active already, and then no row is locked.
        rest = registrations.keys() - await staging.list_active(connection, registrations.keys())
        if not rest:
            return []
        locked = await staging.lock_staged(connection, rest)
        commits: list[tuple[StagedRegistration, Registration]] = []
        refusals: list[Refusal] = []
        for request in sorted(rest):
            registration = registrations[request]
            try:
                staged = require_same_act(locked.get(request), registration)
            except Refusal as refusal:
                refusals.append(refusal)
                continue
            if staged.state is StagedState.PENDING:
                commits.append((staged, registration))
        if commits:
            await staging.activate(connection, commits)
            waiting = await notices.list_waiting(
                connection, [(staged.certificate_sha256, staged.request_id) for staged, _ in commits]
            )
            await notices.record_written(connection, [notice.notice_id for notice in waiting])
            now = await self.clock(connection)
            for part in divide_notices(waiting, MOST_RECIPIENTS):
                await write_mails(connection, part, domain=self.mail_domain, now=now)
        return refusals
