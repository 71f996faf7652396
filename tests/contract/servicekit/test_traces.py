"""Traces over real OTLP: what a span says of its service, and what a collector that is away costs."""

import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from servicekit.release import VERSION
from servicekit.telemetry import LAST_ATTEMPT, Telemetry, span
from tests.support.infrastructure.trace_collector import trace_collector
from tests.support.scrape import free_address
from tests.support.waiting import wait_until

# As many as fill the queue of spans that wait, and more.
CROWD = 5_000


def make_calls(telemetry: Telemetry, count: int) -> float:
    """Calls that are all traced; gives the seconds they took."""
    began = time.perf_counter()
    for _ in range(count):
        with telemetry.server_span("call", ""), span("inner"):
            pass
    return time.perf_counter() - began


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What reached the log, from whomever."""
    return [(record.levelname, record.getMessage()) for record in caplog.records]


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """The loggers' levels as they were; a process has one Telemetry, but this one has many."""
    names = ("opentelemetry.exporter", "opentelemetry.sdk")
    before = [logging.getLogger(name).level for name in names]
    yield
    for name, level in zip(names, before, strict=True):
        logging.getLogger(name).setLevel(level)


async def test_a_span_says_of_which_service_version_and_instance_it_is() -> None:
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


async def test_a_collector_that_is_away_neither_holds_up_calls_nor_fills_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    address = free_address()
    with caplog.at_level(logging.INFO):
        telemetry = Telemetry.start("certificate-registry", address, 1, instance="saitama")
        # About 50 microseconds a call; a try to send takes seconds.
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


async def test_a_collector_that_takes_nothing_in_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    with _deaf() as address, caplog.at_level(logging.INFO):
        telemetry = Telemetry.start("certificate-registry", address, 1, instance="saitama")
        make_calls(telemetry, CROWD)
        began = time.perf_counter()
        await asyncio.to_thread(telemetry.stop)
        assert time.perf_counter() - began < LAST_ATTEMPT + 2
    assert len(said(caplog)) <= 1


async def test_when_the_collector_is_back_traces_go_on_and_the_loss_is_told(caplog: pytest.LogCaptureFixture) -> None:
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


async def test_without_an_endpoint_nothing_is_traced_and_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = Telemetry.start("certificate-registry", "", 1, instance="saitama")
    with telemetry.server_span("call", ""), span("inner") as started:
        assert started is None
    telemetry.stop()
    assert said(caplog) == []


async def _said_something(caplog: pytest.LogCaptureFixture) -> bool:
    return bool(caplog.records)


@contextmanager
def _deaf() -> Iterator[str]:
    """An address that takes connections and never answers on them."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
