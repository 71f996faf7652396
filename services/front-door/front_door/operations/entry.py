"""The instance as contractors see it, and the end of a session: what all operations share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from front_door.adapters import SecondsLeft
from front_door.domain.card_session import CardSession, CardUse, SessionReference
from front_door.operations.card_sessions import CardSessions
from instance_profile.hours import Opening, determine_opening_state
from instance_profile.model import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryOperation:
    """What is possible before, and after, an operation."""

    profile: Profile
    clock: Callable[[], datetime]
    sessions: CardSessions

    def find_opening(self) -> tuple[Opening, datetime]:
        """Returns whether the instance is open, and the moment at which that is true."""
        now = self.clock()
        return determine_opening_state(self.profile.opening_hours, now), now

    async def check_session(self, use: CardUse, reference: SessionReference, seconds_left: SecondsLeft) -> CardSession:
        """Returns a session of any operation that is good now, and keeps it so while a person fills in a form."""
        return await self.sessions.check(use, reference, seconds_left)

    async def end_session(self, token: str, seconds_left: SecondsLeft) -> None:
        """Ends a session of any operation; an unknown token is no error."""
        await self.sessions.end(token, seconds_left)
