"""Browser sessions: made, found, told of an agent, and given another id."""

import secrets
from dataclasses import dataclass, replace
from hashlib import sha256

from portal.domain.browser_session import MOST_HAND_OFFS, BrowserSession
from portal.store import browser_sessions, drafts
from servicekit.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSessions:
    """The sessions of all browsers. A session's id is a secret of 43 characters, of which the SHA-256 is stored."""

    database: Database

    async def find(self, session_id: str) -> BrowserSession | None:
        """Returns a session by its id; None where it is unknown or too old. An id is never taken over."""
        if len(session_id) != 43:
            return None
        async with self.database.single_change() as connection:
            return await browser_sessions.find_session(connection, _hash(session_id))

    async def begin(self) -> tuple[str, BrowserSession]:
        """Returns the id of a new session, and the session."""
        session_id = secrets.token_urlsafe(32)
        session = BrowserSession(session_sha256=_hash(session_id))
        async with self.database.single_change() as connection:
            await browser_sessions.add_session(connection, session)
        return session_id, session

    async def meet_agent(self, session: BrowserSession, port: int, hand_off: str) -> BrowserSession:
        """Keeps the agent that opened the portal, beside earlier ones that may be at work in another tab."""
        others = tuple(each for each in session.hand_offs if each != hand_off)
        known = (*others, hand_off)[-MOST_HAND_OFFS:]
        session = replace(session, port=port, hand_off=hand_off, hand_offs=known)
        async with self.database.single_change() as connection:
            await browser_sessions.set_agent(connection, session)
        return session

    async def replace_id(self, session: BrowserSession) -> tuple[str, BrowserSession]:
        """Gives a session another id, as whenever a card has logged in: one that was planted is worth nothing then."""
        session_id = secrets.token_urlsafe(32)
        async with self.database.transaction() as connection:
            await browser_sessions.replace_session(connection, session.session_sha256, _hash(session_id))
        return session_id, replace(session, session_sha256=_hash(session_id))

    async def forget(self, session: BrowserSession) -> None:
        """Deletes all drafts of a session."""
        async with self.database.single_change() as connection:
            await drafts.delete_of_session(connection, session.session_sha256)


def _hash(session_id: str) -> bytes:
    return sha256(session_id.encode()).digest()
