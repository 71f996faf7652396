"""Officers end the review of a bidder's changed company data (QUA-08): at their agency, the operator's everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from history.entries import Chain
from history.writing import write_history
from instance_profile.model import Profile
from officers.act import OfficerAct, check_reason
from officers.acts import find_outcome, save_outcome, take_act
from qualification_registry.domain.bidder_state import BidderKey
from qualification_registry.domain.bidders import can_be_bidder_id, refuse_unknown_bidder
from qualification_registry.domain.history import describe_review_end
from qualification_registry.domain.review import ReviewEnd, refuse_without_review
from qualification_registry.operations.bidder_events import BidderEvents, enqueue_states
from qualification_registry.operations.circumstances import find_act_circumstances
from qualification_registry.operations.suspension import require_place
from qualification_registry.store import bidder_states, commits, reviews
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewEnds:
    """Ends of reviews by officers. A later list ends them too, and begins others."""

    database: Database
    profile: Profile
    chain: Chain
    events: BidderEvents
    clock: DatabaseClock

    async def end(self, request: ReviewEnd, act: OfficerAct) -> Sequence[str]:
        """Ends the reviews of a bidder at an agency; returns the services that could not be told at once.

        Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, BIDDER_UNKNOWN, BIDDER_NOT_UNDER_REVIEW, OFFICER_REASON_INVALID.
        """
        async with self.database.transaction() as connection:
            if await find_outcome(connection, act) is None:
                await self._end(connection, request, act)
                await save_outcome(connection, act, {})
        return await self.events.tell_at_once(BidderKey(request.bidder_id, request.category))

    async def _end(self, connection: Connection, request: ReviewEnd, act: OfficerAct) -> None:
        now = await self.clock(connection)
        await take_act(connection, act, now)
        reason = check_reason(request.reason)
        require_place(self.profile, request.agency, request.category)
        if not can_be_bidder_id(request.bidder_id):
            raise refuse_unknown_bidder(request.bidder_id)
        # In this order, in which an import takes them too.
        await commits.lock_all_imports(connection)
        if await bidder_states.lock_state(connection, BidderKey(request.bidder_id, request.category)) is None:
            raise refuse_unknown_bidder(request.bidder_id)
        if not await reviews.end_review(connection, request.bidder_id, request.category, request.agency):
            raise refuse_without_review(request.bidder_id)
        entry = describe_review_end(find_act_circumstances(act, now), request, reason)
        await write_history(connection, self.chain, [entry])
        await enqueue_states(connection, request.category, [request.bidder_id])
