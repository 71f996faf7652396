"""Two officers undo a binding (CRD-06): it ends as released, and the card may register anew."""

from dataclasses import dataclass
from datetime import datetime

from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.notice import NoticeKind
from certificate_registry.domain.suspension import CardRequest, DecidedCard, require_undoable
from certificate_registry.operations.decided_card import Decider, describe_act, describe_decision, find_card
from certificate_registry.operations.deliveries import deliver_stops
from certificate_registry.operations.notices import tell_of_card
from certificate_registry.store import suspensions
from history.entries import Chain
from history.writing import write_history
from instance_profile.model import Profile
from officers.act import check_reason
from servicekit import jobs
from servicekit.database_connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingUndo:
    """Undoes bindings of cards to bidders, in the transaction of the approval."""

    profile: Profile
    chain: Chain

    async def find_undoable(self, connection: Connection, request: CardRequest) -> DecidedCard:
        """Returns a card whose binding this officer's agency may undo, its row locked; raises as `undo`."""
        check_reason(request.reason)
        card = await find_card(connection, self.profile, request)
        require_undoable(card, request.agency)
        return card

    async def undo(self, connection: Connection, request: CardRequest, decider: Decider, now: datetime) -> None:
        """Ends a live binding with all its registrations; a suspension of the card in the whole instance stays.

        Raises what `find_card` and `require_undoable` raise, OFFICER_REASON_INVALID.
        """
        card = await self.find_undoable(connection, request)
        await suspensions.undo_binding(connection, card.key, now)
        entry = describe_decision(
            HistoryAction.BINDING_UNDONE,
            card,
            (request.agency,),
            decider,
            before={"bound_to": card.bidder_id},
            after={"bound_to": None, "reason": request.reason},
            now=now,
        )
        [written] = await write_history(connection, self.chain, [entry])
        told = describe_act(card, request.agency, now)
        await tell_of_card(connection, NoticeKind.BINDING_UNDONE, told, written, now=now)
        await jobs.enqueue_together(connection, deliver_stops([card.key]))
