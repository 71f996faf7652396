"""Whose request it is: the browser's session, its form, and its journey."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from portal.domain.browser_session import BrowserSession
from portal.operations.browser_sessions import BrowserSessions
from portal.operations.journeys import Draft, Journeys
from portal.pages.gate import COOKIE, MOST_FORM_BYTES, check_origin, read_fields
from refusals import Code, Refusal
from servicekit.sources import Sources
from servicekit.token_buckets import TokenBuckets


@dataclass(frozen=True, slots=True, kw_only=True)
class FormLimits:
    """How often forms may come: of one browser session, of all browsers without one, and of one source."""

    by_session: TokenBuckets
    newcomers: TokenBuckets
    # None where the portal sees another address than the browser's.
    sources: Sources | None = None

    def check_source(self, source: str) -> None:
        """Counts a form of a source, before anything is read for it; raises TOO_MANY_CALLS."""
        if self.sources is not None:
            self.sources.check_host(source)

    def check(self, session: BrowserSession | None) -> None:
        """Counts a form of a browser; raises TOO_MANY_CALLS."""
        seconds = self.newcomers.take("") if session is None else self.by_session.take(session.session_sha256)
        if seconds:
            raise Refusal("TOO_MANY_CALLS", Code.RESOURCE_EXHAUSTED, {"retry_after_seconds": str(seconds)})


@dataclass(frozen=True, slots=True)
class Visits:
    """Reads requests to one portal. An id of a session that the portal did not give is worth nothing."""

    origin: str
    sessions: BrowserSessions
    journeys: Journeys
    limits: FormLimits

    async def read_form(
        self, request: Request, most_bytes: int = MOST_FORM_BYTES
    ) -> tuple[BrowserSession | None, Mapping[str, str]]:
        """Returns whose form it is, and its fields; raises what is wrong with it, or TOO_MANY_CALLS."""
        check_origin(request.headers, self.origin)
        self.limits.check_source(request.client.host if request.client is not None else "")
        session = await self.find_session(request)
        self.limits.check(session)
        return session, await read_fields(request, most_bytes)

    async def find_session(self, request: Request) -> BrowserSession | None:
        """Returns the browser's session; None where it has none."""
        return await self.sessions.find(request.cookies.get(COOKIE, ""))

    async def begin_where_none(self, session: BrowserSession | None) -> tuple[str, BrowserSession]:
        """Returns a session, and its id where it is a new one because the browser has none."""
        return ("", session) if session is not None else await self.sessions.begin()

    async def find_draft(self, request: Request, session: BrowserSession | None) -> tuple[BrowserSession, Draft]:
        """Returns the session and the journey of the address; raises PORTAL_PAGE_UNKNOWN."""
        draft = await self.journeys.find(session, request.path_params["journey"]) if session is not None else None
        if session is None or draft is None:
            raise Refusal("PORTAL_PAGE_UNKNOWN", Code.NOT_FOUND)
        return session, draft
