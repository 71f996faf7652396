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
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_ID = slice(3, 35)
_SAMPLED, _NOT_SAMPLED = "01", "00"

_NO_SPAN = nullcontext()
_tracer: ContextVar[trace.Tracer | None] = ContextVar("tracer", default=None)
# The header that continues the running call's trace: the ids are parsed only where a span is made.
_trace: ContextVar[str] = ContextVar("trace", default="")


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
        continues = _TRACEPARENT.fullmatch(traceparent) is not None
        if not continues:
            traceparent = _begin_trace(sampled=self._samples())
        elif not decided:
            traceparent = traceparent[:-2] + (_SAMPLED if self._samples() else _NOT_SAMPLED)
        _trace.set(traceparent)
        if self._tracer is None or not int(traceparent[-2:], 16) & TraceFlags.SAMPLED:
            return _NO_SPAN
        context = trace.set_span_in_context(NonRecordingSpan(_read(traceparent))) if continues else None
        return self._span(self._tracer, name, context)

    @contextmanager
    def _span(self, tracer: trace.Tracer, name: str, context: Context | None) -> Iterator[None]:
        _tracer.set(tracer)
        with tracer.start_as_current_span(name, context=context, kind=SpanKind.SERVER) as span:
            _trace.set(_write(span.get_span_context()))
            yield

    def _samples(self) -> bool:
        return self._sampling > 0 and random.random() < self._sampling  # noqa: S311  # no secret depends on it


def span(name: str, attributes: Mapping[str, str | int] | None = None) -> AbstractContextManager[Span | None]:
    """Makes a span in the running call if that is traced. Its attributes must not be personal data."""
    tracer = _tracer.get()
    return _NO_SPAN if tracer is None else _inner_span(tracer, name, attributes)


@contextmanager
def _inner_span(tracer: trace.Tracer, name: str, attributes: Mapping[str, str | int] | None) -> Iterator[Span | None]:
    with tracer.start_as_current_span(name, attributes=attributes) as started:
        previous = _trace.set(_write(started.get_span_context()))
        try:
            yield started
        finally:
            _trace.reset(previous)


def traceparent() -> str:
    """Returns the header that continues the running call's trace in a call or job; empty outside of a call."""
    return _trace.get()


def trace_id() -> str:
    """Returns the trace id, 32 hexadecimal digits, which correlates the logs of all services; - outside of a call."""
    return find_trace_id() or "-"


def find_trace_id() -> str | None:
    """Returns the same, and None outside of a call or job: for what is stored."""
    return _trace.get()[_TRACE_ID] or None


def _read(header: str) -> SpanContext:
    _, trace_digits, span_digits, flags = header.split("-")
    return SpanContext(
        int(trace_digits, 16), int(span_digits, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )


def _write(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _begin_trace(*, sampled: bool) -> str:
    # These ids correlate logs and are no secrets, so the fast generator suffices.
    flags = _SAMPLED if sampled else _NOT_SAMPLED
    return f"00-{random.getrandbits(128) or 1:032x}-{random.getrandbits(64) or 1:016x}-{flags}"
