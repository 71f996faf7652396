"""Two officers take back a renewal that was made by mistake: the old card is good again, in the new one's place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from certificate_registry.domain.binding import BindingState
from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.notice import ReversedRenewal
from certificate_registry.domain.reopening import ReopeningRequest, Replacement, choose_reopened
from certificate_registry.domain.suspension import DecidedCard
from certificate_registry.operations.decided_card import Decider, describe_act, describe_decision, find_card
from certificate_registry.operations.deliveries import deliver_state, deliver_stops
from certificate_registry.operations.notices import tell_of_reversals
from certificate_registry.store import reopening, suspensions
from history.entries import Chain, Entry
from history.writing import write_history
from instance_profile.model import Profile
from officers.act import check_reason
from servicekit import jobs
from servicekit.database_connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacedCard:
    """A card that another one replaced, that card, and what of it is reopened."""

    old: DecidedCard
    new: DecidedCard
    reopened: Sequence[Replacement]

    @property
    def agencies(self) -> Sequence[str]:
        """Where the old card is good again, by code."""
        return [one.agency for one in self.reopened]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationReopening:
    """Reopens registrations that a wrong renewal closed, in the transaction of the approval."""

    profile: Profile
    chain: Chain

    async def find_reopenable(self, connection: Connection, request: ReopeningRequest) -> ReplacedCard:
        """Returns what would be reopened, the rows of both cards locked; raises as `reopen`."""
        of_card, replaced_by = request.of_card, request.replaced_by
        check_reason(of_card.reason)
        # Both in one order, before each is looked at alone.
        await suspensions.lock_cards(connection, [of_card.key.certificate_sha256, replaced_by])
        old = await find_card(connection, self.profile, of_card)
        replaced = await reopening.list_replaced(connection, old, replaced_by)
        reopened = choose_reopened(old, of_card.agency, replaced)
        key = CardKey(replaced_by, old.key.category)
        new = await suspensions.find_decided(connection, key, of_card.agency, lock=False)
        if new is None:
            raise LookupError("a card took the place of another one, and was never bound")
        return ReplacedCard(old=old, new=new, reopened=reopened)

    async def reopen(self, connection: Connection, request: ReopeningRequest, decider: Decider, now: datetime) -> None:
        """Makes the old card good again, and ends what the renewal made for the new one.

        The new card's binding is released where nothing of it is left. Raises what `find_card` and `choose_reopened`
        raise, OFFICER_REASON_INVALID.
        """
        replaced = await self.find_reopenable(connection, request)
        await reopening.reopen(connection, replaced.old, request.replaced_by, replaced.reopened)
        ended = [one for one in replaced.reopened if one.stands]
        goes_on = bool(ended) and await reopening.end_registrations(connection, replaced.new, ended, now)
        entries = [_describe_old(replaced, request, decider, now)]
        if ended:
            entries.append(_describe_new(replaced, ended, request, decider, now, goes_on=goes_on))
        written, *_ = await write_history(connection, self.chain, entries)
        told = [
            ReversedRenewal(one.new.registration_id, describe_act(replaced.old, one.agency, now))
            for one in replaced.reopened
            if one.is_renewal and one.new is not None
        ]
        await tell_of_reversals(connection, told, written, now=now)
        await jobs.enqueue_together(connection, [*deliver_stops([replaced.new.key]), *deliver_state(replaced.old.key)])


def _describe_old(replaced: ReplacedCard, request: ReopeningRequest, decider: Decider, now: datetime) -> Entry:
    old = replaced.old
    is_live = old.binding is BindingState.LIVE
    return describe_decision(
        HistoryAction.REGISTRATION_REOPENED,
        old,
        replaced.agencies,
        decider,
        before={
            "bound_to": old.bidder_id if is_live else None,
            "replaced_by": dict.fromkeys(replaced.agencies, request.replaced_by.hex()),
        },
        after={
            "bound_to": old.bidder_id,
            "registrations": {one.agency: str(one.registration_id) for one in replaced.reopened},
            "reason": request.of_card.reason,
        },
        now=now,
    )


def _describe_new(
    replaced: ReplacedCard,
    ended: Sequence[Replacement],
    request: ReopeningRequest,
    decider: Decider,
    now: datetime,
    *,
    goes_on: bool,
) -> Entry:
    new = replaced.new
    return describe_decision(
        HistoryAction.RENEWAL_REVERSED,
        new,
        [one.agency for one in ended],
        decider,
        before={
            "bound_to": new.bidder_id,
            "registrations": {one.agency: str(one.new.registration_id) for one in ended if one.new is not None},
        },
        after={"bound_to": new.bidder_id if goes_on else None, "reason": request.of_card.reason},
        now=now,
    )
