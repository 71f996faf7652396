"""Makes registrations at further agencies, set by set (SYN-01)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from uuid import UUID

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.propagation import (
    AgencyPropagation,
    NewRegistrations,
    PropagatedRegistration,
    PropagatedRenewals,
    PropagationResult,
    ReplacedCard,
    RequestedRegistration,
    list_requested,
    map_made,
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

_NO_RENEWALS = PropagatedRenewals((), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationPropagation:
    """Propagates contractors' registrations and renewals to further agencies."""

    database: Database
    chain: Chain
    clock: DatabaseClock

    async def propagate(
        self, requests: Sequence[AgencyPropagation], *, caller: Caller, taking_over: Collection[UUID] = ()
    ) -> Sequence[PropagatedRegistration]:
        """Makes the requested registrations, and returns the result for each, by agency and source.

        An existing registration is not changed, and counts as done if it is good. Of a renewal, the old card is
        replaced wherever it is good, and nothing is made where it is not, unless the renewal takes over what was
        intended for that card. The history gets one entry per card and category; each consumer of card states gets one
        message for some hundreds of cards.
        """
        requested = list_requested(requests)
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            has_registrations, has_renewals = await propagation.lock_cards(connection, requested)
            new: Sequence[NewRegistrations] = ()
            if has_registrations or taking_over:
                new = await propagation.insert_propagated(connection, requested, now, taking_over=taking_over)
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
            made = map_made([*new, *renewed.new])
            others = [each for each in requested if each not in made]
            results = await propagation.read_results(connection, others) if others else []
        return sorted(
            [*results, *(_describe_done(each, made[each]) for each in requested if each in made)],
            key=lambda result: (result.agency, result.source_registration_id),
        )


def _describe_done(requested: RequestedRegistration, registration_id: str) -> PropagatedRegistration:
    return PropagatedRegistration(
        requested.source_registration_id, requested.agency, PropagationResult.DONE, UUID(registration_id)
    )


def _describe(new: NewRegistrations, who: str, trace_id: str | None, now: datetime) -> Entry:
    return Entry(
        happened_at=now,
        who=who,
        what=HistoryAction.PROPAGATED,
        trace_id=trace_id,
        certificate_sha256=new.certificate_sha256,
        category=new.category,
        agencies=tuple(new.registrations),
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
