"""Records the states of cards: where they are registered, and which staged contacts have become active."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from contact_notification.domain.card_state import CardState, Registration, choose_newest, find_missing
from contact_notification.domain.history import HistoryAction, describe_ended, describe_registered
from contact_notification.domain.notice import NoticeState, divide_notices
from contact_notification.domain.staging import MissingContacts, StagedRegistration, StagedState
from contact_notification.operations.notices import report_missing, write_mails
from contact_notification.operations.owner_events import enqueue_owners
from contact_notification.operations.takeovers import ContactTakeovers
from contact_notification.store import activation, card_states, missing_contacts, notices, staging
from history.entries import Chain
from history.writing import write_history
from refusals import Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.telemetry import find_trace_id

log = logging.getLogger(__name__)

# Recipients whose mails one statement writes.
MOST_RECIPIENTS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CardStates:
    """Records the states of cards. The Message-IDs of the mails that waited for them end in `mail_domain`."""

    database: Database
    clock: DatabaseClock
    chain: Chain
    mail_domain: str
    takeovers: ContactTakeovers

    async def record(self, states: Sequence[CardState], unreadable: Sequence[Refusal] = ()) -> None:
        """Records the states in one statement, each unless the same or a higher version is kept.

        Then the contacts of their registrations become active in one transaction, whatever the version, since a
        registration was committed whichever state names it; so a repeated list finds those that were missing before,
        also where this process died in between. A registration without contacts of its own act is recorded
        with its state all the same, and reported once: no repetition could bring them. Last, renewed cards take over
        contacts.
        Raises the first of `unreadable`, the refusals of further states, after everything else was recorded; and
        CARD_STATE_TOO_EARLY as `ContactTakeovers` does.
        """
        registrations = {
            (registration.certificate_sha256, registration.request_id): registration
            for state in sorted(states, key=lambda state: state.version)
            for registration in state.registrations
        }
        async with self.database.single_change() as connection:
            rest = await card_states.record_card_states(connection, choose_newest(states), registrations.keys())
        if rest:
            async with self.database.transaction() as connection:
                missing = await self._activate(connection, {request: registrations[request] for request in rest})
            report_missing(missing)
        for refusal in unreadable:
            log.error("ALERT the state of a card was not recorded; report it to the developers: %s", refusal)
        await self.takeovers.carry_out(states)
        if unreadable:
            raise unreadable[0]

    async def record_committed(self, certificate_sha256: bytes, request_id: UUID) -> None:
        """Ends a pending registration that was committed and gave way before its state arrived; writes its notices."""
        request = (certificate_sha256, request_id)
        async with self.database.transaction() as connection:
            await staging.lock_staged(connection, [request])
            has_ended = await staging.end_pending(connection, [request], StagedState.COMMITTED)
            if has_ended:
                ended = await staging.list_staged(connection, [request])
                await self._note_ended(connection, ended.values(), HistoryAction.GAVE_WAY)
                await self._write_waiting(connection, ended)
        if has_ended:
            log.warning("request %s was committed, but the state of its card does not name it any more", request_id)

    async def _activate(
        self, connection: Connection, registrations: Mapping[tuple[bytes, UUID], Registration]
    ) -> Sequence[tuple[UUID, MissingContacts]]:
        """Activates the contacts of the registrations, and writes the notices that waited for them.

        Returns the registrations without contacts of their own act that were not known yet.
        """
        locked = await staging.lock_staged(connection, registrations.keys())
        commits: list[tuple[StagedRegistration, Registration]] = []
        missing: dict[tuple[bytes, UUID], tuple[UUID, MissingContacts]] = {}
        for request, registration in sorted(registrations.items(), key=lambda item: item[0]):
            staged = locked.get(request)
            reason = find_missing(staged, registration)
            if reason is not None:
                missing[request] = (registration.registration_id, reason)
            elif staged is not None and staged.state is not StagedState.ACTIVE:
                commits.append((staged, registration))
        if commits:
            active, changed_owners = await activation.activate(connection, commits)
            await enqueue_owners(connection, changed_owners)
            now, trace_id = await self.clock(connection), find_trace_id()
            entries = [describe_registered(registered, now=now, trace_id=trace_id) for registered in active]
            await write_history(connection, self.chain, entries)
            by_request = {registered.staged.request: registered.staged for registered in active}
            await self._write_waiting(connection, by_request)
        return await self._record_missing(connection, missing, locked) if missing else []

    async def _record_missing(
        self,
        connection: Connection,
        missing: Mapping[tuple[bytes, UUID], tuple[UUID, MissingContacts]],
        locked: Mapping[tuple[bytes, UUID], StagedRegistration],
    ) -> Sequence[tuple[UUID, MissingContacts]]:
        """Records registrations without contacts, and ends what the card did not sign; returns those that are new."""
        not_signed = [request for request, (_, reason) in missing.items() if reason is MissingContacts.NOT_SIGNED]
        if not_signed:
            ended = await staging.end_pending(connection, not_signed, StagedState.NOT_SIGNED)
            await self._note_ended(connection, [locked[request] for request in ended], HistoryAction.NOT_SIGNED)
            await notices.end_waiting(connection, ended, NoticeState.WITHOUT_CONTACTS)
        return await missing_contacts.record_missing(connection, missing)

    async def _note_ended(
        self, connection: Connection, ended: Iterable[StagedRegistration], action: HistoryAction
    ) -> None:
        """Writes entries of staged contacts that ended without becoming active."""
        now, trace_id = await self.clock(connection), find_trace_id()
        entries = [describe_ended(staged, action, now=now, trace_id=trace_id) for staged in ended]
        await write_history(connection, self.chain, entries)

    async def _write_waiting(
        self, connection: Connection, ended: Mapping[tuple[bytes, UUID], StagedRegistration]
    ) -> None:
        """Writes the mails of the notices that waited for the contacts of these registrations."""
        waiting = await notices.end_waiting(connection, ended.keys(), NoticeState.WRITTEN)
        now = await self.clock(connection)
        for part in divide_notices(waiting, MOST_RECIPIENTS):
            await write_mails(connection, part, ended, domain=self.mail_domain, now=now)
