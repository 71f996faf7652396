"""The sessions of cards that have logged in: kept alive, asked, and ended."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from portal.adapters.front_door import FrontDoor
from portal.domain.journey import Journey, Operation
from refusals import Refusal
from toroku.agencysync.v1.propagation_pb2 import Propagation
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import entry_pb2, propagations_pb2

log = logging.getLogger(__name__)

# Seconds for what is shown besides, after something was done.
_BESIDES = 2.0
_OPERATIONS = {
    Operation.REGISTRATION: card_pb2.OPERATION_REGISTRATION,
    Operation.CHANGE: card_pb2.OPERATION_CHANGE,
    Operation.RENEWAL: card_pb2.OPERATION_RENEWAL,
    Operation.ADVICE: card_pb2.OPERATION_VIEW,
}


@dataclass(frozen=True, slots=True)
class CardSessions:
    """What the front door does with a session beside the steps of an operation."""

    front_door: FrontDoor

    async def touch(self, journey: Journey) -> None:
        """Has the sessions of a journey last another ten minutes; raises what CheckSession refuses."""
        for card in journey.cards.values():
            if card.session_token:
                request = entry_pb2.CheckSessionRequest(
                    session_token=card.session_token,
                    operation=_OPERATIONS[journey.operation],
                    agency=journey.agency,
                    category=journey.category,
                )
                await self.front_door.entry.CheckSession(request)

    async def end(self, session_token: str) -> None:
        """Ends a session; one that can't be ended now ends by itself ten minutes later."""
        try:
            await self.front_door.entry.EndSession(entry_pb2.EndSessionRequest(session_token=session_token))
        except Refusal as refusal:
            log.warning("a card's session was not ended: %s", refusal.reason)

    async def list_propagations(self, journey: Journey) -> Sequence[Propagation] | None:
        """Returns what became of all that the card did, at the other agencies; None where that can't be known now.

        What was done is done, whether or not this can be shown.
        """
        tokens = [card.session_token for card in journey.cards.values() if card.session_token]
        if not tokens:
            return None
        request = propagations_pb2.ListOwnPropagationsRequest(
            session_token=tokens[-1], agency=journey.agency, category=journey.category
        )
        try:
            response = await self.front_door.propagations.ListOwnPropagations(request, timeout=_BESIDES)
        except Refusal:
            return None
        return list(response.propagations)
