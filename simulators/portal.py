"""A stand-in for the portal: its side of the hand-off to the card agent, over TLS, on a name of its own.

It carries out whole operations with the calls of a front door, and links to the agent for each hop
(docs/hand-off.md). Its forms come with the real portal: here, what a person types is known beforehand.
"""

import asyncio
import base64
import binascii
import contextlib
import json
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from refusals import Refusal
from refusals.catalogue import explain, explain_refusal, list_reasons
from simulators.portal_journeys import Answer, BeginJourney, CardHop, Hop, Journey, SignHop
from simulators.portal_pages import HEADERS, SCRIPT, render_end, render_home, render_hop, render_relay, write_link
from simulators.portal_place import PortalPlace
from toroku.act.v1.signed_purpose_pb2 import SignatureAlgorithm, SignedPurpose

_COOKIE = "__Host-portal"
# What the person who went back reads; it is no refusal of the catalogue.
_GIVEN_UP = "GIVEN_UP"


@dataclass(slots=True)
class _Operation:
    """An operation that a person began, at the hop that waits for the agent, or at its end."""

    id: str
    journey: Journey
    hop: Hop | None = None
    number: int = 0
    # What the agent said to this hop, where that was no answer.
    refusal: str = ""
    end: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def step(self) -> str:
        """Returns the name of the hop."""
        return f"{self.id}-{self.number}"

    def go_on(self, answer: Answer | None) -> None:
        """Works until the next hop, or the end."""
        try:
            self.hop = next(self.journey) if answer is None else self.journey.send(answer)
        except StopIteration as stop:
            self.hop, self.end = None, render_end("done", stop.value)
        except Refusal as refusal:
            words = explain_refusal(refusal).ja
            self.hop, self.end = None, render_end("refused", words.what, words.next)
        self.number, self.refusal = self.number + 1, ""


@dataclass(slots=True)
class _Session:
    """A browser session, with the agent that opened the portal last."""

    port: int
    handoff: str
    # All that were opened in this session: an earlier one may be at work in another tab.
    handoffs: set[str] = field(default_factory=set)
    operations: dict[str, _Operation] = field(default_factory=dict)


@dataclass(slots=True)
class Portal:
    """The running portal; `operations` are the buttons of its first page."""

    place: PortalPlace
    channel: grpc.Channel
    operations: dict[str, BeginJourney] = field(default_factory=dict)
    # Every post to the return page, in their order.
    returned: list[FormData] = field(default_factory=list)
    _sessions: dict[str, _Session] = field(default_factory=dict)

    def application(self) -> Starlette:
        """Returns the pages."""
        return Starlette(
            routes=[
                Route("/", self._show_home),
                Route("/start", _show_start),
                Route("/start", self._start, methods=["POST"]),
                Route("/begin", self._begin, methods=["POST"]),
                Route("/operations/{id}", self._show_operation),
                Route("/return", _show_return),
                Route("/return", self._return, methods=["POST"]),
                Route("/portal.js", _show_script),
            ]
        )

    async def _start(self, request: Request) -> Response:
        form = await self._read_form(request)
        port, handoff = str(form["port"]), str(form["handoff"])
        if not port.isdecimal() or not 1024 <= int(port) < 65536 or len(handoff) != 43:
            raise HTTPException(400)
        key, session = request.cookies.get(_COOKIE, ""), self._find_session(request)
        if session is None:
            key = secrets.token_urlsafe(32)
            session = self._sessions[key] = _Session(int(port), handoff)
        session.port, session.handoff = int(port), handoff
        session.handoffs.add(handoff)
        response = _go_to("/")
        response.set_cookie(_COOKIE, key, secure=True, httponly=True, samesite="lax")
        return response

    async def _show_home(self, request: Request) -> Response:
        return _page(render_home(tuple(self.operations), has_agent=self._find_session(request) is not None))

    async def _begin(self, request: Request) -> Response:
        form, session = await self._read_form(request), self._find_session(request)
        begin = self.operations.get(str(form["operation"]))
        if begin is None or session is None:
            return _go_to("/")
        operation = _Operation(secrets.token_urlsafe(8), begin(self.channel))
        session.operations[operation.id] = operation
        await run_in_threadpool(operation.go_on, None)
        return _go_to(f"/operations/{operation.id}")

    async def _show_operation(self, request: Request) -> Response:
        session = self._find_session(request)
        operation = session.operations.get(request.path_params["id"]) if session else None
        if session is None or operation is None:
            return _go_to("/")
        if operation.hop is None:
            return _page(operation.end)
        problem, next_step = _explain(operation.refusal)
        return _page(render_hop(_link(session, operation, operation.hop), problem, next_step))

    async def _return(self, request: Request) -> Response:
        form, session = await self._read_form(request), self._find_session(request)
        self.returned.append(form)
        step = str(form["step"])
        operation = session.operations.get(step.rpartition("-")[0]) if session else None
        if session is None or operation is None or form["handoff"] not in session.handoffs:
            # Of another browser session: it counts nowhere.
            return _go_to("/")
        async with operation.lock:
            if step == operation.step and operation.hop is not None:
                values = _read_answer(str(form["answer"]))
                if "refusal" in values:
                    operation.refusal = values["refusal"]
                else:
                    answer = _take_answer(operation.hop, values)
                    await run_in_threadpool(operation.go_on, answer)
        return _go_to(f"/operations/{operation.id}")

    def _find_session(self, request: Request) -> _Session | None:
        return self._sessions.get(request.cookies.get(_COOKIE, ""))

    async def _read_form(self, request: Request) -> FormData:
        headers = request.headers
        if (headers.get("origin"), headers.get("sec-fetch-site")) != (self.place.origin, "same-origin"):
            raise HTTPException(403)
        return await request.form()


@contextlib.contextmanager
def running_portal(place: PortalPlace, channel: grpc.Channel) -> Iterator[Portal]:
    """Runs a portal of the front door behind the channel, in a thread, until the block ends."""
    portal = Portal(place, channel)
    server = uvicorn.Server(
        uvicorn.Config(
            portal.application(),
            port=place.port,
            ssl_certfile=place.certificate,
            ssl_keyfile=place.private_key,
            log_level="warning",
            lifespan="off",
        )
    )
    thread = threading.Thread(target=server.run, name="portal", daemon=True)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            if not thread.is_alive():
                raise OSError(f"port {place.port} is taken")
        yield portal
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


async def _show_start(_: Request) -> Response:
    return _page(render_relay("/start", ("port", "handoff")))


async def _show_return(_: Request) -> Response:
    return _page(render_relay("/return", ("handoff", "step", "answer")))


async def _show_script(_: Request) -> Response:
    return Response(SCRIPT, media_type="text/javascript", headers=HEADERS)


def _link(session: _Session, operation: _Operation, hop: Hop) -> str:
    parameters = {"handoff": session.handoff, "step": operation.step}
    if isinstance(hop, CardHop):
        parameters |= {"operation": hop.operation, "role": hop.role}
        if hop.category:
            parameters["category"] = hop.category
        return write_link(session.port, "/card", parameters)
    parameters["purpose"] = _encode(hop.purpose)
    if hop.request:
        parameters["request"] = _encode(hop.request)
    return write_link(session.port, "/sign", parameters)


def _read_answer(encoded: str) -> dict[str, Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (binascii.Error, ValueError) as error:
        raise HTTPException(400) from error
    if not isinstance(values, dict):
        raise HTTPException(400)
    return values


def _take_answer(hop: Hop, values: dict[str, Any]) -> Answer:
    """Returns the answer to a hop; one that answers something else is refused."""
    try:
        if isinstance(hop, CardHop):
            return Answer(
                certificate=_decode(values["certificate"]),
                chain=tuple(map(_decode, values["chain"])),
                successor_key=_decode(values.get("successor_key", "")),
            )
        return _take_signature(hop, values)
    except (KeyError, TypeError, ValueError) as error:
        raise HTTPException(400) from error


def _take_signature(hop: SignHop, values: dict[str, Any]) -> Answer:
    if _decode(values["purpose"]) != hop.purpose:
        raise ValueError("the answer is to another purpose")
    return Answer(
        signed=SignedPurpose(
            purpose=hop.purpose,
            algorithm=SignatureAlgorithm.Value(f"SIGNATURE_ALGORITHM_{values['algorithm']}"),
            signature=_decode(values["signature"]),
        ),
        successor_signature=_decode(values.get("successor_signature", "")),
        person_in_charge=values.get("person_in_charge", ""),
    )


def _explain(reason: str) -> tuple[str, str]:
    if reason == _GIVEN_UP:
        return "ICカードの操作を取りやめました。何も署名していません。", "続ける場合は、もう一度進んでください。"
    if reason not in list_reasons():
        return reason, ""
    words = explain(reason).ja
    return words.what, words.next


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _page(content: str) -> Response:
    return HTMLResponse(content, headers=HEADERS)


def _go_to(path: str) -> Response:
    return RedirectResponse(path, 303, headers=HEADERS)
