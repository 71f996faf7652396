"""自動反映: how far what a card did has come at the other agencies (SYN-05). Changes nothing; answers at any hour."""

from dataclasses import dataclass

from front_door.adapters import SecondsLeft
from front_door.adapters.agency_sync import AgencySync, CardPropagations
from front_door.domain.card_session import CardSession, CardUse, SessionReference
from front_door.operations.card_sessions import CardSessions
from instance_profile.offers import require_offer
from refusals import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagationsOperation:
    """Lists a card's own propagations."""

    sessions: CardSessions
    agency_sync: AgencySync

    async def list_own(self, reference: SessionReference, seconds_left: SecondsLeft) -> CardPropagations:
        """Returns what became of everything that the session's card did at the session's agency.

        Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, CATEGORY_NOT_OFFERED, and the refusals of sessions.
        """
        session = await self._find_session(reference, seconds_left)
        return await self.agency_sync.list_propagations(reference, session.card.certificate_sha256, seconds_left)

    async def _find_session(self, reference: SessionReference, seconds_left: SecondsLeft) -> CardSession:
        """Returns the session, of whatever use it is: the registry tells it only to who names its use."""
        offer = require_offer(self.sessions.profile, reference.agency, reference.category)
        usable = map(CardUse, offer.category.list_usable_operations())
        *uses, last = (CardUse.VIEW, *usable)
        for use in uses:
            try:
                return await self.sessions.check(use, reference, seconds_left)
            except Refusal as refusal:
                if refusal.reason != "CARD_SESSION_FOR_ANOTHER_OPERATION":
                    raise
        return await self.sessions.check(last, reference, seconds_left)
