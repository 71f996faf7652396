"""Officers suspend and resume cards (LIF-04): at their agency, the operator's in the whole instance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from certificate_registry.domain.binding import BindingState
from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.notice import NoticeKind
from certificate_registry.domain.suspension import (
    CardRequest,
    DecidedCard,
    Suspension,
    confirm,
    require_suspendable,
    require_suspension,
)
from certificate_registry.operations.decided_card import Decider, describe_act, describe_decision, find_card
from certificate_registry.operations.deliveries import Deliveries, deliver_state, deliver_stops
from certificate_registry.operations.notices import tell_of_card
from certificate_registry.store import suspensions
from history.entries import Chain
from history.writing import write_history
from instance_profile.model import Profile
from instance_profile.working_days import add_working_days
from officers.act import OfficerAct, check_reason
from officers.acts import find_outcome, save_outcome, take_act
from officers.suspension import DAYS_UNTIL_LAPSE
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection

# Suspensions that lapse in one run; each is a transaction of its own.
_MOST_LAPSING = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSuspensions:
    """Suspends cards by one officer, at once, until another confirms it or it lapses; and resumes them."""

    database: Database
    profile: Profile
    chain: Chain
    deliveries: Deliveries
    clock: DatabaseClock

    async def suspend(self, request: CardRequest, act: OfficerAct) -> tuple[datetime, Sequence[str]]:
        """Suspends a card; returns when that lapses, and the services that could not be told at once.

        Raises what `find_card` and `require_suspendable` raise, OFFICER_REASON_INVALID.
        """
        async with self.database.transaction() as connection:
            outcome = await find_outcome(connection, act)
            if outcome is None:
                lapses_at = await self._suspend(connection, request, act)
                await save_outcome(connection, act, {"lapses_at": lapses_at.isoformat()})
            else:
                lapses_at = datetime.fromisoformat(outcome["lapses_at"])
        return lapses_at, await self.deliveries.tell_at_once(request.key)

    async def confirm(self, request: CardRequest, act: OfficerAct) -> datetime:
        """Confirms a suspension, which then does not lapse; returns when it was confirmed.

        Raises what `find_card`, `require_suspension` and `domain.suspension.confirm` raise.
        """
        async with self.database.transaction() as connection:
            outcome = await find_outcome(connection, act)
            if outcome is not None:
                return datetime.fromisoformat(outcome["confirmed_at"])
            now = await self.clock(connection)
            await take_act(connection, act, now)
            card = await find_card(connection, self.profile, request)
            stands = require_suspension(card)
            confirmed = confirm(stands, act.officer.name)
            await suspensions.confirm_suspension(connection, confirmed)
            entry = describe_decision(
                HistoryAction.SUSPENSION_CONFIRMED,
                card,
                request.agency,
                Decider.of(act),
                before={"suspension": _describe(stands)},
                after={"suspension": _describe(confirmed)},
                now=now,
            )
            await write_history(connection, self.chain, [entry])
            await save_outcome(connection, act, {"confirmed_at": now.isoformat()})
            return now

    async def find_suspended(self, connection: Connection, request: CardRequest) -> DecidedCard:
        """Returns a card that is suspended by officers, its row locked; raises as `resume`."""
        check_reason(request.reason)
        card = await find_card(connection, self.profile, request)
        require_suspension(card)
        return card

    async def resume(self, connection: Connection, request: CardRequest, decider: Decider, now: datetime) -> None:
        """Ends a suspension by officers, as two of them decided; what else stops the card stays.

        Raises what `find_card` and `require_suspension` raise, OFFICER_REASON_INVALID.
        """
        card = await self.find_suspended(connection, request)
        await self._end(connection, card, HistoryAction.RESUMED, decider, now, reason=request.reason)

    async def lapse(self) -> None:
        """Ends suspensions that nobody confirmed in time, the oldest ones first."""
        async with self.database.read() as connection:
            now = await self.clock(connection)
            lapsed = await suspensions.list_lapsed(connection, now=now, most=_MOST_LAPSING)
        for suspension in lapsed:
            async with self.database.transaction() as connection:
                await self._lapse(connection, suspension)

    async def _suspend(self, connection: Connection, request: CardRequest, act: OfficerAct) -> datetime:
        now = await self.clock(connection)
        await take_act(connection, act, now)
        reason = check_reason(request.reason)
        card = await find_card(connection, self.profile, request)
        require_suspendable(card, request.agency)
        lapses_at = add_working_days(self.profile, now, DAYS_UNTIL_LAPSE)
        suspension = Suspension(
            key=request.key,
            agency=request.agency,
            reason=reason,
            suspended_by=act.officer.name,
            suspended_at=now,
            lapses_at=lapses_at,
        )
        await suspensions.suspend(connection, suspension)
        entry = describe_decision(
            HistoryAction.SUSPENDED,
            card,
            (request.agency,),
            Decider.of(act),
            before={},
            after={"suspension": _describe(suspension), "reason": reason},
            now=now,
        )
        [written] = await write_history(connection, self.chain, [entry])
        told = describe_act(card, request.agency, now)
        await tell_of_card(connection, NoticeKind.CARD_SUSPENDED, told, written, now=now)
        await jobs.enqueue_together(connection, deliver_stops([request.key]))
        return lapses_at

    async def _lapse(self, connection: Connection, lapsed: Suspension) -> None:
        card = await suspensions.find_decided(connection, lapsed.key, lapsed.agency)
        # Another officer may have confirmed it, or two ended it, until its card was locked.
        if card is None or card.suspension != lapsed:
            return
        now = await self.clock(connection)
        decider = Decider(who=self.chain.registry)
        await self._end(connection, card, HistoryAction.SUSPENSION_LAPSED, decider, now, reason=None)

    async def _end(
        self,
        connection: Connection,
        card: DecidedCard,
        action: HistoryAction,
        decider: Decider,
        now: datetime,
        *,
        reason: str | None,
    ) -> None:
        suspension = require_suspension(card)
        await suspensions.end_suspension(connection, card.key, suspension.agency)
        entry = describe_decision(
            action,
            card,
            (suspension.agency,),
            decider,
            before={"suspension": _describe(suspension)},
            after={} if reason is None else {"reason": reason},
            now=now,
        )
        [written] = await write_history(connection, self.chain, [entry])
        # The contacts of a bidder whose binding ended have no more to do with the card.
        if card.binding is BindingState.LIVE:
            told = describe_act(card, suspension.agency, now)
            await tell_of_card(connection, NoticeKind.CARD_RESUMED, told, written, now=now)
        await jobs.enqueue_together(connection, deliver_state(card.key))


def _describe(suspension: Suspension) -> dict[str, str]:
    """Returns a suspension by its place: when it lapses, or who confirmed it."""
    lapses_at = suspension.lapses_at
    return {suspension.agency: suspension.confirmed_by or "" if lapses_at is None else lapses_at.isoformat()}
