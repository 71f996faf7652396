"""Whose request it is: the browser's session, its form, and its journey."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from portal.domain.browser_session import BrowserSession
from portal.operations.browser_sessions import BrowserSessions
from portal.operations.journeys import Draft, Journeys
from portal.pages.gate import COOKIE, MOST_FORM_BYTES, check_origin, read_fields
from refusals import Code, Refusal
from servicekit.token_buckets import TokenBuckets


@dataclass(frozen=True, slots=True)
class Visits:
    """Reads requests to one portal. An id of a session that the portal did not give is worth nothing."""

    origin: str
    sessions: BrowserSessions
    journeys: Journeys
    # Forms by browser session.
    forms: TokenBuckets

    async def read_form(self, request: Request, most_bytes: int = MOST_FORM_BYTES) -> Mapping[str, str]:
        """Returns the fields of a form; raises what is wrong with it, or TOO_MANY_CALLS."""
        check_origin(request.headers, self.origin)
        seconds = self.forms.take(request.cookies.get(COOKIE, ""))
        if seconds and request.cookies.get(COOKIE):
            raise Refusal("TOO_MANY_CALLS", Code.RESOURCE_EXHAUSTED, {"retry_after_seconds": str(seconds)})
        return await read_fields(request, most_bytes)

    async def find_session(self, request: Request) -> BrowserSession | None:
        """Returns the browser's session; None where it has none."""
        return await self.sessions.find(request.cookies.get(COOKIE, ""))

    async def find_or_begin(self, request: Request) -> tuple[str, BrowserSession]:
        """Returns the browser's session, and the id of a new one where there was none."""
        session = await self.find_session(request)
        return ("", session) if session is not None else await self.sessions.begin()

    async def find_draft(self, request: Request) -> tuple[BrowserSession, Draft]:
        """Returns the browser's session and the journey of the address; raises PORTAL_PAGE_UNKNOWN."""
        session = await self.find_session(request)
        draft = await self.journeys.find(session, request.path_params["journey"]) if session is not None else None
        if session is None or draft is None:
            raise Refusal("PORTAL_PAGE_UNKNOWN", Code.NOT_FOUND)
        return session, draft
