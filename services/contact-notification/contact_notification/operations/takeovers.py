"""Contacts pass from a card to the one that takes its place, as soon as the state of the new card says so."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from contact_notification.domain.card_state import CardState, Takeover
from contact_notification.domain.history import describe_taken_over
from contact_notification.operations.notices import write_mails
from contact_notification.operations.owner_events import enqueue_owners
from contact_notification.store import notices, registered, takeovers
from history.entries import Chain
from history.writing import write_history
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.telemetry import find_trace_id

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactTakeovers:
    """Carries out takeovers. The Message-IDs of the mails that waited for them end in `mail_domain`."""

    database: Database
    clock: DatabaseClock
    chain: Chain
    mail_domain: str

    async def carry_out(self, states: Sequence[CardState]) -> None:
        """Has each renewed card that has no contact take over that of the card before, once.

        Raises CARD_STATE_TOO_EARLY, after all others were carried out, where nothing is known of the card before: its
        state is on its way, and with it may come the contact.
        """
        named = {
            (takeover.certificate_sha256, takeover.category, takeover.bidder_id): takeover
            for state in sorted(states, key=lambda state: state.version)
            for takeover in state.takeovers
        }
        if not named:
            return
        async with self.database.read() as connection:
            rest = await takeovers.list_open(connection, [named[key] for key in sorted(named)])
        early: Takeover | None = None
        # In their order, since a contact may pass on from card to card.
        for takeover in sorted(rest, key=lambda takeover: takeover.renewed_at):
            async with self.database.transaction() as connection:
                if not await self._take_over(connection, takeover):
                    early = takeover
        if early is not None:
            metadata = {
                "certificate_sha256": early.certificate_sha256.hex(),
                "predecessor": early.predecessor.hex(),
            }
            raise Refusal("CARD_STATE_TOO_EARLY", Code.FAILED_PRECONDITION, metadata)

    async def _take_over(self, connection: Connection, takeover: Takeover) -> bool:
        """Returns whether that is settled: the contact was taken over, or there is none."""
        cards = (takeover.certificate_sha256, takeover.predecessor)
        owners = await registered.lock_card_owners(connection, cards, takeover.bidder_id, takeover.category)
        shown = await takeovers.take_over(
            connection,
            takeover,
            owner_id=owners[takeover.certificate_sha256],
            predecessor_id=owners[takeover.predecessor],
        )
        if shown is None:
            is_known = await takeovers.is_state_known(connection, takeover.predecessor, takeover.category)
            if is_known:
                log.warning("the card of renewal %s has no contact, as the card before had none", takeover.request_id)
            return is_known
        now = await self.clock(connection)
        entry = describe_taken_over(takeover, shown.card_contact_id, now=now, trace_id=find_trace_id())
        await write_history(connection, self.chain, [entry])
        await enqueue_owners(connection, [owners[takeover.certificate_sha256]])
        waiting = await notices.end_waiting_for_renewal(
            connection, takeover.certificate_sha256, takeover.category, shown
        )
        await write_mails(connection, waiting, {}, domain=self.mail_domain, now=now)
        return True
