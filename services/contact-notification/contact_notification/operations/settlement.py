"""Settles staged registrations: abandons them or records their registration.

Only certificate-registry knows the outcome of a staged registration. It is asked between transactions, never inside
one, so that a slow answer locks no row.
"""

import logging
from dataclasses import dataclass
from uuid import UUID

from contact_notification.adapters.certificate_registry import CertificateRegistry
from contact_notification.domain.card_state import OutcomeState
from contact_notification.domain.history import HistoryAction, describe_ended
from contact_notification.domain.staging import GRACE, SESSION_MAXIMUM, StagedState
from contact_notification.operations.card_states import CardStates
from contact_notification.store import notices, staging
from history.entries import Chain
from history.writing import write_history
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.telemetry import find_trace_id

log = logging.getLogger(__name__)

CLEAR_PENDING = "clear_pending"
EVENTS_QUEUE = "events"

# Staged registrations that are read at a time.
BATCH = 500
# Questions in a row without an answer after which a run ends.
MOST_UNANSWERED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Settles pending registrations by their outcome at certificate-registry."""

    database: Database
    clock: DatabaseClock
    chain: Chain
    certificate_registry: CertificateRegistry
    card_states: CardStates

    async def settle(self, certificate_sha256: bytes, request_id: UUID) -> None:
        """Settles a pending registration; whatever was committed, it ends, and bars neither the card nor its bidder.

        Asks certificate-registry for its outcome, which leaves a tombstone if there is none; then deletes the staged
        contacts, or records the card's state, which has not arrived yet. Raises PEER_UNREACHABLE and PEER_FAILED.
        """
        outcome = await self.certificate_registry.get_outcome(certificate_sha256, request_id, abandon=True)
        match outcome.state:
            case OutcomeState.ABANDONED:
                await self._abandon(certificate_sha256, request_id)
            case OutcomeState.REGISTERED:
                if outcome.card_state is not None:
                    await self.card_states.record([outcome.card_state])
                if outcome.find_registration(request_id) is None:
                    await self.card_states.record_committed(certificate_sha256, request_id)
            case _:
                raise Refusal("PEER_FAILED", Code.INTERNAL, {"code": outcome.state})

    async def _abandon(self, certificate_sha256: bytes, request_id: UUID) -> None:
        request = (certificate_sha256, request_id)
        async with self.database.transaction() as connection:
            staged = (await staging.lock_staged(connection, [request])).get(request)
            # After a restore of certificate-registry a notice may wait for a registration that it no longer knows.
            await notices.delete_waiting(connection, certificate_sha256, request_id)
            now = await self.clock(connection)
            await staging.abandon(connection, certificate_sha256, request_id, now=now)
            if staged is not None and staged.state is StagedState.PENDING:
                entry = describe_ended(staged, HistoryAction.ABANDONED, now=now, trace_id=find_trace_id())
                await write_history(connection, self.chain, [entry])

    async def settle_expired(self) -> None:
        """Settles staged registrations that are too old to be committed."""
        async with self.database.read() as connection:
            now = await self.clock(connection)
        after = staging.FIRST
        # One that can't be settled must not block the others; a later run tries it again. But where
        # certificate-registry does not answer, each of them would wait for it.
        unanswered = 0
        while unanswered < MOST_UNANSWERED:
            async with self.database.read() as connection:
                expired = await staging.list_pending(
                    connection, now - SESSION_MAXIMUM - GRACE, after=after, limit=BATCH
                )
            for _, certificate_sha256, request_id in expired:
                try:
                    await self.settle(certificate_sha256, request_id)
                    unanswered = 0
                except Refusal as refusal:
                    log.warning("request %s stays pending, and is settled by a later run: %s", request_id, refusal)
                    unanswered = unanswered + 1 if refusal.reason == "PEER_UNREACHABLE" else 0
                    if unanswered == MOST_UNANSWERED:
                        break
            if len(expired) < BATCH:
                break
            after = expired[-1]
