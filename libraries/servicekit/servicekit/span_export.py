"""The sending of spans to an OTLP endpoint. Only a process that has one imports this: the SDK takes 5 MB."""

import logging
import threading
from collections.abc import Mapping, Sequence

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from typing_extensions import override

log = logging.getLogger(__name__)

# Seconds that an ending process tries to send the remaining spans.
LAST_ATTEMPT = 3.0


class SpanExport:
    """The spans of one process, with the `attributes` of its resource, sent to an endpoint (host:port, plain)."""

    def __init__(self, attributes: Mapping[str, str], endpoint: str) -> None:
        # No automatic shutdown, which could take half a minute while the endpoint is unreachable.
        self.provider = TracerProvider(resource=Resource(attributes), shutdown_on_exit=False)
        self._exporter = _Exporter(OTLPSpanExporter(endpoint=endpoint, insecure=True), endpoint)
        self.provider.add_span_processor(BatchSpanProcessor(self._exporter))

    def stop(self) -> None:
        """Sends the remaining spans, for at most three seconds."""
        giving_up = threading.Timer(LAST_ATTEMPT, self._exporter.shutdown)
        giving_up.daemon = True
        giving_up.start()
        self.provider.shutdown()
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
