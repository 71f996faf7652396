"""An OpenTelemetry collector that keeps the spans of all services in memory or, run as a program, prints them.

It imports nothing of the tests, because a container has only this file and the packages of a service.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from typing_extensions import override


@dataclass(slots=True)
class CollectedSpans:
    """The received spans, each with the name of its service."""

    endpoint: str
    spans: list[tuple[str, Span]] = field(default_factory=list)
    # The resource attributes of each batch: what its process says about itself.
    resources: list[dict[str, str]] = field(default_factory=list)

    def of_trace(self, trace_id: bytes) -> list[tuple[str, Span]]:
        """Returns the spans of one trace."""
        return [(service, span) for service, span in self.spans if span.trace_id == trace_id]


class _Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, collected: CollectedSpans) -> None:
        self._collected = collected

    @override
    async def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: object
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            attributes = {item.key: item.value.string_value for item in resource.resource.attributes}
            self._collected.resources.append(attributes)
            for scope in resource.scope_spans:
                self._collected.spans.extend((attributes["service.name"], span) for span in scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()


@asynccontextmanager
async def trace_collector(listen: str = "127.0.0.1:0") -> AsyncIterator[CollectedSpans]:
    """Collects until the block ends, by default at a free loopback port."""
    server = grpc.aio.server()
    collected = CollectedSpans(f"{listen.rpartition(':')[0]}:{server.add_insecure_port(listen)}")
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Collector(collected), server)  # type: ignore[no-untyped-call]  # generated code without types
    await server.start()
    try:
        yield collected
    finally:
        await server.stop(0)


async def print_spans(listen: str) -> None:
    """Prints a line `<trace id> <service> <name>` for each span until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with trace_collector(listen) as collected:
        while not stop.is_set():
            spans, collected.spans[:] = list(collected.spans), []
            for service, span in spans:
                print(span.trace_id.hex(), service, span.name, flush=True)
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(print_spans(sys.argv[1]))
