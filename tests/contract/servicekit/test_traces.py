"""Traces over real OTLP: the resource of spans, and the effects of an unreachable collector."""

import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from servicekit.release import VERSION
from servicekit.span_export import LAST_ATTEMPT
from servicekit.telemetry import Telemetry, span
from tests.support.infrastructure.trace_collector import trace_collector
from tests.support.scrape import free_address
from tests.support.waiting import wait_until

# More than the queue of pending spans holds.
CROWD = 5_000


def make_calls(telemetry: Telemetry, count: int) -> float:
    """Makes traced calls; returns the seconds they took."""
    began = time.perf_counter()
    for _ in range(count):
        with telemetry.server_span("call", ""), span("inner"):
            pass
    return time.perf_counter() - began


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """All log records."""
    return [(record.levelname, record.getMessage()) for record in caplog.records]


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Restores the loggers' levels, which Telemetry changes; this process creates several."""
    names = ("opentelemetry.exporter", "opentelemetry.sdk")
    before = [logging.getLogger(name).level for name in names]
    yield
    for name, level in zip(names, before, strict=True):
        logging.getLogger(name).setLevel(level)


async def test_span_names_service_version_and_instance() -> None:
    async with trace_collector() as collected:
        telemetry = Telemetry.start("certificate-registry", collected.endpoint, 1, instance="saitama")
        make_calls(telemetry, 1)
        await asyncio.to_thread(telemetry.stop)
        (resource,) = collected.resources
        assert resource == {
            "service.name": "certificate-registry",
            "service.namespace": "saitama",
            "service.version": VERSION,
        }
        assert sorted(span.name for _, span in collected.spans) == ["call", "inner"]


async def test_unreachable_collector_delays_no_calls_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    address = free_address()
    with caplog.at_level(logging.INFO):
        telemetry = Telemetry.start("certificate-registry", address, 1, instance="saitama")
        # A call takes about 50 microseconds, an attempt to send takes seconds.
        assert make_calls(telemetry, CROWD) < 5
        await wait_until(lambda: _said_something(caplog))
        make_calls(telemetry, CROWD)
        began = time.perf_counter()
        await asyncio.to_thread(telemetry.stop)
        assert time.perf_counter() - began < LAST_ATTEMPT + 2
    ((level, message),) = said(caplog)
    assert level == "WARNING"
    assert address in message
    assert "TOROKU_OTLP_ENDPOINT" in message


async def test_collector_that_never_answers_does_not_delay_the_stop(caplog: pytest.LogCaptureFixture) -> None:
    with _silent_server() as address, caplog.at_level(logging.INFO):
        telemetry = Telemetry.start("certificate-registry", address, 1, instance="saitama")
        make_calls(telemetry, CROWD)
        began = time.perf_counter()
        await asyncio.to_thread(telemetry.stop)
        assert time.perf_counter() - began < LAST_ATTEMPT + 2
    assert len(said(caplog)) <= 1


async def test_recovered_collector_gets_traces_again_and_the_loss_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    address = free_address()
    with caplog.at_level(logging.INFO):
        telemetry = Telemetry.start("certificate-registry", address, 1, instance="saitama")
        make_calls(telemetry, 2)
        await wait_until(lambda: _said_something(caplog))
        async with trace_collector(address) as collected:
            make_calls(telemetry, 1)

            async def arrived() -> bool:
                return bool(collected.spans)

            await wait_until(arrived)
            await asyncio.to_thread(telemetry.stop)
    (_, lost), (level, back) = said(caplog)
    assert (level, back) == ("INFO", f"traces are sent to {address} again; 4 spans were lost")
    assert "lost" in lost


async def test_without_an_endpoint_nothing_is_traced_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = Telemetry.start("certificate-registry", "", 1, instance="saitama")
    with telemetry.server_span("call", ""), span("inner") as started:
        assert started is None
    telemetry.stop()
    assert said(caplog) == []


async def _said_something(caplog: pytest.LogCaptureFixture) -> bool:
    return bool(caplog.records)


@contextmanager
def _silent_server() -> Iterator[str]:
    """An address that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
