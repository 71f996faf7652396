"""Traces. Spans are made only where the incoming call is sampled, so that they cost nothing elsewhere."""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags

from servicekit.release import VERSION

# W3C Trace Context, level 1.
TRACEPARENT = "traceparent"
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_NO_SPAN = nullcontext()
_tracer: ContextVar[trace.Tracer | None] = ContextVar("tracer", default=None)
_trace: ContextVar[SpanContext | None] = ContextVar("trace", default=None)


class Telemetry:
    """The traces of one service. `sampling` is the share of calls to trace where the caller did not decide.

    Without a provider there are no spans. `stop` is called once, at the end of the process.
    """

    def __init__(
        self, provider: trace.TracerProvider | None, sampling: float, stop: Callable[[], None] = lambda: None
    ) -> None:
        self._tracer = provider.get_tracer("toroku") if provider is not None else None
        self._sampling = sampling
        self.stop = stop

    @classmethod
    def start(cls, service: str, endpoint: str, sampling: float, *, instance: str) -> "Telemetry":
        """Returns telemetry that sends spans to an OTLP endpoint (host:port, plain); no spans where it is empty.

        While the endpoint is unreachable spans are lost, and nothing else: calls never wait for it.
        """
        if not endpoint:
            return cls(None, 0)
        from servicekit.span_export import SpanExport  # Its module says why it is imported only here.

        attributes = {"service.name": service, "service.namespace": instance, "service.version": VERSION}
        export = SpanExport(attributes, endpoint)
        return cls(export.provider, sampling, export.stop)

    def server_span(self, name: str, traceparent: str, *, decided: bool = True) -> AbstractContextManager[None]:
        """Puts a call or job into the trace of `traceparent`, or into a new one; makes a span only if it is sampled.

        `decided` is False for a header of a stranger: the trace is continued, but its sampling flag is ignored.
        """
        parent = _parse(traceparent)
        links_to_parent = parent is not None
        if parent is None:
            parent = _new_trace(sampled=self._samples())
        elif not decided:
            flags = TraceFlags(TraceFlags.SAMPLED if self._samples() else TraceFlags.DEFAULT)
            parent = SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags)
        _trace.set(parent)
        if self._tracer is None or not parent.trace_flags.sampled:
            return _NO_SPAN
        context = trace.set_span_in_context(NonRecordingSpan(parent)) if links_to_parent else None
        return self._span(self._tracer, name, context)

    @contextmanager
    def _span(self, tracer: trace.Tracer, name: str, context: Context | None) -> Iterator[None]:
        _tracer.set(tracer)
        with tracer.start_as_current_span(name, context=context, kind=SpanKind.SERVER) as span:
            _trace.set(span.get_span_context())
            yield

    def _samples(self) -> bool:
        return self._sampling > 0 and random.random() < self._sampling  # noqa: S311  # no secret depends on it


@contextmanager
def span(name: str, attributes: Mapping[str, str | int] | None = None) -> Iterator[Span | None]:
    """Makes a span in the running call if that is traced. Its attributes must not be personal data."""
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
    """Returns the header that continues the running call's trace in a call or job; empty outside of a call."""
    context = _trace.get()
    if context is None:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def trace_id() -> str:
    """Returns the trace id, 32 hexadecimal digits, which correlates the logs of all services; - outside of a call."""
    context = _trace.get()
    return f"{context.trace_id:032x}" if context is not None else "-"


def _parse(header: str) -> SpanContext | None:
    match = _TRACEPARENT.fullmatch(header)
    if match is None:
        return None
    context = SpanContext(
        int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=TraceFlags(int(match[3], 16))
    )
    return context if context.is_valid else None


def _new_trace(*, sampled: bool) -> SpanContext:
    # These ids correlate logs and are no secrets, so the fast generator suffices.
    return SpanContext(
        random.getrandbits(128) or 1,
        random.getrandbits(64) or 1,
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT),
    )
