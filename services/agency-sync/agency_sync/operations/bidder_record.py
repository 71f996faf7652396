"""Records the states of bidders, and has judged again what they held up."""

from collections.abc import Sequence
from dataclasses import dataclass

from agency_sync.domain.bidder_state import BidderState, judge_again, select_newest_bidders
from agency_sync.domain.feed import is_bidder_stop
from agency_sync.operations.feed_appending import FeedAppending
from agency_sync.operations.propagate import enqueue_propagation
from agency_sync.store import bidder_states, held_intentions
from servicekit.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderStateRecord:
    """Records the states of bidders as they arrive."""

    database: Database
    feeds: FeedAppending

    async def record(self, states: Sequence[BidderState]) -> None:
        """Replaces the states of bidders by newer ones, in one transaction.

        What waited for the end of a suspension, was refused for one, or for want of an officer's approval, and is not
        held up any more, is open again and gets a job. What a suspension stops is judged when it is carried out. The
        number of statements does not depend on the number of states.
        """
        newest = select_newest_bidders(states)
        async with self.database.transaction() as connection:
            written = await bidder_states.replace_states(connection, list(newest.values()))
            held = await held_intentions.lock_held(connection, written) if written else []
            if held:
                judged = judge_again(held, newest)
                await held_intentions.open_again(connection, judged)
                if judged.opened:
                    await enqueue_propagation(connection)
            stops = {key for key in written if is_bidder_stop(newest[key])}
            await self.feeds.append_of_bidders(connection, written, stops)
