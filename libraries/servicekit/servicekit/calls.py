"""The interceptor of every server: access, refusals, counts and traces."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message
from typing_extensions import override

from refusals import Code, Refusal
from refusals.status import STATUS_METADATA_KEY, to_status
from servicekit.access import ListenerKind, check_act, check_caller, check_own_agency, check_person
from servicekit.authorities import CallerAuthorities
from servicekit.broken_glass import BrokenGlass
from servicekit.call_counts import CANCELLED, INTERNAL_FAILURE, OK, Counts
from servicekit.clock import now
from servicekit.context import Context
from servicekit.failures import find_failure
from servicekit.identity import ANYONE, Caller, Kind, RegisteredCallers, identify, read_peer, set_caller
from servicekit.officer_proof import METADATA_KEY
from servicekit.officers import OfficerDirectory
from servicekit.persons import Persons, refuse_proof
from servicekit.request_sizes import bound_deserializer, check_size
from servicekit.signed_statement import VerifyingKeys
from servicekit.strangers import Strangers
from servicekit.telemetry import TRACEPARENT, Telemetry, trace_id
from toroku.access.v1 import access_pb2

log = logging.getLogger(__name__)

# Quoted, because the class is generic in the type stubs only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
# Gets a method's path, its request, and how it was refused.
NoteRefusal: TypeAlias = Callable[[str, Message, Refusal], None]
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
    at a public listener. `officers` says who is an officer, beside the file of callers; `proof_keys` verify the proofs
    that the portal shows. `note_refusal` is called with each method, request and refusal of single messages.
    """

    def __init__(
        self,
        *,
        instance: str,
        listener: ListenerKind,
        access: Mapping[str, access_pb2.Access],
        registered: RegisteredCallers,
        authorities: CallerAuthorities,
        telemetry: Telemetry,
        counts: Counts,
        concurrent_calls: int = 4000,
        request_sizes: Mapping[str, int],
        strangers: Strangers | None = None,
        officers: OfficerDirectory | None = None,
        proof_keys: VerifyingKeys | None = None,
        broken_glass: BrokenGlass | None = None,
        note_refusal: NoteRefusal | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._instance = instance
        self._listener = listener
        self._access = access
        self._registered = registered
        self._authorities = authorities
        self._telemetry = telemetry
        self._counts = counts
        self._running = _RunningCalls(listener, concurrent_calls)
        self._request_sizes = request_sizes
        self._strangers = strangers
        self._persons = Persons(
            instance=instance,
            registered=registered,
            authorities=authorities,
            directory=officers,
            proof_keys=proof_keys,
            clock=clock,
        )
        self._broken_glass = broken_glass if broken_glass is not None else BrokenGlass()
        self._note_refusal = note_refusal
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
                call = self._begin(method, context)
                try:
                    caller = self._check_system(access, method, context, call.proof)
                    if caller is None:
                        caller = await self._check_person(access, method, context, call.proof)
                    if handler.request_streaming:
                        request = _check_sizes(request)
                    else:
                        check_size(request)
                        check_own_agency(access, caller, request)
                        if access.act:
                            check_act(caller, request, method)
                    async for response in behaviour(request, context):
                        yield response
                except BaseException as error:
                    await call.fail(error)
                    raise
                call.end(OK)

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
            call = self._begin(method, context)
            try:
                caller = self._check_system(access, method, context, call.proof)
                if caller is None:
                    caller = await self._check_person(access, method, context, call.proof)
                if handler.request_streaming:
                    request = _check_sizes(request)
                else:
                    check_size(request)
                    if access.own_agency_field:
                        check_own_agency(access, caller, request)
                    if access.act:
                        check_act(caller, request, method)
                response: Message = await behaviour(request, context)
            except BaseException as error:
                await call.fail(error, request)
                raise
            call.end(OK)
            return response

        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(single, **serializers)
        if strangers is not None:

            async def await_single(requests: Any, context: Context) -> Message:
                return await single(await self._receive(strangers, method, requests, context), context)

            return grpc.stream_unary_rpc_method_handler(await_single, **serializers)
        return grpc.unary_unary_rpc_method_handler(single, **serializers)

    def _check_system(
        self, access: access_pb2.Access, method: str, context: Context, proof: bytes | None
    ) -> Caller | None:
        """Returns a caller that may call, without a look into a database; None for one that may be a person."""
        self._running.check()
        caller = self._find_system(context)
        if caller is None or (proof is not None and self._listener is ListenerKind.INTERNAL):
            return None
        if proof is not None:
            raise refuse_proof(caller)
        check_caller(access, self._listener, caller, method)
        return caller

    async def _check_person(
        self, access: access_pb2.Access, method: str, context: Context, proof: bytes | None
    ) -> Caller:
        system = self._find_system(context)
        if proof is None:
            caller = await self._identify_person(context, admits_unregistered=access.unregistered_officers)
            check_caller(access, self._listener, caller, method)
        elif system is None or not access.officer_roles:
            raise refuse_proof(ANYONE if system is None else system)
        else:
            caller = await self._persons.identify_by_proof(system, proof)
            set_caller(caller)
            check_person(access, caller, method)
        if caller.is_broken_glass:
            self._broken_glass.note(caller, method)
        return caller

    async def _receive(self, strangers: Strangers, method: str, requests: AsyncIterator[Any], context: Context) -> Any:
        # Before the call begins: a stranger that sends nothing has no part in durations, spans and running calls.
        try:
            return await strangers.receive(requests, context.peer())
        except Refusal as refusal:
            await self._begin(method, context).fail(refusal)
            raise

    def _wrap_open(self, handler: Any) -> "Handler":
        async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                if self._find_system(context) is None:
                    await self._identify_person(context, admits_unregistered=False)
            except Refusal as refusal:
                await _abort(context, refusal)
            async for response in handler.stream_stream(request, context):
                yield response

        return grpc.stream_stream_rpc_method_handler(stream, handler.request_deserializer, handler.response_serializer)

    def _begin(self, method: str, context: Context) -> "_Call":
        # A stranger's header must not decide whether a call is sampled.
        trusts_header = self._listener is not ListenerKind.PUBLIC
        return _Call(
            method,
            context,
            self._telemetry,
            self._counts,
            self._running,
            trusts_header=trusts_header,
            note_refusal=self._note_refusal,
        )

    def _find_system(self, context: Context) -> Caller | None:
        """Returns the service or the agency that calls, or anyone; None for a caller that is neither."""
        if self._listener is ListenerKind.PUBLIC:
            return ANYONE
        peer = read_peer(context.auth_context())
        if not peer.is_system:
            return None
        now = self._clock()
        caller = identify(peer, self._instance, self._registered, now)
        if caller.kind is Kind.AGENCY:
            self._authorities.require_agencies_authority(caller, peer.certificate, now)
        set_caller(caller)
        return caller

    async def _identify_person(self, context: Context, *, admits_unregistered: bool) -> Caller:
        peer = read_peer(context.auth_context())
        caller = await self._persons.identify(peer, admits_unregistered=admits_unregistered)
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

    __slots__ = ("_context", "_counts", "_method", "_note_refusal", "_running", "_span", "_started", "proof")

    def __init__(
        self,
        method: str,
        context: Context,
        telemetry: Telemetry,
        counts: Counts,
        running: _RunningCalls,
        *,
        trusts_header: bool,
        note_refusal: NoteRefusal | None,
    ) -> None:
        self._method = method
        self._context = context
        self._note_refusal = note_refusal
        self._counts = counts
        self._running = running
        self._started = time.perf_counter()
        header = ""
        # The officer proof, as it was shown.
        self.proof: bytes | None = None
        for key, value in context.invocation_metadata() or ():
            if key == TRACEPARENT and isinstance(value, str):
                header = value
            elif key == METADATA_KEY and isinstance(value, bytes):
                self.proof = value
        self._span = telemetry.server_span(method, header, decided=trusts_header)
        self._span.__enter__()
        running.count += 1

    def end(self, outcome: str, error: BaseException | None = None) -> None:
        """Counts the call, and ends its span."""
        self._running.count -= 1
        if error is None:
            self._span.__exit__(None, None, None)
        else:
            self._span.__exit__(type(error), error, error.__traceback__)
        self._counts.add(self._method, outcome, time.perf_counter() - self._started)

    async def fail(self, error: BaseException, request: Message | None = None) -> None:
        """Ends the call by an exception: tells the caller what it means; returns where nobody is there to be told."""
        refusal: Refusal | None = None
        outcome = CANCELLED
        if isinstance(error, Refusal):
            refusal, outcome = error, error.reason
        elif isinstance(error, asyncio.CancelledError | grpc.aio.AbortError | GeneratorExit):
            pass
        elif (failure := find_failure(error)) is not None:
            log.warning("%s: %s", self._method, failure.cause)
            refusal, outcome = failure.refusal, failure.refusal.reason
        else:
            # The caller gets only the trace id; the details are in the log.
            log.exception("%s failed, trace %s", self._method, trace_id(), exc_info=error)
            refusal = Refusal("INTERNAL_FAILURE", Code.INTERNAL, {"trace_id": trace_id()})
            outcome = INTERNAL_FAILURE
        self.end(outcome, error)
        if refusal is not None:
            if request is not None and self._note_refusal is not None:
                self._note_refusal(self._method, request, refusal)
            await _abort(self._context, refusal)


async def _check_sizes(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        check_size(request)
        yield request


async def _abort(context: Context, refusal: Refusal) -> None:
    status = to_status(refusal)
    trailing = ((STATUS_METADATA_KEY, status.SerializeToString()), _NO_RETRY)
    await context.abort(_CODES[refusal.code.value], status.message, trailing)
