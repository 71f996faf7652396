"""A front door's address at which the caller's process is killed at one of its calls, as kill -9 does it."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import grpc
from typing_extensions import override

from operator_command.instance_certificates import Identity


class Moment(Enum):
    """When the caller is killed at a call."""

    BEFORE = "before it was sent"
    UNANSWERED = "after it was carried out, before the answer"
    ANSWERED = "after the answer"


@dataclass(frozen=True, slots=True)
class At:
    """A moment of a call: `times` counts the calls of a method."""

    method: str
    moment: Moment
    times: int = 1


@dataclass(slots=True)
class KillingProxy(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in the type stubs only
    """Passes all calls on to `front_door`, and kills the process `victim` at one of them.

    `calls` has the methods in the order of their calls; `is_killed` is set once the process was killed.
    """

    front_door: grpc.aio.Channel
    address: str = ""
    at: At | None = None
    victim: int | None = None
    calls: list[str] = field(default_factory=list)
    is_killed: asyncio.Event = field(default_factory=asyncio.Event)

    @override
    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        """Returns what passes a call on; the agent has single messages only."""
        path = handler_call_details.method

        async def pass_on(request: bytes, context: Any) -> bytes:
            return await self._pass_on(path, request, context)

        return grpc.unary_unary_rpc_method_handler(pass_on)

    async def _pass_on(self, path: str, request: bytes, context: Any) -> bytes:
        method = path.rpartition("/")[2]
        self.calls.append(method)
        moment = self._find_moment(method)
        if moment is Moment.BEFORE:
            await self._kill()
        metadata = [(key, value) for key, value in context.invocation_metadata() if key == "traceparent"]
        call: Any = self.front_door.unary_unary(path, lambda message: message, lambda message: message)
        try:
            answer: bytes = await call(request, timeout=20, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata() or ()))
            raise
        if moment is Moment.UNANSWERED:
            await self._kill()
        if moment is Moment.ANSWERED:
            context.add_done_callback(lambda _context: self._send_kill())
        return answer

    def _find_moment(self, method: str) -> Moment | None:
        if self.at is None or method != self.at.method or self.is_killed.is_set():
            return None
        return self.at.moment if Counter(self.calls)[method] == self.at.times else None

    async def _kill(self) -> None:
        """Kills the process, and lets nothing more of this call happen."""
        self._send_kill()
        await asyncio.Event().wait()

    def _send_kill(self) -> None:
        assert self.victim is not None
        os.kill(self.victim, signal.SIGKILL)
        self.is_killed.set()


@asynccontextmanager
async def killing_proxy(front_door: grpc.aio.Channel, public: Identity) -> AsyncIterator[KillingProxy]:
    """Runs a proxy of a front door, with the front door's own certificate `public`."""
    proxy = KillingProxy(front_door)
    server = grpc.aio.server(handlers=[proxy])
    chain = (public.private_key.read_bytes(), public.certificate.read_bytes())
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([chain]))
    proxy.address = f"localhost:{port}"
    await server.start()
    try:
        yield proxy
    finally:
        await server.stop(None)
