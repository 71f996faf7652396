"""Makes registrations at further agencies, set by set (SYN-01)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.history import HistoryAction, HistoryEntry
from certificate_registry.domain.propagation import AgencyPropagation, NewRegistrations, PropagatedRegistration
from certificate_registry.operations.deliveries import deliver_states
from certificate_registry.store import card_states, propagation
from certificate_registry.store.history import write_history
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationPropagation:
    """Propagates contractors' registrations to further agencies."""

    database: Database
    clock: DatabaseClock

    async def propagate(
        self, requests: Sequence[AgencyPropagation], *, caller: Caller
    ) -> Sequence[PropagatedRegistration]:
        """Makes the requested registrations, and returns the result for each, by agency and source.

        An existing registration is not changed, and counts as done if it is good. The history gets one entry per card
        and category; each consumer of card states gets one message for some hundreds of cards.
        """
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            new = await propagation.insert_propagated(connection, requests, now)
            who = f"{caller.kind} {caller.name}"
            await write_history(connection, (_describe(registrations, who, now) for registrations in new))
            changed = [CardKey(registrations.certificate_sha256, registrations.category) for registrations in new]
            await card_states.number_states(connection, changed)
            await jobs.enqueue_together(connection, deliver_states(changed))
            return await propagation.read_results(connection, requests)


def _describe(new: NewRegistrations, who: str, now: datetime) -> HistoryEntry:
    return HistoryEntry(
        happened_at=now,
        who=who,
        what=HistoryAction.PROPAGATED,
        certificate_sha256=new.certificate_sha256,
        category=new.category,
        agencies=tuple(new.registrations),
        bidder_id=new.bidder_id,
        before={},
        after={"registrations": new.registrations},
    )
