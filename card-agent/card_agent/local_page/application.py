"""The agent's pages as an application: which address shows what, and which form does what (docs/hand-off.md)."""

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from card_agent.local_page import card_hop, sign_hop, start_page
from card_agent.local_page.agent import Agent
from card_agent.local_page.explained import refuse_page
from card_agent.local_page.form_tokens import IssuedForm
from card_agent.local_page.gate import HEADERS, MOST_FORM_BYTES, check_host, check_origin, read_fields
from card_agent.local_page.hand_offs import HandOff
from card_agent.local_page.hop import Fields, Work
from card_agent.local_page.links import MOST_ADDRESS_BYTES, read_card_link, read_hand_off, read_sign_link
from card_agent.local_page.render import render, render_end, render_start, style_sheet
from card_agent.local_page.streamed import PostedAnswer
from card_agent.local_page.views import Frame, View
from refusals import Code, Refusal
from refusals.language import Language, find_accepted_language

# Seconds in which further starts open nothing more.
PAUSE_SECONDS = 2.0
# What a form of a hop is about.
_Content = TypeVar("_Content")

_LOGGER = logging.getLogger(__name__)
_STATUSES = {
    Code.INVALID_ARGUMENT: 400,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.UNIMPLEMENTED: 405,
}


def make_application(agent: Agent) -> ASGIApp:
    """Returns the application of an agent."""
    pages = _Pages(agent)
    routes = [
        Route("/", pages.show_start),
        Route("/page.css", _show_style_sheet),
        Route("/open", pages.post_open, methods=["POST"]),
        Route("/phrase", pages.post_phrase, methods=["POST"]),
        Route("/again", pages.post_again, methods=["POST"]),
        Route("/card", pages.show_card),
        Route("/card", pages.post_card, methods=["POST"]),
        Route("/sign", pages.show_sign),
        Route("/sign", pages.post_sign, methods=["POST"]),
    ]
    handlers = {Refusal: _show_refusal, HTTPException: _show_unknown, Exception: _show_failure}
    application = Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]
    application.router.redirect_slashes = False
    return partial(_guard, application, agent)


async def _guard(application: Starlette, agent: Agent, scope: Scope, receive: Receive, send: Send) -> None:
    """Checks a request before it reaches a page."""
    if scope["type"] != "http":
        return
    request = Request(scope, receive)
    try:
        check_host(scope["headers"], agent.port)
        if len(scope["raw_path"]) + 1 + len(scope["query_string"]) > MOST_ADDRESS_BYTES:
            raise Refusal("LINK_TOO_LONG", Code.INVALID_ARGUMENT)
        if scope["method"] == "POST" and scope["path"] != start_page.AGAIN:
            check_origin(scope["headers"], agent.origin)
    except Refusal as refusal:
        response = await _show_refusal(request, refusal)
        await response(scope, receive, send)
        return
    await application(scope, receive, send)


class _Pages:
    """The endpoints of one agent."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        # A task that nothing refers to may vanish before its end.
        self._tasks: set[asyncio.Task[None]] = set()
        # When the person started the agent for the last time, by the clock that only goes forward.
        self._started_at = time.monotonic() - PAUSE_SECONDS

    async def show_start(self, request: Request) -> Response:
        """GET /"""
        language = _find_language(request, request.query_params.get("language"))
        view = await start_page.make_start_page(self._agent, language)
        return _show(view, language)

    async def post_open(self, request: Request) -> Response:
        """POST /open: a new hand-off, and the browser goes to the portal."""
        fields, issued, language = await self._read_start_form(request, start_page.OPEN)
        instance = fields.get("instance", "")
        # Whoever goes back to this page may choose another portal of it.
        return self._answer(issued, instance, lambda: start_page.post_open(self._agent, instance), language)

    async def post_phrase(self, request: Request) -> Response:
        """POST /phrase: the phrase of this agent's pages."""
        fields, issued, language = await self._read_start_form(request, start_page.PHRASE)
        phrase = fields.get("phrase", "")
        return self._answer(issued, "", lambda: start_page.post_phrase(self._agent, language, phrase), language)

    async def post_again(self, request: Request) -> Response:
        """POST /again: the same person has started the agent a second time."""
        start_page.check_secret(self._agent, request.headers.get("authorization", ""))
        instance = (await _read_body(request)).decode("ascii", "replace") or None
        started_at = time.monotonic()
        # A page that follows `toroku:` links by itself would fill the screen with tabs.
        if started_at - self._started_at >= PAUSE_SECONDS:
            self._started_at = started_at
            self._agent.open_browser(start_page.begin(self._agent, instance))
        return Response(headers=HEADERS)

    async def show_card(self, request: Request) -> Response:
        """GET /card: a card is to be chosen."""
        hand_off = self._find_hand_off(request)
        link = read_card_link(request.scope["query_string"])
        language = _find_language(request, link.language)
        hop = await card_hop.open_card_hop(self._agent, hand_off, link)
        return _show(card_hop.show_card(hop, link, language), language)

    async def post_card(self, request: Request) -> Response:
        """POST /card"""
        fields = read_fields(await _read_body(request))
        hand_off, issued, content = self._find_form(card_hop.ACTION, fields, card_hop.CardForm)

        async def decide() -> tuple[Frame, View | Work]:
            hop = await card_hop.open_card_hop(self._agent, hand_off, content.link)
            return hop.frame, card_hop.post_card(hop, content, fields)

        return self._answer_in_parts(issued, decide, content.language)

    async def show_sign(self, request: Request) -> Response:
        """GET /sign: a purpose is to be signed."""
        hand_off = self._find_hand_off(request)
        link = read_sign_link(request.scope["query_string"])
        language = _find_language(request, link.language)
        hop = await sign_hop.open_sign_hop(self._agent, hand_off, link)
        return _show(sign_hop.show_purpose(hop, link, language), language)

    async def post_sign(self, request: Request) -> Response:
        """POST /sign"""
        fields = read_fields(await _read_body(request))
        hand_off, issued, content = self._find_form(sign_hop.ACTION, fields, sign_hop.SignForm)

        async def decide() -> tuple[Frame, View | Work]:
            hop = await sign_hop.open_sign_hop(self._agent, hand_off, content.link)
            return hop.frame, sign_hop.post_sign(hop, content, fields)

        return self._answer_in_parts(issued, decide, content.language)

    def _find_hand_off(self, request: Request) -> HandOff:
        """Returns the living hand-off of a link. Raises HAND_OFF_UNKNOWN."""
        hand_off = self._agent.find_hand_off(read_hand_off(request.scope["query_string"]))
        if hand_off is None:
            raise Refusal("HAND_OFF_UNKNOWN", Code.NOT_FOUND)
        return hand_off

    def _find_form(self, action: str, fields: Fields, kind: type[_Content]) -> tuple[HandOff, IssuedForm, _Content]:
        """Returns a form that was issued in a living hand-off, and what it is about. Raises FORM_UNKNOWN."""
        found = self._agent.find_form(action, fields.get("token", ""))
        if found is None or not isinstance(found[1].content, kind):
            raise Refusal("FORM_UNKNOWN", Code.PERMISSION_DENIED)
        hand_off, issued = found
        return hand_off, issued, found[1].content

    async def _read_start_form(self, request: Request, action: str) -> tuple[Fields, IssuedForm, Language]:
        fields = read_fields(await _read_body(request))
        issued = self._agent.forms.find(action, fields.get("token", ""))
        if issued is None:
            raise Refusal("FORM_UNKNOWN", Code.PERMISSION_DENIED)
        return fields, issued, "en" if issued.content == "en" else "ja"

    def _answer(
        self, issued: IssuedForm, key: str, make: Callable[[], Awaitable[View]], language: Language
    ) -> Response:
        """Returns the answer to a form of the first page."""

        async def decide() -> tuple[None, View]:
            return None, await make()

        return self._answer_in_parts(issued, decide, language, key)

    def _answer_in_parts(
        self,
        issued: IssuedForm,
        decide: Callable[[], Awaitable[tuple[Frame | None, View | Work]]],
        language: Language,
        key: str = "",
    ) -> Response:
        """Returns the first answer to a form, also while it is made, to whoever posts it."""
        answer = issued.answers.get(key)
        if answer is None:
            answer = issued.answers[key] = PostedAnswer()
            task = asyncio.create_task(_make_answer(answer, decide, language))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return _StreamedPage(answer)


class _StreamedPage(HTMLResponse):
    """An answer as it is made. Whether anybody still reads it does not matter to it."""

    def __init__(self, answer: PostedAnswer) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._answer = answer

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece, is_last in self._answer.read():
            await send({"type": "http.response.body", "body": piece.encode(), "more_body": not is_last})


async def _make_answer(
    answer: PostedAnswer,
    decide: Callable[[], Awaitable[tuple[Frame | None, View | Work]]],
    language: Language,
) -> None:
    has_started = False
    try:
        frame, decided = await decide()
        if not callable(decided):
            answer.complete(render(decided, language))
            return
        if frame is not None:
            answer.add(render_start(frame, language))
            has_started = True
        view = await decided()
        answer.complete((render_end if has_started else render)(view, language))
    except Exception as error:
        # Of what failed unexpectedly the kind and the place: its text may have anything.
        place = "".join(traceback.format_tb(error.__traceback__))
        _LOGGER.error("a page failed: %s\n%s", type(error).__name__, place)
        view = refuse_page(error if isinstance(error, Refusal) else Refusal("AGENT_FAILED", Code.INTERNAL))
        answer.complete((render_end if has_started else render)(view, language))


async def _show_style_sheet(_: Request) -> Response:
    return Response(style_sheet(), media_type="text/css", headers=HEADERS)


async def _show_refusal(request: Request, refusal: Refusal) -> Response:
    language = _find_language(request)
    return HTMLResponse(render(refuse_page(refusal), language), _STATUSES.get(refusal.code, 409), HEADERS)


async def _show_unknown(request: Request, error: HTTPException) -> Response:
    page = render(refuse_page(Refusal("PAGE_UNKNOWN", Code.NOT_FOUND)), _find_language(request))
    return HTMLResponse(page, error.status_code, HEADERS)


async def _show_failure(request: Request, _: Exception) -> Response:
    page = render(refuse_page(Refusal("AGENT_FAILED", Code.INTERNAL)), _find_language(request))
    return HTMLResponse(page, 500, HEADERS)


def _show(view: View, language: Language) -> Response:
    return HTMLResponse(render(view, language), headers=HEADERS)


async def _read_body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_FORM_BYTES:
            raise Refusal("FORM_MALFORMED", Code.INVALID_ARGUMENT)
    return body


def _find_language(request: Request, chosen: str | None = None) -> Language:
    """Returns the language that was chosen, or else the browser's first one of ours."""
    if chosen in ("ja", "en"):
        return "ja" if chosen == "ja" else "en"
    wanted = request.headers.get("accept-language", "")
    return find_accepted_language(wanted) or ("ja" if not wanted else "en")
