"""Records the states of cards, with the intentions to propagate their new registrations."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from agency_sync.domain.card_state import CardKey, CardState, select_newest
from agency_sync.domain.feed import is_stop
from agency_sync.domain.intention import IntentionKind, IntentionState, KeptIntention
from agency_sync.domain.intention_changes import find_changes
from agency_sync.domain.offers import Offering
from agency_sync.domain.propagation import refuse_void
from agency_sync.domain.schedule import Schedule
from agency_sync.operations.feed_appending import FeedAppending
from agency_sync.operations.propagate import enqueue_propagation
from agency_sync.store import card_states, intentions, propagations
from refusals import Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardStateRecord:
    """Records the states of cards as they arrive."""

    database: Database
    clock: DatabaseClock
    # Whether and when the instance propagates registrations (SYN-02).
    schedule: Schedule
    # The rules of the agencies that offer each category.
    offering: Offering
    feeds: FeedAppending

    async def record(self, states: Sequence[CardState], unreadable: Sequence[Refusal] = ()) -> None:
        """Replaces the states of cards by newer ones, and applies them to the cards' intentions, in one transaction.

        A new registration of a contractor opens an intention, once, and so does a renewal; the end of a registration
        makes its intention void; a suspension has it wait. What was intended for a card whose place another one took is
        that one's. One that can be carried out now gets a job. What the feeds lack of the cards is appended. The number
        of statements does not depend on that of the states.
        Raises the first of `unreadable`, the refusals of further states, after everything else was recorded.
        """
        newest = select_newest(states)
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            written = await card_states.replace_states(connection, list(newest.values()))
            known = await _read_related(connection, {key: newest[key] for key in written})
            kept = await intentions.lock_by_card(connection, known.keys())
            changes = find_changes(written, known, kept)
            opened, changed = list(changes.opened), changes.changed
            if not self.schedule.propagates:
                opened.clear()
            else:
                kept_ids = {intention.registration_id for intention in kept}
                opened_anew = kept_ids.intersection(intention.registration_id for intention in opened)
                await propagations.forget_propagations(connection, opened_anew)
                # What comes too late for its night, since the services could not reach each other, is made up for.
                planned_at = [self.schedule.plan(min(_find_registered_at(each, known) or now, now)) for each in opened]
                await intentions.open_intentions(connection, opened, now=now, planned_at=planned_at)
            await intentions.change_states(connection, changed, now=now)
            void = [*opened, *changed]
            refused = refuse_void(void, followed=_list_followed(void, known), offering=self.offering, now=now)
            await propagations.record_propagations(connection, refused, now=now)
            may_be_due = [*(opened if self.schedule.is_at_once else ()), *changed]
            if self.schedule.propagates and any(each.state is IntentionState.OPEN for each in may_be_due):
                await enqueue_propagation(connection)
            await self.feeds.append(connection, written, {key for key in written if is_stop(newest[key])})
        for refusal in unreadable:
            log.error("ALERT the state of a card was not recorded: %s", refusal)
        if unreadable:
            raise unreadable[0]


async def _read_related(connection: Connection, written: Mapping[CardKey, CardState]) -> Mapping[CardKey, CardState]:
    """Returns these states, and what is kept of the cards before and after them."""
    related = {
        key
        for state in written.values()
        for keys in (state.list_predecessors(), state.list_successors())
        for key in keys.values()
    } - written.keys()
    return {**written, **(await card_states.read_states(connection, related) if related else {})}


def _find_registered_at(intention: KeptIntention, known: Mapping[CardKey, CardState]) -> datetime | None:
    return known[intention.card].registrations[intention.agency].registered_at


def _list_followed(void: Iterable[KeptIntention], known: Mapping[CardKey, CardState]) -> Mapping[UUID, Collection[str]]:
    """Returns the agencies that renewals concern: where the card is good whose place was taken."""
    followed: dict[UUID, Collection[str]] = {}
    for intention in void:
        state = known.get(intention.card)
        predecessor = None if state is None else state.list_predecessors().get(intention.agency)
        if intention.kind is IntentionKind.RENEWAL and predecessor is not None and predecessor in known:
            followed[intention.registration_id] = known[predecessor].list_good_agencies()
    return followed
