"""The portal as an application: which address shows what, and which form does what."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from instance_profile.model import Profile
from portal.adapters.front_door import FrontDoor
from portal.domain.browser_session import BrowserSession
from portal.domain.journey import CARD_HOPS, ENDS, HOPS, CardAnswer, Journey, Operation, SignatureAnswer, Step
from portal.operations.browser_sessions import BrowserSessions
from portal.operations.journeys import Draft, Journeys
from portal.pages import words
from portal.pages.agent_links import read_answer, read_step
from portal.pages.entry_pages import EntryPages
from portal.pages.explained import make_trouble_of_refusal
from portal.pages.frames import Frames
from portal.pages.gate import (
    COOKIE,
    HEADERS,
    LANGUAGE_COOKIE,
    MOST_ANSWER_BYTES,
    check_origin,
    read_fields,
)
from portal.pages.journey_pages import JourneyPages
from portal.pages.render import render, script, style_sheet
from portal.pages.views import (
    Link,
    LogOutPage,
    RefusalPage,
    RelayPage,
    ResultPage,
    View,
    make_step_address,
)
from refusals import Code, Refusal
from refusals.language import Language
from servicekit.failures import find_failure
from servicekit.telemetry import Telemetry
from servicekit.token_buckets import TokenBuckets
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import entry_pb2, propagations_pb2

log = logging.getLogger(__name__)

# The agent's protocol that this portal speaks (docs/hand-off.md).
_PROTOCOL = 1
# Seconds for what is shown besides, after something was done.
_BESIDES = 2.0
_OPERATIONS = {
    Operation.REGISTRATION: card_pb2.OPERATION_REGISTRATION,
    Operation.CHANGE: card_pb2.OPERATION_CHANGE,
    Operation.RENEWAL: card_pb2.OPERATION_RENEWAL,
    Operation.ADVICE: card_pb2.OPERATION_VIEW,
}
_STATUSES = {
    Code.INVALID_ARGUMENT: 400,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNAVAILABLE: 503,
    Code.INTERNAL: 500,
}
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """The pages of one instance."""

    profile: Profile
    origin: str
    front_door: FrontDoor
    sessions: BrowserSessions
    journeys: Journeys
    frames: Frames
    entry: EntryPages
    pages: JourneyPages
    telemetry: Telemetry
    # Forms by browser session.
    forms: TokenBuckets

    def application(self) -> Starlette:
        """Returns the application."""
        chosen = "/agencies/{agency}/{category}"
        routes = [
            self._page("/", self.show_entry),
            self._page("/choice", self.show_choice),
            self._page(chosen, self.show_doors),
            self._page(f"{chosen}/top", self.show_top),
            self._page(f"{chosen}/menu", self.show_menu),
            self._page(f"{chosen}/guide", self.show_guide),
            self._page(f"{chosen}/operations", self.begin, "POST"),
            self._page("/operations/{journey}", self.show_current),
            self._page("/operations/{journey}/print", self.show_print),
            self._page("/operations/{journey}/keep", self.keep, "POST"),
            self._page("/operations/{journey}/{step}", self.show_step),
            self._page("/operations/{journey}/{step}", self.submit, "POST"),
            self._page("/start", self.show_start),
            self._page("/start", self.start, "POST"),
            self._page("/return", self.show_return),
            self._page("/return", self.take_answer, "POST"),
            self._page("/log-out", self.show_log_out),
            self._page("/log-out", self.log_out, "POST"),
            self._page("/end", self.show_end),
            self._page("/agent", self.show_agent),
            Route("/page.css", _show_style_sheet),
            Route("/portal.js", _show_script),
        ]
        handlers: dict[Any, Any] = {HTTPException: self._show_unknown}
        application = Starlette(routes=routes, exception_handlers=handlers)
        application.router.redirect_slashes = False
        return application

    # Before a journey.

    async def show_entry(self, request: Request) -> Response:
        """GET /"""
        return self._show(request, self.entry.build_entry(_address(request)))

    async def show_choice(self, request: Request) -> Response:
        """GET /choice: with agency and category it goes on; with the only ones, too."""
        agency, category = request.query_params.get("agency", ""), request.query_params.get("category", "")
        only = self.entry.find_only_choice()
        if only is not None:
            agency, category = only
        if not category:
            return self._show(request, self.entry.build_choice("/choice", agency))
        if self.entry.offers(agency, category):
            return _go_to(f"/agencies/{agency}/{category}")
        return self._show(request, self.entry.build_not_offered("/choice", agency))

    async def show_doors(self, request: Request) -> Response:
        """GET /agencies/{agency}/{category}"""
        return self._show(request, self.entry.build_doors(_address(request), *self._read_choice(request)))

    async def show_top(self, request: Request) -> Response:
        """GET …/top"""
        return self._show(request, self.entry.build_top(_address(request), *self._read_choice(request)))

    async def show_menu(self, request: Request) -> Response:
        """GET …/menu"""
        return self._show(request, self.entry.build_menu(_address(request), *self._read_choice(request)))

    async def show_guide(self, request: Request) -> Response:
        """GET …/guide"""
        return self._show(request, self.entry.build_guide(_address(request), *self._read_choice(request)))

    async def show_agent(self, request: Request) -> Response:
        """GET /agent"""
        return self._show(request, self.entry.build_agent(_address(request), request.query_params.get("why", "")))

    async def show_end(self, request: Request) -> Response:
        """GET /end"""
        operation = request.query_params.get("operation", "")
        return self._show(request, self.entry.build_end(_address(request), operation))

    # The agent.

    async def show_start(self, request: Request) -> Response:
        """GET /start: its script posts what the agent put into the fragment."""
        return self._show(request, self._make_relay("/start", ("port", "handoff", "protocol", "instance")))

    async def start(self, request: Request) -> Response:
        """POST /start: keeps the agent with the browser session, and goes on where it waits for one."""
        fields = await self._read_form(request)
        protocol = fields.get("protocol", "")
        if not protocol.isdecimal() or int(protocol) < _PROTOCOL:
            return _go_to("/agent?why=old")
        if fields.get("instance") != self.profile.id:
            return _go_to("/agent?why=other")
        port, hand_off = fields.get("port", ""), fields.get("handoff", "")
        if not (port.isascii() and port.isdecimal() and 1024 <= int(port) < 65536 and len(hand_off) == 43):
            raise Refusal("PORTAL_FORM_MALFORMED", Code.INVALID_ARGUMENT)
        new_id, session = await self._find_or_begin(request)
        session = await self.sessions.meet_agent(session, int(port), hand_off)
        draft = await self.journeys.find_newest(session)
        is_waiting = draft is not None and draft.journey.step in HOPS
        target = make_step_address(draft.draft_id, draft.journey.step) if draft is not None and is_waiting else "/"
        return _set_session(_go_to(target), new_id)

    async def show_return(self, request: Request) -> Response:
        """GET /return: its script posts what the agent put into the fragment."""
        return self._show(request, self._make_relay("/return", ("handoff", "step", "answer")))

    async def take_answer(self, request: Request) -> Response:
        """POST /return: the agent's answer counts only in the browser session that began the step."""
        fields = await self._read_form(request, MOST_ANSWER_BYTES)
        session = await self._find_session(request)
        journey_id, version = read_step(fields.get("step", ""))
        draft = await self.journeys.find(session, journey_id) if session is not None else None
        if session is None or draft is None or fields.get("handoff") not in session.hand_offs:
            raise Refusal("AGENT_OF_ANOTHER_SESSION", Code.PERMISSION_DENIED)
        if draft.version != version or draft.is_busy or draft.journey.step not in HOPS:
            return _go_to(make_step_address(journey_id, draft.journey.step))
        answer = read_answer(fields.get("answer", ""), of_card=draft.journey.step in CARD_HOPS)
        if isinstance(answer, Refusal):
            after = await self.journeys.take_refusal(session, journey_id, version, answer)
        elif isinstance(answer, CardAnswer):
            after = await self.journeys.take_card(session, journey_id, version, answer)
        else:
            after = await self._take_signature(session, draft, answer)
        response = _go_to(make_step_address(journey_id, (after or draft).journey.step))
        if after is not None and _count_sessions(after.journey) > _count_sessions(draft.journey) == 0:
            new_id, _ = await self.sessions.replace_id(session)
            return _set_session(response, new_id)
        return response

    # A journey.

    async def begin(self, request: Request) -> Response:
        """POST …/operations: begins a journey."""
        agency, category = self._read_choice(request)
        fields = await self._read_form(request)
        offered = {operation.value for operation in self.profile.category(category).list_usable_operations()}
        operation = fields.get("operation", "")
        if operation not in {*offered, Operation.ADVICE.value}:
            raise Refusal("PORTAL_FORM_MALFORMED", Code.INVALID_ARGUMENT)
        new_id, session = await self._find_or_begin(request)
        draft = await self.journeys.begin(session, Operation(operation), agency, category)
        return _set_session(_go_to(make_step_address(draft.draft_id, draft.journey.step)), new_id)

    async def show_current(self, request: Request) -> Response:
        """GET /operations/{id}"""
        _, draft = await self._find_draft(request)
        return _go_to(make_step_address(draft.draft_id, draft.journey.step))

    async def show_step(self, request: Request) -> Response:
        """GET /operations/{id}/{step}: another page than can be shown leads to where the journey stands."""
        session, draft = await self._find_draft(request)
        step, way = _read_page(request), self.journeys.ways[draft.journey.operation]
        if step is None or not way.may_show(draft.journey, step):
            return _go_to(make_step_address(draft.draft_id, draft.journey.step))
        view = self.pages.build(draft, step, session, _find_language(request))
        if isinstance(view, ResultPage) and step is Step.RESULT:
            view = self.pages.add_agencies(view, await self._list_propagations(draft.journey))
        return self._show(request, view)

    async def submit(self, request: Request) -> Response:
        """POST /operations/{id}/{step}"""
        fields = await self._read_form(request)
        session, draft = await self._find_draft(request)
        step = _read_page(request)
        if fields.get("answer") == "leave":
            return _go_to(f"/agencies/{draft.journey.agency}/{draft.journey.category}/menu")
        _, version = read_step(f"-{fields.get('version', '')}")
        if step is not None:
            draft = await self.journeys.submit(session, draft.draft_id, version, step, fields) or draft
        return _go_to(make_step_address(draft.draft_id, draft.journey.step))

    async def show_print(self, request: Request) -> Response:
        """GET /operations/{id}/print"""
        _, draft = await self._find_draft(request)
        view = self.pages.build_print(draft)
        if view is None:
            return _go_to(make_step_address(draft.draft_id, draft.journey.step))
        return self._show(request, view)

    async def keep(self, request: Request) -> Response:
        """POST /operations/{id}/keep: what is typed so far; answers with when the log-in ends now."""
        fields = await self._read_form(request)
        session, draft = await self._find_draft(request)
        _, version = read_step(f"-{fields.get('version', '')}")
        kept = await self.journeys.keep(session, draft.draft_id, version, fields, self._touch)
        ends = [card.expires_at for card in (kept or draft).journey.cards.values() if card.expires_at]
        return JSONResponse({"ends_at": min(ends).isoformat() if ends else ""}, headers=dict(HEADERS))

    # The end.

    async def show_log_out(self, request: Request) -> Response:
        """GET /log-out: asks (S-REG-11)."""
        frame = self.frames.make("/log-out")
        view = LogOutPage(frame=frame, title=words.LOG_OUT, message=words.LOG_OUT_QUESTION, back="/")
        return self._show(request, view)

    async def log_out(self, request: Request) -> Response:
        """POST /log-out: ends the cards' sessions, deletes the drafts, and gives the session another id."""
        await self._read_form(request)
        session = await self._find_session(request)
        if session is None:
            return _go_to("/end")
        drafts = await self.journeys.list_all(session)
        tokens = {card.session_token for draft in drafts for card in draft.journey.cards.values()} - {""}
        await asyncio.gather(*(self._end_session(token) for token in tokens))
        done = next((draft.journey.operation for draft in drafts if draft.journey.step is Step.RESULT), None)
        await self.sessions.forget(session)
        new_id, _ = await self.sessions.replace_id(session)
        return _set_session(_go_to(f"/end?operation={done}" if done else "/end"), new_id)

    # What several of them do.

    def _page(self, path: str, endpoint: Endpoint, method: str = "GET") -> Route:
        name = f"{method} {path}"

        async def answer(request: Request) -> Response:
            with self.telemetry.server_span(name, "", decided=False):
                try:
                    response = await endpoint(request)
                except HTTPException:
                    raise
                except Refusal as refusal:
                    response = self._show_refusal(request, refusal)
                except Exception as error:
                    failure = find_failure(error)
                    if failure is None:
                        log.exception("%s failed", name)
                    known = failure.refusal if failure is not None else Refusal("PORTAL_FAILED", Code.INTERNAL)
                    response = self._show_refusal(request, known)
            language = request.query_params.get("language")
            if language in ("ja", "en"):
                response.set_cookie(LANGUAGE_COOKIE, language, secure=True, httponly=True, samesite="lax")
            return response

        return Route(path, answer, methods=[method])

    async def _read_form(self, request: Request, most_bytes: int | None = None) -> Mapping[str, str]:
        check_origin(request.headers, self.origin)
        seconds = self.forms.take(request.cookies.get(COOKIE, ""))
        if seconds and request.cookies.get(COOKIE):
            raise Refusal("TOO_MANY_CALLS", Code.RESOURCE_EXHAUSTED, {"retry_after_seconds": str(seconds)})
        return await (read_fields(request) if most_bytes is None else read_fields(request, most_bytes))

    async def _find_session(self, request: Request) -> BrowserSession | None:
        return await self.sessions.find(request.cookies.get(COOKIE, ""))

    async def _find_or_begin(self, request: Request) -> tuple[str, BrowserSession]:
        """Returns the browser's session, and the id of a new one where there was none."""
        session = await self._find_session(request)
        return ("", session) if session is not None else await self.sessions.begin()

    async def _find_draft(self, request: Request) -> tuple[BrowserSession, Draft]:
        session = await self._find_session(request)
        draft = await self.journeys.find(session, request.path_params["journey"]) if session is not None else None
        if session is None or draft is None:
            raise Refusal("PORTAL_PAGE_UNKNOWN", Code.NOT_FOUND)
        return session, draft

    async def _take_signature(self, session: BrowserSession, draft: Draft, answer: SignatureAnswer) -> Draft | None:
        return await self.journeys.take_signature(session, draft.draft_id, draft.version, answer)

    async def _touch(self, journey: Journey) -> None:
        for card in journey.cards.values():
            if card.session_token:
                request = entry_pb2.CheckSessionRequest(
                    session_token=card.session_token,
                    operation=_OPERATIONS[journey.operation],
                    agency=journey.agency,
                    category=journey.category,
                )
                await self.front_door.entry.CheckSession(request)

    async def _end_session(self, token: str) -> None:
        try:
            await self.front_door.entry.EndSession(entry_pb2.EndSessionRequest(session_token=token))
        except Refusal as refusal:
            # It ends by itself ten minutes later.
            log.warning("a card's session was not ended: %s", refusal.reason)

    async def _list_propagations(self, journey: Journey) -> list[Any]:
        tokens = [card.session_token for card in journey.cards.values() if card.session_token]
        if not tokens:
            return []
        request = propagations_pb2.ListOwnPropagationsRequest(
            session_token=tokens[-1], agency=journey.agency, category=journey.category
        )
        try:
            response = await self.front_door.propagations.ListOwnPropagations(request, timeout=_BESIDES)
        except Refusal:
            # What was done is done, whether or not this can be shown.
            return []
        return list(response.propagations)

    def _read_choice(self, request: Request) -> tuple[str, str]:
        agency, category = request.path_params["agency"], request.path_params["category"]
        if not self.entry.offers(agency, category):
            raise Refusal("PORTAL_PAGE_UNKNOWN", Code.NOT_FOUND)
        return agency, category

    def _make_relay(self, action: str, fields: tuple[str, ...]) -> RelayPage:
        return RelayPage(
            frame=self.frames.make(action),
            title=words.RELAY_TITLE,
            action=action,
            fields=fields,
            without_script=words.WITHOUT_SCRIPT,
        )

    def _show(self, request: Request, view: View, status: int = 200) -> Response:
        return HTMLResponse(render(view, self.profile, _find_language(request)), status, dict(HEADERS))

    def _show_refusal(self, request: Request, refusal: Refusal) -> Response:
        view = RefusalPage(
            frame=self.frames.make("/"),
            title=words.REFUSED_TITLE,
            trouble=make_trouble_of_refusal(refusal, self.profile),
            links=(Link(label=words.TO_START, address="/"),),
        )
        return self._show(request, view, _STATUSES.get(refusal.code, 409))

    async def _show_unknown(self, request: Request, error: HTTPException) -> Response:
        refusal = Refusal("PORTAL_PAGE_UNKNOWN", Code.NOT_FOUND)
        with self.telemetry.server_span("unknown page", "", decided=False):
            response = self._show_refusal(request, refusal)
        response.status_code = error.status_code
        return response


async def _show_style_sheet(_: Request) -> Response:
    return Response(style_sheet(), media_type="text/css", headers={**HEADERS, "Cache-Control": "max-age=300"})


async def _show_script(_: Request) -> Response:
    return Response(script(), media_type="text/javascript", headers={**HEADERS, "Cache-Control": "max-age=300"})


def _go_to(path: str) -> Response:
    return RedirectResponse(path, 303, headers=dict(HEADERS))


def _set_session(response: Response, session_id: str) -> Response:
    if session_id:
        response.set_cookie(COOKIE, session_id, secure=True, httponly=True, samesite="lax")
    return response


def _address(request: Request) -> str:
    return request.url.path


def _read_page(request: Request) -> Step | None:
    name = request.path_params["step"]
    return Step(name) if name in {step.value for step in Step} else None


def _count_sessions(journey: Journey) -> int:
    return sum(bool(card.session_token) for card in journey.cards.values()) if journey.step not in ENDS else 0


def _find_language(request: Request) -> Language:
    """Returns the language that was chosen, or else the browser's first one of ours."""
    for chosen in (request.query_params.get("language"), request.cookies.get(LANGUAGE_COOKIE)):
        if chosen in ("ja", "en"):
            return "ja" if chosen == "ja" else "en"
    wanted = request.headers.get("accept-language", "")
    for part in wanted.split(","):
        tag = part.partition(";")[0].strip().lower()
        if tag.startswith("ja"):
            return "ja"
        if tag.startswith("en"):
            return "en"
    return "ja"
