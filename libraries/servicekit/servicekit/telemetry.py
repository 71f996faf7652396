"""Traces. Spans are made only where the incoming call is sampled, so that they cost nothing elsewhere."""

import logging
import random
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from typing_extensions import override

from servicekit.release import VERSION

log = logging.getLogger(__name__)

# W3C Trace Context, level 1.
TRACEPARENT = "traceparent"
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

# Seconds that an ending process tries to send the remaining spans.
LAST_ATTEMPT = 3.0

_NO_SPAN = nullcontext()
_tracer: ContextVar[trace.Tracer | None] = ContextVar("tracer", default=None)
_trace: ContextVar[SpanContext | None] = ContextVar("trace", default=None)


class Telemetry:
    """The traces of one service. `sampling` is the share of calls to trace where the caller did not decide."""

    def __init__(self, provider: TracerProvider, sampling: float, exporter: SpanExporter | None = None) -> None:
        self.provider = provider
        self._tracer = provider.get_tracer("toroku")
        self._sampling = sampling
        self._exporter = exporter

    @classmethod
    def start(cls, service: str, endpoint: str, sampling: float, *, instance: str) -> "Telemetry":
        """Returns telemetry that sends spans to an OTLP endpoint (host:port, plain); no spans where it is empty.

        While the endpoint is unreachable spans are lost, and nothing else: calls never wait for it.
        """
        resource = Resource({"service.name": service, "service.namespace": instance, "service.version": VERSION})
        # No automatic shutdown, which could take half a minute while the endpoint is unreachable.
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        if not endpoint:
            return cls(provider, 0)
        exporter = _Exporter(OTLPSpanExporter(endpoint=endpoint, insecure=True), endpoint)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(provider, sampling, exporter)

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
        return self._sampling > 0 and random.random() < self._sampling  # noqa: S311  # no secret depends on it

    def stop(self) -> None:
        """Sends the remaining spans, for at most three seconds."""
        giving_up = threading.Timer(LAST_ATTEMPT, self._exporter.shutdown) if self._exporter else None
        if giving_up is not None:
            giving_up.daemon = True
            giving_up.start()
        self.provider.shutdown()
        if giving_up is not None:
            giving_up.cancel()


class _Exporter(SpanExporter):
    """Sends spans, and logs once when that starts to fail and once when it succeeds again.

    The inner exporter would log every attempt, so its logger is silenced.
    """

    def __init__(self, inside: SpanExporter, endpoint: str) -> None:
        self._inside = inside
        self._endpoint = endpoint
        self._lost = 0
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        # A full queue is a consequence, and would be logged for every span.
        logging.getLogger("opentelemetry.sdk").setLevel(logging.ERROR)

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends a batch, which is lost if that fails."""
        result = self._inside.export(spans)
        if result is not SpanExportResult.SUCCESS:
            if not self._lost:
                log.warning(
                    "traces can't be sent to %s and are lost; nothing else is affected. Check the collector, or change "
                    "TOROKU_OTLP_ENDPOINT",
                    self._endpoint,
                )
            self._lost += len(spans)
        elif self._lost:
            log.info("traces are sent to %s again; %s spans were lost", self._endpoint, self._lost)
            self._lost = 0
        return result

    @override
    def shutdown(self) -> None:
        """Aborts sending."""
        self._inside.shutdown()

    @override
    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Sends pending spans, of which the inner exporter has none."""
        return self._inside.force_flush(timeout_millis)


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
