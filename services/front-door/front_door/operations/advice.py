"""Which operation is right for a card (REN-05). Changes nothing, and answers at any hour."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from front_door.adapters import SecondsLeft
from front_door.adapters.qualification_registry import QualificationRegistry
from front_door.domain.advice import Advice, CompanyRefusal, compose_advice, determine_situation
from front_door.domain.bidder import CompanyProfile
from front_door.domain.card_session import (
    CardSession,
    CardUse,
    LogInChallenge,
    OpenedSession,
    PresentedCard,
    SessionReference,
    SignedPurpose,
)
from front_door.domain.card_state import BindingState
from front_door.operations.card_sessions import CardSessions
from instance_profile.model import Profile
from refusals import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceOperation:
    """The steps of an advice. Each raises what its RPC names (advice.proto)."""

    profile: Profile
    clock: Callable[[], datetime]
    sessions: CardSessions
    qualification_registry: QualificationRegistry

    async def begin(self, presented: PresentedCard, seconds_left: SecondsLeft) -> LogInChallenge:
        """Returns the log-in that the card has to sign."""
        return await self.sessions.begin(CardUse.VIEW, presented, seconds_left)

    async def open_session(
        self, presented: PresentedCard, log_in: SignedPurpose, seconds_left: SecondsLeft
    ) -> OpenedSession:
        """Opens a session with the signed log-in."""
        return await self.sessions.open(CardUse.VIEW, presented, log_in, seconds_left)

    async def advise(self, reference: SessionReference, seconds_left: SecondsLeft) -> Advice:
        """Returns the advice for the session's card, at its agency and in its category."""
        offer = self.sessions.require_offer(CardUse.VIEW, reference.agency, reference.category)
        session = await self.sessions.check(CardUse.VIEW, reference, seconds_left)
        company, refusal = await self._find_company(reference, session, seconds_left)
        now = self.clock()
        situation = determine_situation(session, reference.agency, refusal, now)
        return compose_advice(self.profile, offer, situation, session.card, session.state, company, now)

    async def _find_company(
        self, reference: SessionReference, session: CardSession, seconds_left: SecondsLeft
    ) -> tuple[CompanyProfile | None, CompanyRefusal | None]:
        state = session.state
        if state is None or state.binding is not BindingState.LIVE:
            return None, None
        try:
            company = await self.qualification_registry.get_company(
                reference.agency, reference.category, state.bidder_id, seconds_left
            )
        except Refusal as refusal:
            if refusal.reason not in list(CompanyRefusal):
                raise
            return None, CompanyRefusal(refusal.reason)
        return company, None
