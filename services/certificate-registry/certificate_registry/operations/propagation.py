"""Makes registrations at further agencies, set by set (SYN-01)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.propagation import (
    NewRegistrations,
    PropagatedRegistration,
    PropagatedRenewals,
    ReplacedCard,
    Requested,
    map_made,
    split_made,
    split_requested,
)
from certificate_registry.operations.deliveries import deliver_states
from certificate_registry.store import propagation, renewal_propagation
from history.entries import Chain, Entry
from history.writing import write_history
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.identity import Caller
from servicekit.telemetry import find_trace_id

# Registrations of one transaction, which with sixty agencies takes about a quarter of a second.
MOST_TOGETHER = 500
_NO_RENEWALS = PropagatedRenewals((), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationPropagation:
    """Propagates contractors' registrations and renewals to further agencies."""

    database: Database
    chain: Chain
    clock: DatabaseClock

    async def propagate(
        self, requested: Requested, *, caller: Caller, taking_over: Collection[str] = ()
    ) -> Sequence[PropagatedRegistration]:
        """Makes the requested registrations, and returns the result for each.

        An existing registration is not changed, and counts as done if it is good. Of a renewal, the old card is
        replaced wherever it is good, and nothing is made where it is not, unless the renewal takes over what was
        intended for that card. The history gets one entry per card and category; each consumer of card states gets one
        message for some hundreds of cards.

        Each `MOST_TOGETHER` registrations are a transaction of their own, for which a stop of one of their cards waits;
        what a failure leaves undone, the same call again does.
        """
        results: list[PropagatedRegistration] = []
        for portion in split_requested(requested, MOST_TOGETHER):
            results += await self._propagate(portion, caller, portion.keys() & set(taking_over))
        return results

    async def _propagate(
        self, requested: Requested, caller: Caller, taking_over: Collection[str]
    ) -> Sequence[PropagatedRegistration]:
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            has_registrations, has_renewals = await propagation.lock_cards(connection, requested)
            new: list[NewRegistrations] = []
            if has_registrations:
                new += await propagation.insert_propagated(connection, requested, now)
            if taking_over:
                new += await propagation.insert_taking_over(connection, requested, taking_over, now)
            renewed = _NO_RENEWALS
            if has_renewals:
                renewed = await renewal_propagation.insert_propagated_renewals(connection, requested, now)
            who = f"{caller.kind} {caller.name}"
            trace_id = find_trace_id()
            entries = chain(
                (_describe(registrations, who, trace_id, now) for registrations in (*new, *renewed.new)),
                (_describe_replaced(replaced, who, trace_id, now) for replaced in renewed.replaced),
            )
            await write_history(connection, self.chain, entries)
            cards: Sequence[NewRegistrations | ReplacedCard] = [*new, *renewed.new, *renewed.replaced]
            # Each once: a card can take a place and lose one.
            changed = dict.fromkeys(CardKey(card.certificate_sha256, card.category) for card in cards)
            await jobs.enqueue_together(connection, deliver_states(list(changed)))
            done, others = split_made(requested, map_made([*new, *renewed.new]))
            return [*done, *await propagation.read_results(connection, others)] if others else done


def _describe(new: NewRegistrations, who: str, trace_id: str | None, now: datetime) -> Entry:
    return Entry(
        happened_at=now,
        who=who,
        what=HistoryAction.PROPAGATED,
        trace_id=trace_id,
        certificate_sha256=new.certificate_sha256,
        category=new.category,
        agencies=tuple(sorted(new.registrations)),
        bidder_id=new.bidder_id,
        before={},
        after={"registrations": new.registrations},
    )


def _describe_replaced(replaced: ReplacedCard, who: str, trace_id: str | None, now: datetime) -> Entry:
    return Entry(
        happened_at=now,
        who=who,
        what=HistoryAction.REPLACED,
        trace_id=trace_id,
        certificate_sha256=replaced.certificate_sha256,
        category=replaced.category,
        agencies=tuple(replaced.agencies),
        bidder_id=replaced.bidder_id,
        before={},
        after={"replaced_by": dict.fromkeys(replaced.agencies, replaced.replaced_by.hex())},
    )
