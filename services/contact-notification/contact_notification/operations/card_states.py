"""Records the states of cards: where they are registered, and which staged contacts have become active."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from contact_notification.domain.card_state import CardState, Registration, choose_newest, find_missing
from contact_notification.domain.notice import NoticeState, divide_notices
from contact_notification.domain.staging import MissingContacts, StagedRegistration, StagedState
from contact_notification.operations.notices import report_missing, write_mails
from contact_notification.store import card_states, missing_contacts, notices, staging
from refusals import Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection

log = logging.getLogger(__name__)

# Recipients whose mails one statement writes.
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
        repeated list finds those that were missing before. A registration without contacts of its own act is recorded
        with its state all the same, and reported once: no repetition could bring them.
        Raises the first of `unreadable`, the refusals of further states, after everything else was recorded.
        """
        registrations = {
            (registration.certificate_sha256, registration.request_id): registration
            for state in sorted(states, key=lambda state: state.version)
            for registration in state.registrations
        }
        async with self.database.transaction() as connection:
            await card_states.record_card_states(connection, choose_newest(states))
            missing = await self._activate(connection, registrations)
        report_missing(missing)
        for refusal in unreadable:
            log.error("ALERT the state of a card was not recorded; report it to the developers: %s", refusal)
        if unreadable:
            raise unreadable[0]

    async def record_committed(self, certificate_sha256: bytes, request_id: UUID) -> None:
        """Ends a pending registration that was committed and gave way before its state arrived; writes its notices."""
        request = (certificate_sha256, request_id)
        async with self.database.transaction() as connection:
            await staging.lock_staged(connection, [request])
            ended = await staging.end_pending(connection, [request], StagedState.COMMITTED)
            await self._write_waiting(connection, ended)
        for _ in ended:
            log.warning("request %s was committed, but the state of its card does not name it any more", request_id)

    async def _activate(
        self, connection: Connection, registrations: Mapping[tuple[bytes, UUID], Registration]
    ) -> Sequence[tuple[UUID, MissingContacts]]:
        """Activates the contacts of the registrations, and writes the notices that waited for them.

        Returns the registrations without contacts of their own act that were not known yet.
        """
        if not registrations:
            return []
        # Nearly always all of them are active already, and then no row is locked.
        rest = registrations.keys() - await staging.list_active(connection, registrations.keys())
        if not rest:
            return []
        locked = await staging.lock_staged(connection, rest)
        commits: list[tuple[StagedRegistration, Registration]] = []
        missing: dict[tuple[bytes, UUID], tuple[UUID, MissingContacts]] = {}
        for request in sorted(rest):
            registration, staged = registrations[request], locked.get(request)
            reason = find_missing(staged, registration)
            if reason is not None:
                missing[request] = (registration.registration_id, reason)
            elif staged is not None and staged.state is not StagedState.ACTIVE:
                commits.append((staged, registration))
        if commits:
            committed = [(staged.certificate_sha256, staged.request_id) for staged, _ in commits]
            await staging.activate(connection, commits)
            await missing_contacts.delete_missing(connection, committed)
            await self._write_waiting(connection, committed)
        return await self._record_missing(connection, missing) if missing else []

    async def _record_missing(
        self, connection: Connection, missing: Mapping[tuple[bytes, UUID], tuple[UUID, MissingContacts]]
    ) -> Sequence[tuple[UUID, MissingContacts]]:
        """Records registrations without contacts, and ends what the card did not sign; returns those that are new."""
        not_signed = [request for request, (_, reason) in missing.items() if reason is MissingContacts.NOT_SIGNED]
        if not_signed:
            ended = await staging.end_pending(connection, not_signed, StagedState.NOT_SIGNED)
            await notices.end_waiting(connection, ended, NoticeState.WITHOUT_CONTACTS)
        return await missing_contacts.record_missing(connection, missing)

    async def _write_waiting(self, connection: Connection, requests: Sequence[tuple[bytes, UUID]]) -> None:
        """Writes the mails of the notices that waited for the contacts of these requests."""
        waiting = await notices.end_waiting(connection, requests, NoticeState.WRITTEN)
        now = await self.clock(connection)
        for part in divide_notices(waiting, MOST_RECIPIENTS):
            await write_mails(connection, part, domain=self.mail_domain, now=now)
