"""Links a card to the expired one that it comes after: named by its contractor, linked by an officer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.notice import NoticeKind
from certificate_registry.domain.predecessor import (
    LinkRequest,
    NamedPredecessor,
    NamedQuery,
    require_linkable,
    require_registered,
)
from certificate_registry.operations.decided_card import Decider, describe_act, describe_decision, find_card
from certificate_registry.operations.deliveries import deliver_state
from certificate_registry.operations.notices import tell_of_card
from certificate_registry.store import predecessors, suspensions
from history.entries import Chain
from history.writing import write_history
from instance_profile.model import Profile
from instance_profile.offers import require_category
from officers.act import OfficerAct, check_reason
from officers.acts import find_outcome, save_outcome, take_act
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class PredecessorLinks:
    """Links cards to those before them, and lists what contractors named."""

    database: Database
    profile: Profile
    chain: Chain
    clock: DatabaseClock

    async def link(self, request: LinkRequest, act: OfficerAct) -> datetime:
        """Links a card at an agency to an expired one of its bidder; returns when.

        Raises what `find_card`, `require_registered` and `require_linkable` raise, OFFICER_REASON_INVALID.
        """
        async with self.database.transaction() as connection:
            outcome = await find_outcome(connection, act)
            if outcome is not None:
                return datetime.fromisoformat(outcome["linked_at"])
            now = await self.clock(connection)
            await take_act(connection, act, now)
            await self._link(connection, request, act, now)
            await save_outcome(connection, act, {"linked_at": now.isoformat()})
            return now

    async def list_named(self, query: NamedQuery) -> Sequence[NamedPredecessor]:
        """Returns what contractors named at an agency and nobody has linked, the oldest first.

        Raises CATEGORY_UNKNOWN.
        """
        require_category(self.profile, query.category)
        async with self.database.read() as connection:
            return await predecessors.list_named(connection, query)

    async def _link(self, connection: Connection, request: LinkRequest, act: OfficerAct, now: datetime) -> None:
        of_card, agency = request.of_card, request.of_card.agency
        reason = check_reason(of_card.reason)
        await suspensions.lock_cards(connection, [of_card.key.certificate_sha256, request.predecessor])
        card = await find_card(connection, self.profile, of_card)
        require_registered(card, agency)
        known = await predecessors.find_predecessor(connection, card, agency, request.predecessor)
        linked_to = await predecessors.find_linked(connection, card, agency)
        predecessor = require_linkable(linked_to, known, now).certificate_sha256
        await predecessors.link(connection, card, agency, predecessor)
        entry = describe_decision(
            HistoryAction.PREDECESSOR_LINKED,
            card,
            (agency,),
            Decider.of(act),
            before={"predecessor_card": None},
            after={"predecessor_card": predecessor.hex(), "reason": reason},
            now=now,
        )
        [written] = await write_history(connection, self.chain, [entry])
        told = describe_act(card, agency, now)
        await tell_of_card(connection, NoticeKind.PREDECESSOR_LINKED, told, written, now=now)
        await jobs.enqueue_together(connection, deliver_state(card.key))
