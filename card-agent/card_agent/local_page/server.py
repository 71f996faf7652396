"""The server of the pages: on 127.0.0.1, for sockets of its own user only."""

import asyncio
import contextlib
from asyncio import Transport
from collections.abc import Callable
from dataclasses import dataclass, field
from socket import socket

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from card_agent.local_page.agent import Agent
from card_agent.local_page.application import make_application
from card_agent.local_page.explained import refuse_page
from card_agent.local_page.gate import HEADERS
from card_agent.local_page.links import MOST_ADDRESS_BYTES
from card_agent.local_page.render import render
from card_agent.local_page.socket_owner import is_own_socket
from refusals import Code, Refusal

# Beside the address, the headers of a browser.
_MOST_HEADER_BYTES = 32 * 1024
_SWEEP_SECONDS = 5.0
_END_SECONDS = 2
# Of a browser's connection, whose owner is looked up once.
_KEEP_ALIVE_SECONDS = 60


@dataclass(slots=True)
class PageServer:
    """The server of an agent, on a socket that listens already."""

    agent: Agent
    listener: socket
    _server: uvicorn.Server = field(init=False)

    def __post_init__(self) -> None:
        self._server = uvicorn.Server(
            uvicorn.Config(
                make_application(self.agent),
                http=_OwnSocketsOnly,
                interface="asgi3",
                ws="none",
                # Nothing stands before it whose word about a client would count.
                proxy_headers=False,
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                h11_max_incomplete_event_size=MOST_ADDRESS_BYTES + _MOST_HEADER_BYTES,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_END_SECONDS,
            )
        )

    def run(self, begin: Callable[[], None]) -> None:
        """Serves until `stop` is called or a signal comes; `begin` is called as soon as pages can be opened."""
        asyncio.run(self._run(begin))

    def stop(self) -> None:
        """Has `run` return."""
        self._server.should_exit = True

    async def _run(self, begin: Callable[[], None]) -> None:
        sweeping = asyncio.create_task(self._sweep())
        begin()
        try:
            await self._server.serve(sockets=[self.listener])
        finally:
            sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweeping

    async def _sweep(self) -> None:
        # So that no PIN stays in the memory longer because nobody looks.
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.agent.hand_offs.forget_old()


class _OwnSocketsOnly(H11Protocol):
    """HTTP for this user's sockets; another user's gets 403, whatever it sends."""

    _is_own = False

    @override
    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        client, server = self.client, self.server
        if client is not None and server is not None and server[1] is not None:
            self._is_own = is_own_socket(client, (server[0], server[1]))

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_own:
            super().data_received(data)
        elif not self.transport.is_closing():
            self._refuse(Refusal("OTHER_USER", Code.PERMISSION_DENIED), b"403 Forbidden")

    @override
    def send_400_response(self, msg: str) -> None:
        """Answers what is no request that the agent reads, such as one with an address that is too long."""
        self._refuse(Refusal("LINK_TOO_LONG", Code.INVALID_ARGUMENT), b"400 Bad Request")

    def _refuse(self, refusal: Refusal, status: bytes) -> None:
        page = render(refuse_page(refusal), "ja").encode()
        headers = {**HEADERS, "Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(page))}
        lines = [f"{name}: {value}".encode() for name, value in {**headers, "Connection": "close"}.items()]
        self.transport.write(b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", page]))
        self.transport.close()
