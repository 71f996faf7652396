"""Traces, only where the incoming call is sampled, so that they cost nothing elsewhere (design section 9)."""

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

from servicekit.release import VERSION

log = logging.getLogger(__name__)

# W3C Trace Context, level 1.
TRACEPARENT = "traceparent"
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

# How long a process that ends tries to send what is left, in seconds.
LAST_TRY = 3.0

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
        """Sends spans to an OTLP endpoint (host:port, plain), or nowhere where it is empty.

        An endpoint that is away costs spans and nothing else: calls never wait for it.
        """
        resource = Resource({"service.name": service, "service.namespace": instance, "service.version": VERSION})
        # Not by itself at the end: that could take half a minute where the endpoint is away.
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        if not endpoint:
            return cls(provider, 0)
        exporter = _Exporter(OTLPSpanExporter(endpoint=endpoint, insecure=True), endpoint)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(provider, sampling, exporter)

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
        """Sends what is left, for at most three seconds."""
        giving_up = threading.Timer(LAST_TRY, self._exporter.shutdown) if self._exporter else None
        if giving_up is not None:
            giving_up.daemon = True
            giving_up.start()
        self.provider.shutdown()
        if giving_up is not None:
            giving_up.cancel()


class _Exporter(SpanExporter):
    """Sends spans, and says once that they can't be sent and once that they can again.

    The exporter inside says it at every try, so it is not listened to.
    """

    def __init__(self, inside: SpanExporter, endpoint: str) -> None:
        self._inside = inside
        self._endpoint = endpoint
        self._lost = 0
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        # That the queue is full follows from it, and would be said for every span.
        logging.getLogger("opentelemetry.sdk").setLevel(logging.ERROR)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends a batch; it is lost where that fails."""
        result = self._inside.export(spans)
        if result is not SpanExportResult.SUCCESS:
            if not self._lost:
                log.warning(
                    "no traces can be sent to %s, and they are lost meanwhile; nothing else is. Look after the "
                    "collector, or change TOROKU_OTLP_ENDPOINT",
                    self._endpoint,
                )
            self._lost += len(spans)
        elif self._lost:
            log.info("traces are sent to %s again; %s spans were lost", self._endpoint, self._lost)
            self._lost = 0
        return result

    def shutdown(self) -> None:
        """Breaks off what is being sent."""
        self._inside.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Sends what waits; here nothing does."""
        return self._inside.force_flush(timeout_millis)


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
