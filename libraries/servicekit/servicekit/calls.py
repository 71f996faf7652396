"""The interceptor of every server: access, refusals, counts and traces."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message
from typing_extensions import override

from refusals import Code, Refusal
from refusals.status import STATUS_METADATA_KEY, to_status
from servicekit.access import ListenerKind, check_caller, check_own_agency
from servicekit.call_counts import CANCELLED, INTERNAL_FAILURE, OK, Counts
from servicekit.clock import now
from servicekit.context import Context
from servicekit.failures import find_failure
from servicekit.identity import ANYONE, Caller, RegisteredCallers, identify, set_caller
from servicekit.request_sizes import bound_deserializer, check_size
from servicekit.strangers import Strangers
from servicekit.telemetry import TRACEPARENT, Telemetry, trace_id
from toroku.access.v1 import access_pb2

log = logging.getLogger(__name__)

# Quoted, because the class is generic in the type stubs only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"
_CODES = {code.value[0]: code for code in grpc.StatusCode}

# Reflection shows only what the proto files show, so any identified caller may use it.
_OPEN_PREFIX = "/grpc.reflection."
# Disables client-side gRPC retries for every answered call; otherwise retries multiply at each hop.
_NO_RETRY = ("grpc-retry-pushback-ms", "-1")
# Seconds between repeated log lines about too many calls.
_LOG_AGAIN_AFTER = 30.0


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the type stubs only
    """Wraps the handler of each method once, when the method is first called.

    `request_sizes` has the largest request of each method (`request_sizes.build_size_table`); `strangers` admits calls
    at a public listener.
    """

    def __init__(
        self,
        *,
        instance: str,
        listener: ListenerKind,
        access: Mapping[str, access_pb2.Access],
        registered: RegisteredCallers,
        telemetry: Telemetry,
        counts: Counts,
        concurrent_calls: int = 4000,
        request_sizes: Mapping[str, int],
        strangers: Strangers | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._instance = instance
        self._listener = listener
        self._access = access
        self._registered = registered
        self._telemetry = telemetry
        self._counts = counts
        self._running = _RunningCalls(listener, concurrent_calls)
        self._request_sizes = request_sizes
        self._strangers = strangers
        self._clock = clock
        self._handlers: dict[str, Handler] = {}

    @override
    async def intercept_service(  # type: ignore[override]  # the type stubs do not know that a method may be unknown
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> "Handler | None":
        """Returns the wrapped handler of a method, None where there is no such method."""
        method = handler_call_details.method
        wrapped = self._handlers.get(method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        # Unknown methods are not remembered, so that invented names cannot fill the memory.
        if handler is None:
            return None
        wrapped = self._wrap_open(handler) if method.startswith(_OPEN_PREFIX) else self._wrap(method, handler)
        self._handlers[method] = wrapped
        return wrapped

    def _wrap(self, method: str, handler: Any) -> "Handler":
        access = self._access[method]
        most = self._request_sizes[method]
        serializers = {
            "request_deserializer": bound_deserializer(handler.request_deserializer, most),
            "response_serializer": handler.response_serializer,
        }
        # A stranger's request is waited for here, not by gRPC, which would wait for ever.
        strangers = self._strangers

        if handler.response_streaming:
            behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream

            async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
                async with self._call(method, context):
                    caller = self._check(access, method, context)
                    if handler.request_streaming:
                        request = _check_sizes(request)
                    else:
                        check_size(request)
                        check_own_agency(access, caller, request)
                    async for response in behaviour(request, context):
                        yield response

            if handler.request_streaming:
                return grpc.stream_stream_rpc_method_handler(stream, **serializers)
            if strangers is not None:

                async def await_stream(requests: Any, context: Context) -> AsyncIterator[Any]:
                    request = await self._receive(strangers, method, requests, context)
                    async for response in stream(request, context):
                        yield response

                return grpc.stream_stream_rpc_method_handler(await_stream, **serializers)
            return grpc.unary_stream_rpc_method_handler(stream, **serializers)

        behaviour = handler.stream_unary if handler.request_streaming else handler.unary_unary

        async def single(request: Any, context: Context) -> Message:
            async with self._call(method, context):
                caller = self._check(access, method, context)
                if handler.request_streaming:
                    request = _check_sizes(request)
                else:
                    check_size(request)
                    if access.own_agency_field:
                        check_own_agency(access, caller, request)
                response: Message = await behaviour(request, context)
                return response

        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(single, **serializers)
        if strangers is not None:

            async def await_single(requests: Any, context: Context) -> Message:
                return await single(await self._receive(strangers, method, requests, context), context)

            return grpc.stream_unary_rpc_method_handler(await_single, **serializers)
        return grpc.unary_unary_rpc_method_handler(single, **serializers)

    def _check(self, access: access_pb2.Access, method: str, context: Context) -> Caller:
        self._running.check()
        caller = self._caller(context)
        check_caller(access, self._listener, caller, method)
        return caller

    async def _receive(self, strangers: Strangers, method: str, requests: AsyncIterator[Any], context: Context) -> Any:
        # Before the call begins: a stranger that sends nothing has no part in durations, spans and running calls.
        try:
            return await strangers.receive(requests, context.peer())
        except Refusal as refusal:
            async with self._call(method, context):
                raise refusal from None

    def _wrap_open(self, handler: Any) -> "Handler":
        async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                self._caller(context)
            except Refusal as refusal:
                await _abort(context, refusal)
            async for response in handler.stream_stream(request, context):
                yield response

        return grpc.stream_stream_rpc_method_handler(stream, handler.request_deserializer, handler.response_serializer)

    def _call(self, method: str, context: Context) -> "_Call":
        # A stranger's header must not decide whether a call is sampled.
        trusts_header = self._listener is not ListenerKind.PUBLIC
        return _Call(method, context, self._telemetry, self._counts, self._running, trusts_header=trusts_header)

    def _caller(self, context: Context) -> Caller:
        if self._listener is ListenerKind.PUBLIC:
            return ANYONE
        caller = identify(context.auth_context(), self._instance, self._registered, self._clock())
        set_caller(caller)
        return caller


class _RunningCalls:
    """The number of calls of one listener that are answered at this moment, and its bound."""

    __slots__ = ("_listener", "_log_again_at", "_most", "count")

    def __init__(self, listener: ListenerKind, most: int) -> None:
        self.count = 0
        self._listener = listener
        self._most = most
        self._log_again_at = 0.0

    def check(self) -> None:
        """Raises SERVER_BUSY where there are more calls than the bound; logs it every 30 s at most."""
        if self.count <= self._most:
            return
        if time.monotonic() >= self._log_again_at:
            self._log_again_at = time.monotonic() + _LOG_AGAIN_AFTER
            log.warning(
                "%s listener: more than %s calls at a time, further ones are refused", self._listener, self._most
            )
        raise Refusal("SERVER_BUSY", Code.RESOURCE_EXHAUSTED)


class _Call:
    """One running call: its span, its count, and the conversion of an exception into a status."""

    __slots__ = ("_context", "_counts", "_method", "_running", "_span", "_started", "_telemetry", "_trusts_header")

    def __init__(
        self,
        method: str,
        context: Context,
        telemetry: Telemetry,
        counts: Counts,
        running: _RunningCalls,
        *,
        trusts_header: bool,
    ) -> None:
        self._method = method
        self._context = context
        self._telemetry = telemetry
        self._counts = counts
        self._running = running
        self._trusts_header = trusts_header

    async def __aenter__(self) -> None:
        self._started = time.perf_counter()
        header = ""
        for key, value in self._context.invocation_metadata() or ():
            if key == TRACEPARENT and isinstance(value, str):
                header = value
        self._span = self._telemetry.server_span(self._method, header, decided=self._trusts_header)
        self._span.__enter__()
        self._running.count += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._running.count -= 1
        outcome = OK
        refusal: Refusal | None = None
        if isinstance(error, Refusal):
            refusal, outcome = error, error.reason
        elif isinstance(error, asyncio.CancelledError | grpc.aio.AbortError | GeneratorExit):
            outcome = CANCELLED
        elif error is not None and (failure := find_failure(error)) is not None:
            log.warning("%s: %s", self._method, failure.cause)
            refusal, outcome = failure.refusal, failure.refusal.reason
        elif error is not None:
            # The caller gets only the trace id; the details are in the log.
            log.exception("%s failed, trace %s", self._method, trace_id(), exc_info=error)
            refusal = Refusal("INTERNAL_FAILURE", Code.INTERNAL, {"trace_id": trace_id()})
            outcome = INTERNAL_FAILURE
        self._span.__exit__(kind, error, traceback)
        self._counts.add(self._method, outcome, time.perf_counter() - self._started)
        if refusal is not None:
            await _abort(self._context, refusal)


async def _check_sizes(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        check_size(request)
        yield request


async def _abort(context: Context, refusal: Refusal) -> None:
    status = to_status(refusal)
    trailing = ((STATUS_METADATA_KEY, status.SerializeToString()), _NO_RETRY)
    await context.abort(_CODES[refusal.code.value], status.message, trailing)
