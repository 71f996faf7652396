"""Traces, only where the incoming call is sampled, so that they cost nothing elsewhere (design section 9)."""

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags

# W3C Trace Context, level 1.
TRACEPARENT = "traceparent"
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_NO_SPAN = nullcontext()
_tracer: ContextVar[trace.Tracer | None] = ContextVar("tracer", default=None)
_trace: ContextVar[SpanContext | None] = ContextVar("trace", default=None)


class Telemetry:
    """The traces of one service. `sampling` is the share of calls to trace where the caller did not decide."""

    def __init__(self, provider: TracerProvider, sampling: float) -> None:
        self.provider = provider
        self._tracer = provider.get_tracer("toroku")
        self._sampling = sampling

    @classmethod
    def start(cls, service: str, endpoint: str, sampling: float) -> "Telemetry":
        """Sends spans to an OTLP endpoint (host:port, plain), or nowhere where it is empty."""
        provider = TracerProvider(resource=Resource({"service.name": service}))
        if endpoint:
            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
        return cls(provider, sampling if endpoint else 0)

    def server_span(self, name: str, traceparent: str, *, decided: bool = True) -> AbstractContextManager[None]:
        """Puts a call or job into the trace that `traceparent` names, or into a new one; a span only where sampled.

        `decided` is False where a stranger wrote the header: its trace is kept, but whether to sample it is ours.
        """
        parent = _parse(traceparent)
        links_to_parent = parent is not None
        if parent is None:
            parent = _new_trace(sampled=self._samples())
        elif not decided:
            flags = TraceFlags(TraceFlags.SAMPLED if self._samples() else TraceFlags.DEFAULT)
            parent = SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags)
        _trace.set(parent)
        if not parent.trace_flags.sampled:
            return _NO_SPAN
        context = trace.set_span_in_context(NonRecordingSpan(parent)) if links_to_parent else None
        return self._span(name, context)

    @contextmanager
    def _span(self, name: str, context: Context | None) -> Iterator[None]:
        _tracer.set(self._tracer)
        with self._tracer.start_as_current_span(name, context=context, kind=SpanKind.SERVER) as span:
            _trace.set(span.get_span_context())
            yield

    def _samples(self) -> bool:
        return self._sampling > 0 and random.random() < self._sampling  # noqa: S311 (nothing to guess)

    def stop(self) -> None:
        """Sends what is left."""
        self.provider.shutdown()


@contextmanager
def span(name: str, attributes: Mapping[str, str | int] | None = None) -> Iterator[Span | None]:
    """A span within the running call where that is traced, else nothing. Never give it personal data."""
    tracer = _tracer.get()
    if tracer is None:
        yield None
        return
    with tracer.start_as_current_span(name, attributes=attributes) as started:
        previous = _trace.set(started.get_span_context())
        try:
            yield started
        finally:
            _trace.reset(previous)


def traceparent() -> str:
    """The running call's place in its trace, for the call or the job that it causes; empty outside of a call."""
    context = _trace.get()
    if context is None:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def trace_id() -> str:
    """The id that ties a call's logs together over all services, 32 hexadecimal digits."""
    context = _trace.get()
    return f"{context.trace_id:032x}" if context is not None else "-"


def _parse(header: str) -> SpanContext | None:
    matched = _TRACEPARENT.fullmatch(header)
    if matched is None:
        return None
    context = SpanContext(
        int(matched[1], 16), int(matched[2], 16), is_remote=True, trace_flags=TraceFlags(int(matched[3], 16))
    )
    return context if context.is_valid else None


def _new_trace(*, sampled: bool) -> SpanContext:
    # These ids tie logs together and hide nothing, so the fast generator will do.
    return SpanContext(
        random.getrandbits(128) or 1,
        random.getrandbits(64) or 1,
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT),
    )
