"""Records the states of cards, with the intentions to propagate their new registrations."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from agency_sync.domain.card_state import CardKey, CardState, select_newest
from agency_sync.domain.intention import IntentionState, KeptIntention, find_changes
from agency_sync.domain.offers import Offering
from agency_sync.domain.propagation import refuse_void
from agency_sync.operations.propagate import enqueue_propagation
from agency_sync.store import card_states, intentions, propagations
from refusals import Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardStateRecord:
    """Records the states of cards as they arrive."""

    database: Database
    clock: DatabaseClock
    # Whether the instance propagates registrations (SYN-02).
    propagates: bool
    # The rules of the agencies that offer each category.
    offering: Offering

    async def record(self, states: Sequence[CardState], unreadable: Sequence[Refusal] = ()) -> None:
        """Replaces the states of cards by newer ones, and applies them to the cards' intentions, in one transaction.

        A new registration of a contractor opens an intention, once; the end of a registration makes its intention
        void; a suspension has it wait. One that can be carried out gets a job. The number of statements does not depend
        on the number of states.
        Raises the first of `unreadable`, the refusals of further states, after everything else was recorded.
        """
        newest = select_newest(states)
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            before = await card_states.lock_states(connection, newest.keys())
            written = await card_states.write_states(connection, list(newest.values()))
            kept: dict[CardKey, list[KeptIntention]] = defaultdict(list)
            for intention in await intentions.lock_by_card(connection, written):
                kept[intention.card].append(intention)
            opened: list[KeptIntention] = []
            changed: list[KeptIntention] = []
            for key in written:
                changes = find_changes(newest[key], before.get(key), kept[key])
                opened += changes.opened
                changed += changes.changed
            if not self.propagates:
                opened.clear()
            else:
                await propagations.forget_propagations(connection, [intention.registration_id for intention in opened])
                await intentions.open_intentions(connection, opened, now=now)
            await intentions.change_states(connection, changed, now=now)
            refused = refuse_void([*opened, *changed], offering=self.offering, now=now)
            await propagations.record_propagations(connection, refused, now=now)
            if self.propagates and any(intention.state is IntentionState.OPEN for intention in (*opened, *changed)):
                await enqueue_propagation(connection)
        for refusal in unreadable:
            log.error("ALERT the state of a card was not recorded: %s", refusal)
        if unreadable:
            raise unreadable[0]
