"""Traces continue into the calls and jobs that a call causes, and unsampled calls have no span."""

import contextvars

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from servicekit.telemetry import Telemetry, span, trace_id, traceparent


def in_memory(sampling: float) -> tuple[Telemetry, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Telemetry(provider, sampling), exporter


def test_sampled_call_has_a_span_below_the_callers_span() -> None:
    telemetry, exporter = in_memory(0)

    def call() -> str:
        with telemetry.server_span("call", f"00-{'1' * 32}-{'2' * 16}-01"), span("inner"):
            return traceparent()

    onward = contextvars.copy_context().run(call)
    inner, outer = exporter.get_finished_spans()
    assert (inner.name, outer.name) == ("inner", "call")
    assert inner.parent is not None
    assert outer.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert outer.parent.span_id == int("2" * 16, 16)
    assert onward == f"00-{'1' * 32}-{inner.context.span_id:016x}-01"


def test_call_that_its_caller_did_not_sample_has_no_span() -> None:
    telemetry, exporter = in_memory(1)

    def call() -> str:
        with telemetry.server_span("call", f"00-{'1' * 32}-{'2' * 16}-00"), span("inner"):
            return traceparent()

    assert contextvars.copy_context().run(call) == f"00-{'1' * 32}-{'2' * 16}-00"
    assert exporter.get_finished_spans() == ()


def test_call_without_a_trace_begins_one_and_decides_on_sampling() -> None:
    telemetry, exporter = in_memory(1)

    def call(header: str) -> str:
        with telemetry.server_span("call", header):
            return f"{trace_id()} {traceparent()[-2:]}"

    trace, flags = contextvars.copy_context().run(call, "").split()
    assert int(flags, 16) & 1
    assert f"{exporter.get_finished_spans()[0].context.trace_id:032x}" == trace
    assert contextvars.copy_context().run(call, "no trace at all")[-1] in "13"


def test_stranger_cannot_force_sampling() -> None:
    telemetry, exporter = in_memory(0)

    def call() -> str:
        with telemetry.server_span("call", f"00-{'1' * 32}-{'2' * 16}-01", decided=False):
            return traceparent()

    assert contextvars.copy_context().run(call) == f"00-{'1' * 32}-{'2' * 16}-00"
    assert exporter.get_finished_spans() == ()
