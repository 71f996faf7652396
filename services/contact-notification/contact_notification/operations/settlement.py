"""Settles staged registrations: abandons them or records their registration.

Only certificate-registry knows the outcome of a staged registration. It is asked between transactions, never inside
one, so that a slow answer locks no row.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from contact_notification.adapters.certificate_registry import CertificateRegistry
from contact_notification.domain.card_state import OutcomeState
from contact_notification.domain.staging import GRACE, SESSION_MAXIMUM
from contact_notification.operations.card_states import CardStates
from contact_notification.store import staging
from refusals import Code, Refusal
from servicekit.clock import DatabaseClock
from servicekit.database import Database

log = logging.getLogger(__name__)

CLEAR_PENDING = "clear_pending"
EVENTS_QUEUE = "events"

# Staged registrations that are read at a time.
BATCH = 500
# A request whose tombstone is deleted here still has its tombstone in certificate-registry.
TOMBSTONES_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Settles pending registrations by their outcome at certificate-registry."""

    database: Database
    clock: DatabaseClock
    certificate_registry: CertificateRegistry
    card_states: CardStates

    async def settle(self, certificate_sha256: bytes, request_id: UUID) -> None:
        """Settles a pending registration.

        Asks certificate-registry for its outcome, which leaves a tombstone if there is none; then deletes the staged
        contacts, or records the card's state, which has not arrived yet. Raises PEER_FAILED for any other outcome, and
        what `CardStates.record` raises.
        """
        outcome = await self.certificate_registry.get_outcome(certificate_sha256, request_id, abandon=True)
        if outcome.state is OutcomeState.ABANDONED:
            async with self.database.transaction() as connection:
                await staging.abandon(connection, certificate_sha256, request_id, now=await self.clock(connection))
            return
        state = outcome.card_state if outcome.state is OutcomeState.REGISTERED else None
        if state is not None:
            await self.card_states.record([state])
        if state is None or all(registration.request_id != request_id for registration in state.registrations):
            raise Refusal("PEER_FAILED", Code.INTERNAL, {"code": outcome.state})

    async def settle_expired(self) -> None:
        """Settles staged registrations that are too old to be committed, and deletes old tombstones."""
        after = None
        while True:
            async with self.database.read() as connection:
                now = await self.clock(connection)
                expired = await staging.list_pending(
                    connection, now - SESSION_MAXIMUM - GRACE, after=after, limit=BATCH
                )
            for _, certificate_sha256, request_id in expired:
                try:
                    await self.settle(certificate_sha256, request_id)
                except Refusal as refusal:
                    # One that can't be settled must not block the others; the next run tries it again.
                    log.warning("request %s stays pending: %s", request_id, refusal)
            if len(expired) < BATCH:
                break
            after = expired[-1]
        async with self.database.transaction() as connection:
            await staging.delete_tombstones(connection, now - TOMBSTONES_KEPT)
