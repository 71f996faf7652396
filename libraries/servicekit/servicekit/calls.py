"""The one interceptor of a server: access, refusals, counts and traces."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import Message

from refusals import Code, Refusal
from refusals.status import STATUS_METADATA_KEY, to_status
from servicekit.access import ListenerKind, check_caller, check_own_agency
from servicekit.call_counts import CANCELLED, INTERNAL_FAILURE, OK, Counts
from servicekit.database_errors import diagnose, is_unavailable
from servicekit.identity import ANYONE, Caller, RegisteredCallers, identify, set_caller
from servicekit.telemetry import TRACEPARENT, Telemetry, trace_id
from toroku.access.v1 import access_pb2

log = logging.getLogger(__name__)

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any]"]]
_CODES = {code.value[0]: code for code in grpc.StatusCode}
# Reflection is for people with a certificate who look around; it shows only what the proto files show.
_OPEN_PREFIX = "/grpc.reflection."


# Whoever answers has answered: a client's channel must not ask again by itself, at every hop, whatever the code.
_NO_RETRY = ("grpc-retry-pushback-ms", "-1")


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Wraps every handler once; what it needs for a method is looked up when the method is first called."""

    def __init__(
        self,
        *,
        instance: str,
        listener: ListenerKind,
        access: Mapping[str, access_pb2.Access],
        registered: RegisteredCallers,
        telemetry: Telemetry,
        counts: Counts,
    ) -> None:
        self._instance = instance
        self._listener = listener
        self._access = access
        self._registered = registered
        self._telemetry = telemetry
        self._counts = counts
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(  # type: ignore[override]
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The wrapped handler of a method."""
        method = handler_call_details.method
        known = self._handlers.get(method)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        # An unknown method is not kept, so that nobody fills the memory with invented names.
        if handler is None or method.startswith(_OPEN_PREFIX):
            return handler
        wrapped = self._wrap(method, handler)
        self._handlers[method] = wrapped
        return wrapped

    def _wrap(self, method: str, handler: Any) -> "grpc.RpcMethodHandler[Any, Any]":
        access = self._access[method]
        serializers = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream

            async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
                async with _Call(self, method, context):
                    check_caller(access, self._listener, self._caller(context), method)
                    if not handler.request_streaming:
                        check_own_agency(access, self._caller(context), request)
                    async for response in behaviour(request, context):
                        yield response

            if handler.request_streaming:
                return grpc.stream_stream_rpc_method_handler(stream, **serializers)
            return grpc.unary_stream_rpc_method_handler(stream, **serializers)

        behaviour = handler.stream_unary if handler.request_streaming else handler.unary_unary

        async def single(request: Any, context: Any) -> Message:
            async with _Call(self, method, context):
                found = self._caller(context)
                check_caller(access, self._listener, found, method)
                if access.own_agency_field:
                    check_own_agency(access, found, request)
                response: Message = await behaviour(request, context)
                return response
            raise AssertionError("a call that failed was aborted")

        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(single, **serializers)
        return grpc.unary_unary_rpc_method_handler(single, **serializers)

    def _caller(self, context: Any) -> Caller:
        if self._listener is ListenerKind.PUBLIC:
            return ANYONE
        found = identify(context.auth_context(), self._instance, self._registered)
        set_caller(found)
        return found


class _Call:
    """One running call: its span, its count, and what an exception becomes."""

    __slots__ = ("_context", "_interceptor", "_method", "_span", "_started")

    def __init__(self, interceptor: CallInterceptor, method: str, context: Any) -> None:
        self._interceptor = interceptor
        self._method = method
        self._context = context

    async def __aenter__(self) -> None:
        self._started = time.perf_counter()
        header = ""
        for key, value in self._context.invocation_metadata() or ():
            if key == TRACEPARENT:
                header = value
        decided = self._interceptor._listener is not ListenerKind.PUBLIC
        self._span = self._interceptor._telemetry.server_span(self._method, header, decided=decided)
        self._span.__enter__()

    async def __aexit__(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        outcome = OK
        refusal: Refusal | None = None
        if isinstance(error, Refusal):
            refusal, outcome = error, error.reason
        elif isinstance(error, asyncio.CancelledError | grpc.aio.AbortError | GeneratorExit):
            outcome = CANCELLED
        elif error is not None and is_unavailable(error):
            log.warning("%s: the database is away: %s", self._method, diagnose(error).text)
            refusal = Refusal("DATABASE_UNAVAILABLE", Code.UNAVAILABLE)
            outcome = refusal.reason
        elif error is not None:
            # The trace id is all that the caller gets to know; what it was stands in the log.
            log.exception("%s failed, trace %s", self._method, trace_id(), exc_info=error)
            refusal = Refusal("INTERNAL_FAILURE", Code.INTERNAL, {"trace_id": trace_id()})
            outcome = INTERNAL_FAILURE
        self._span.__exit__(kind, error, traceback)
        self._interceptor._counts.add(self._method, outcome, time.perf_counter() - self._started)
        if refusal is None:
            return False
        status = to_status(refusal)
        await self._context.abort(
            _CODES[refusal.code.value],
            status.message,
            ((STATUS_METADATA_KEY, status.SerializeToString()), _NO_RETRY),
        )
        return True
