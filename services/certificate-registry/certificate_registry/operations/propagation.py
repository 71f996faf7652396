"""Makes registrations at further agencies, set by set (SYN-01)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from certificate_registry.domain.history import HistoryAction, HistoryEntry
from certificate_registry.domain.propagation import AgencyPropagation, NewRegistrations, PropagatedRegistration
from certificate_registry.operations.deliveries import enqueue_propagated
from certificate_registry.store import propagation
from certificate_registry.store.history import write_history
from servicekit.database import Database
from servicekit.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationPropagation:
    """Propagates contractors' registrations to further agencies."""

    database: Database
    clock: Callable[[], datetime]

    async def propagate(
        self, requests: Sequence[AgencyPropagation], *, caller: Caller
    ) -> Sequence[PropagatedRegistration]:
        """Makes the requested registrations, and returns the result for each, by agency and source.

        An existing registration is not changed and counts as done. The history gets one entry per card and category,
        and contact-notification one report.
        """
        now = self.clock()
        async with self.database.transaction() as connection:
            new = await propagation.insert_propagated(connection, requests, now)
            who = f"{caller.kind} {caller.name}"
            await write_history(connection, (_describe(registrations, who, now) for registrations in new))
            results = await propagation.read_results(connection, requests)
            await enqueue_propagated(connection, new)
        return results


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
