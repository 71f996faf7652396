"""The portal as an application: which address leads where, and what becomes of what goes wrong."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.operations.incidents import Incidents
from portal.pages.agent_routes import AgentRoutes
from portal.pages.answers import Answers, set_language
from portal.pages.entry_routes import EntryRoutes
from portal.pages.gate import HEADERS
from portal.pages.journey_routes import JourneyRoutes
from portal.pages.render import script, style_sheet
from refusals import Code, Refusal
from servicekit.call_counts import CANCELLED, INTERNAL_FAILURE, OK, Counts
from servicekit.failures import find_failure
from servicekit.telemetry import Telemetry

log = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """The pages of one instance."""

    answers: Answers
    entry: EntryRoutes
    agent: AgentRoutes
    journey: JourneyRoutes
    telemetry: Telemetry
    incidents: Incidents
    # Pages by name and outcome, and how long they took.
    counts: Counts
    # A place for each page that is made at a time.
    calls: asyncio.Semaphore

    def application(self) -> Starlette:
        """Returns the application."""
        chosen, entry, agent, journey = "/agencies/{agency}/{category}", self.entry, self.agent, self.journey
        routes = [
            self._page("/", entry.show_entry),
            self._page("/choice", entry.show_choice),
            self._page(chosen, entry.show_doors),
            self._page(f"{chosen}/top", entry.show_top),
            self._page(f"{chosen}/menu", entry.show_menu),
            self._page(f"{chosen}/guide", entry.show_guide),
            self._page("/agent", entry.show_agent),
            self._page("/end", entry.show_end),
            self._page("/start", agent.show_start),
            self._page("/start", agent.start, "POST"),
            self._page("/return", agent.show_return),
            self._page("/return", agent.take_answer, "POST"),
            self._page(f"{chosen}/operations", journey.begin, "POST"),
            self._page("/operations/{journey}", journey.show_current),
            self._page("/operations/{journey}/print", journey.show_print),
            self._page("/operations/{journey}/keep", journey.keep, "POST"),
            self._page("/operations/{journey}/{step}", journey.show_step),
            self._page("/operations/{journey}/{step}", journey.submit, "POST"),
            self._page("/log-out", journey.show_log_out),
            self._page("/log-out", journey.log_out, "POST"),
            Route("/page.css", _show_style_sheet),
            Route("/portal.js", _show_script),
        ]
        handlers: dict[Any, Any] = {HTTPException: self._show_unknown}
        application = Starlette(routes=routes, exception_handlers=handlers)
        application.router.redirect_slashes = False
        return application

    def _page(self, path: str, endpoint: Endpoint, method: str = "GET") -> Route:
        name = f"{method} {path}"
        self.counts.show(name)

        async def answer(request: Request) -> Response:
            began_at, outcome = time.perf_counter(), CANCELLED
            try:
                with self.telemetry.server_span(name, "", decided=False):
                    response, outcome = await self._answer(request, endpoint, name)
            finally:
                self.counts.add(name, outcome, time.perf_counter() - began_at)
            set_language(request, response)
            return response

        return Route(path, answer, methods=[method])

    async def _answer(self, request: Request, endpoint: Endpoint, name: str) -> tuple[Response, str]:
        """Returns a page with its outcome: OK, or the reason why another one was shown."""
        try:
            if self.calls.locked():
                raise Refusal("SERVER_BUSY", Code.UNAVAILABLE)
            async with self.calls:
                return await endpoint(request), OK
        except Refusal as known:
            refusal = known
        except Exception as error:
            failure = find_failure(error)
            if failure is None:
                log.exception("%s failed", name)
            refusal = failure.refusal if failure is not None else Refusal("PORTAL_FAILED", Code.INTERNAL)
        # Robots that look for other pages are no incidents.
        if refusal.reason != "PORTAL_PAGE_UNKNOWN":
            self.incidents.note(refusal, name)
        outcome = INTERNAL_FAILURE if refusal.reason == "PORTAL_FAILED" else refusal.reason
        return self.answers.show_refusal(request, refusal), outcome

    async def _show_unknown(self, request: Request, error: HTTPException) -> Response:
        with self.telemetry.server_span("unknown page", "", decided=False):
            response = self.answers.show_refusal(request, Refusal("PORTAL_PAGE_UNKNOWN", Code.NOT_FOUND))
        response.status_code = error.status_code
        return response


async def _show_style_sheet(_: Request) -> Response:
    return Response(style_sheet(), media_type="text/css", headers={**HEADERS, "Cache-Control": "max-age=300"})


async def _show_script(_: Request) -> Response:
    return Response(script(), media_type="text/javascript", headers={**HEADERS, "Cache-Control": "max-age=300"})
