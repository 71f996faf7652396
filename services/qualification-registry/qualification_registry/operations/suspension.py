"""Officers suspend and resume bidders (LIF-04): at their agency, the operator's in the whole instance."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from history.entries import Chain
from history.writing import write_history
from instance_profile.model import Profile
from instance_profile.offers import require_agency, require_category
from instance_profile.working_days import add_working_days
from officers.act import OfficerAct, check_reason
from officers.acts import Response, find_outcome, save_outcome, take_act
from officers.suspension import DAYS_UNTIL_LAPSE
from qualification_registry.domain.bidder_notice import BidderNoticeKind
from qualification_registry.domain.bidder_state import BidderKey
from qualification_registry.domain.bidders import can_be_bidder_id, refuse_unknown_bidder
from qualification_registry.domain.history import Circumstances, HistoryAction, describe_suspension
from qualification_registry.domain.suspension import (
    DecidedBidder,
    Suspension,
    SuspensionQuery,
    SuspensionRequest,
    confirm,
    require_suspendable,
    require_suspension,
)
from qualification_registry.operations.bidder_events import BidderEvents, enqueue_states, enqueue_stop
from qualification_registry.operations.bidder_notices import enqueue_notice
from qualification_registry.operations.circumstances import find_act_circumstances
from qualification_registry.store import bidder_states, suspensions
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.identity import OPERATOR
from servicekit.telemetry import find_trace_id

# Suspensions that lapse in one run; each is a transaction of its own.
_MOST_LAPSING = 1000
# Suspensions in one page.
_LARGEST_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderSuspensions:
    """Suspends bidders by one officer, at once, until another confirms it or it lapses; and resumes them."""

    database: Database
    profile: Profile
    chain: Chain
    events: BidderEvents
    clock: DatabaseClock

    async def suspend(self, request: SuspensionRequest, act: OfficerAct) -> tuple[Suspension, Sequence[str]]:
        """Suspends a bidder; returns the suspension, and the services that could not be told at once.

        Raises what `_find_bidder` and `require_suspendable` raise, OFFICER_REASON_INVALID.
        """
        async with self.database.transaction() as connection:
            outcome = await find_outcome(connection, act)
            if outcome is None:
                suspension = await self._suspend(connection, request, act)
                await save_outcome(connection, act, _write_outcome(suspension))
            else:
                suspension = _read_outcome(outcome)
        return suspension, await self.events.tell_at_once(BidderKey(request.bidder_id, request.category))

    async def confirm(self, request: SuspensionRequest, act: OfficerAct) -> Suspension:
        """Confirms a suspension, which then does not lapse; returns it.

        Raises what `_find_bidder`, `require_suspension` and `domain.suspension.confirm` raise.
        """
        async with self.database.transaction() as connection:
            outcome = await find_outcome(connection, act)
            if outcome is not None:
                return _read_outcome(outcome)
            now = await self.clock(connection)
            await take_act(connection, act, now)
            stands = require_suspension(await self._find_bidder(connection, request))
            confirmed = confirm(stands, act.officer.name, now)
            await suspensions.confirm_suspension(connection, confirmed)
            action = HistoryAction.SUSPENSION_CONFIRMED
            entry = describe_suspension(action, find_act_circumstances(act, now), stands, confirmed)
            await write_history(connection, self.chain, [entry])
            await save_outcome(connection, act, _write_outcome(confirmed))
            return confirmed

    async def find_suspended(self, connection: Connection, request: SuspensionRequest) -> Suspension:
        """Returns the suspension that a request to resume is about; nobody else decides about its bidder meanwhile.

        Raises what `_find_bidder` and `require_suspension` raise, OFFICER_REASON_INVALID.
        """
        check_reason(request.reason)
        return require_suspension(await self._find_bidder(connection, request))

    async def resume(self, connection: Connection, request: SuspensionRequest, circumstances: Circumstances) -> None:
        """Ends a suspension, as two officers decided; one at another agency, or of the whole instance, stays.

        Raises as `find_suspended`.
        """
        stands = await self.find_suspended(connection, request)
        await self._end(connection, stands, HistoryAction.BIDDER_RESUMED, circumstances, reason=request.reason)

    async def lapse(self) -> None:
        """Ends suspensions that nobody confirmed in time, the oldest ones first."""
        async with self.database.read() as connection:
            now = await self.clock(connection)
            lapsed = await suspensions.list_lapsed(connection, now=now, most=_MOST_LAPSING)
        for suspension in lapsed:
            async with self.database.transaction() as connection:
                await self._lapse(connection, suspension)

    async def list_suspensions(self, query: SuspensionQuery) -> Sequence[Suspension]:
        """Returns the suspensions that are asked for: at most 100, and so many where `most` is not positive.

        Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN.
        """
        if query.agency != OPERATOR:
            require_agency(self.profile, query.agency)
        if query.category:
            require_category(self.profile, query.category)
        most = min(query.most, _LARGEST_PAGE) if query.most > 0 else _LARGEST_PAGE
        async with self.database.read() as connection:
            return await suspensions.list_suspensions(connection, replace(query, most=most))

    async def _find_bidder(self, connection: Connection, request: SuspensionRequest) -> DecidedBidder:
        """Returns the bidder that an officer asks about; nobody else decides about it until the transaction ends.

        Raises BIDDER_UNKNOWN and as `require_place`.
        """
        require_place(self.profile, request.agency, request.category)
        if not can_be_bidder_id(request.bidder_id):
            raise refuse_unknown_bidder(request.bidder_id)
        has_ended = await bidder_states.lock_state(connection, BidderKey(request.bidder_id, request.category))
        if has_ended is None:
            raise refuse_unknown_bidder(request.bidder_id)
        return DecidedBidder(
            has_ended,
            await suspensions.find_suspension(connection, request.bidder_id, request.category, request.agency),
        )

    async def _suspend(self, connection: Connection, request: SuspensionRequest, act: OfficerAct) -> Suspension:
        now = await self.clock(connection)
        await take_act(connection, act, now)
        reason = check_reason(request.reason)
        require_suspendable(await self._find_bidder(connection, request), request.bidder_id)
        lapses_at = add_working_days(self.profile, now, DAYS_UNTIL_LAPSE).astimezone(UTC)
        suspension = Suspension(
            bidder_id=request.bidder_id,
            category=request.category,
            agency=request.agency,
            reason=reason,
            suspended_by=act.officer.name,
            suspended_at=now,
            lapses_at=lapses_at,
        )
        await suspensions.add_suspension(connection, suspension)
        circumstances = find_act_circumstances(act, now)
        entry = describe_suspension(HistoryAction.BIDDER_SUSPENDED, circumstances, None, suspension, reason=reason)
        [written] = await write_history(connection, self.chain, [entry])
        await enqueue_notice(connection, BidderNoticeKind.SUSPENDED, suspension, written)
        await enqueue_stop(connection, BidderKey(request.bidder_id, request.category))
        return suspension

    async def _lapse(self, connection: Connection, lapsed: Suspension) -> None:
        await bidder_states.lock_state(connection, BidderKey(lapsed.bidder_id, lapsed.category))
        stands = await suspensions.find_suspension(connection, lapsed.bidder_id, lapsed.category, lapsed.agency)
        # Another officer may have confirmed it, or two ended it, until its bidder was locked.
        if stands != lapsed:
            return
        circumstances = Circumstances(f"service {self.chain.registry}", await self.clock(connection), find_trace_id())
        await self._end(connection, lapsed, HistoryAction.SUSPENSION_LAPSED, circumstances, reason=None)

    async def _end(
        self,
        connection: Connection,
        suspension: Suspension,
        action: HistoryAction,
        circumstances: Circumstances,
        *,
        reason: str | None,
    ) -> None:
        await suspensions.end_suspension(connection, suspension)
        entry = describe_suspension(action, circumstances, suspension, None, reason=reason)
        [written] = await write_history(connection, self.chain, [entry])
        await enqueue_notice(connection, BidderNoticeKind.RESUMED, suspension, written)
        await enqueue_states(connection, suspension.category, [suspension.bidder_id])


def require_place(profile: Profile, agency: str, category: str) -> None:
    """Raises AGENCY_UNKNOWN or CATEGORY_UNKNOWN where the profile has no such place for a suspension."""
    if agency != OPERATOR:
        require_agency(profile, agency)
    require_category(profile, category)


def _write_outcome(suspension: Suspension) -> Response:
    """Returns what a repetition is answered by, however long the suspension has ended."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(suspension).items()
    }


def _read_outcome(outcome: Response) -> Suspension:
    instants = ("suspended_at", "lapses_at", "confirmed_at")
    read = {name: datetime.fromisoformat(outcome[name]) for name in instants if outcome[name] is not None}
    return Suspension(**{**outcome, **read})
