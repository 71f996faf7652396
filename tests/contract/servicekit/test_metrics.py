"""Metrics of a running service's calls, over real gRPC and scraped over real HTTP."""

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from servicekit.credentials import CertificateFiles, create_channel_credentials
from servicekit.metrics import Metrics
from servicekit.metrics_server import IDLE_TIMEOUT, MOST_CONNECTIONS
from servicekit.release import VERSION
from tests.support.echo_service import (
    NAME,
    OPTIONS,
    SECRET,
    SERVICE,
    EchoService,
    echo_stub,
    request,
    running_echo_service,
)
from tests.support.in_process import Authority
from tests.support.scrape import Scrape, find_secrets, metrics_settings, scrape
from tests.support.waiting import wait_until

METHODS = {f"/{SERVICE}/{name}" for name in ("Ask", "Follow", "Talk", "Gather", "AskPublicly")}
ASK = f"/{SERVICE}/Ask"
_RENEWED_UNTIL = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)
LABELS = {
    "toroku_build_info": {frozenset({"service", "component", "version"})},
    "toroku_own_certificate_expires_timestamp_seconds": {frozenset({"use"})},
    "toroku_calls_total": {frozenset({"method", "outcome"})},
    "toroku_call_seconds_bucket": {frozenset({"method", "le"})},
    "toroku_call_seconds_count": {frozenset({"method"})},
    "toroku_call_seconds_sum": {frozenset({"method"})},
    "toroku_broken_glass_calls_total": {frozenset()},
    "toroku_connections": {frozenset({"listener"})},
    "toroku_most_connections": {frozenset({"listener"})},
}


@pytest.fixture
async def echo(tmp_path: Path) -> AsyncIterator[EchoService]:
    async with running_echo_service(tmp_path) as opened:
        yield opened


def outcomes(found: Scrape, method: str = ASK) -> dict[str, float]:
    """The counts of a method's calls by outcome, without zeros."""
    return {
        dict(labels)["outcome"]: count
        for labels, count in found.samples["toroku_calls_total"].items()
        if dict(labels)["method"] == method and count
    }


async def counted(echo: EchoService, calls: int) -> Scrape:
    """The metrics as soon as `calls` calls are counted, which is after their answers."""

    async def all_ended() -> bool:
        found = await scrape(echo.metrics)
        return sum(found.by_label("toroku_call_seconds_count", "method").values()) >= calls

    await wait_until(all_ended, echo.running)
    return await scrape(echo.metrics)


async def test_calls_are_counted_by_method_and_outcome(echo: EchoService) -> None:
    async with echo_stub(echo.internal, echo.services.service("front-door")) as stub:
        for _ in range(3):
            await stub.ask(request(), timeout=10)
        for behaviour in ("refuse", "fail"):
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.ask(request(behaviour=behaviour), timeout=10)
        assert [answer.value async for answer in stub.follow(request(), timeout=10)]
        left = stub.ask(request(behaviour="wait"), timeout=10)
        await echo.servicer.entered.wait()
        left.cancel()
    async with echo_stub(echo.internal, echo.services.service("agency-sync")) as stub:
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.ask(request(), timeout=10)
    found = await counted(echo, 8)
    assert outcomes(found) == {
        "OK": 3,
        "FIELDS_INVALID": 1,
        "INTERNAL_FAILURE": 1,
        "CALLER_NOT_ALLOWED": 1,
        "CANCELLED": 1,
    }
    assert outcomes(found, f"/{SERVICE}/Follow") == {"OK": 1}
    assert found.value("toroku_call_seconds_count", method=ASK) == 7
    assert 0 < found.value("toroku_call_seconds_sum", method=ASK) < 60


async def test_labels_are_the_documented_ones_and_methods_are_shown_before_their_first_call(echo: EchoService) -> None:
    found = await scrape(echo.metrics)
    assert found.labels() == LABELS
    assert set(found.by_label("toroku_calls_total", "method")) == METHODS
    assert found.value("toroku_build_info", service=NAME, component="server", version=VERSION) == 1
    assert found.samples["process_resident_memory_bytes"]


async def test_unknown_method_makes_no_series(echo: EchoService) -> None:
    before = await scrape(echo.metrics)
    files = echo.services.service("front-door")
    async with grpc.aio.secure_channel(echo.internal, create_channel_credentials(files), OPTIONS) as channel:
        for method in (f"/{SERVICE}/Invented", "/a.b/C", "/grpc.reflection.v1alpha.ServerReflection/Invented"):
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary(method, bytes, bytes)(b"", timeout=10)
    async with echo_stub(echo.internal, files) as stub:
        await stub.ask(request(), timeout=10)
    after = await counted(echo, 1)
    assert after.labels() == before.labels()
    assert set(after.by_label("toroku_calls_total", "method")) == METHODS


async def test_metrics_contain_nothing_of_requests_or_errors(echo: EchoService) -> None:
    async with echo_stub(echo.internal, echo.services.service("front-door")) as stub:
        for behaviour in ("refuse", "fail", "株式会社見本建設"):
            try:
                await stub.ask(request("川口市", behaviour, b"123456"), timeout=10)
            except grpc.aio.AioRpcError:
                continue
    found = await counted(echo, 3)
    assert find_secrets(found.text, ["川口市", "株式会社見本建設", "123456", SECRET, "hunter2"]) == []


async def test_counts_are_logged_when_the_service_stops(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with running_echo_service(tmp_path) as echo:
            async with echo_stub(echo.internal, echo.services.service("front-door")) as stub:
                await stub.ask(request(), timeout=10)
            await counted(echo, 1)
    assert [line for line in caplog.messages if line.startswith("calls:")] == [f"calls: {ASK} OK: 1"]


async def test_metrics_port_is_closed_after_the_stop(tmp_path: Path) -> None:
    async with running_echo_service(tmp_path) as echo:
        await scrape(echo.metrics)
    with pytest.raises(OSError, match="refused"):
        await scrape(echo.metrics)


async def test_silent_connections_do_not_fill_the_metrics_port(echo: EchoService) -> None:
    host, _, port = echo.metrics.partition(":")
    silent = [socket.create_connection((host, int(port)), timeout=20) for _ in range(600)]
    try:

        async def has_few_threads() -> bool:
            threads = [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]
            return len(threads) <= MOST_CONNECTIONS

        # A scrape gets in although nobody left, and comes after all of them.
        await scrape(echo.metrics)
        await wait_until(has_few_threads, echo.running)
    finally:
        for connection in silent:
            connection.close()


@pytest.mark.parametrize("sent", [b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\n"], ids=["nothing", "half", "a line"])
async def test_connection_that_stops_sending_is_closed_without_a_traceback(
    echo: EchoService, sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    host, _, port = echo.metrics.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    async with asyncio.timeout(4 * IDLE_TIMEOUT):
        assert await reader.read() == b""
    writer.close()
    assert (await scrape(echo.metrics)).samples["process_resident_memory_bytes"]
    assert "Traceback" not in capfd.readouterr().err


async def test_occupied_port_is_reported_with_its_setting(tmp_path: Path) -> None:
    settings = metrics_settings(tmp_path)
    host, _, port = settings.metrics_listen.partition(":")
    with socket.create_server((host, int(port))), pytest.raises(OSError, match="TOROKU_METRICS_LISTEN.*" + port):
        async with Metrics.open(NAME, settings):
            pytest.fail("the metrics must not open")


async def test_metrics_are_not_served_without_an_address(tmp_path: Path) -> None:
    settings = metrics_settings(tmp_path)
    async with Metrics.open(NAME, settings.model_copy(update={"metrics_listen": ""})):
        with pytest.raises(OSError, match="refused"):
            await scrape(settings.metrics_listen)


async def test_expiry_of_the_own_certificate_is_shown_and_follows_a_renewal(tmp_path: Path) -> None:
    def end_of(files: CertificateFiles) -> float:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        return certificate.not_valid_after_utc.timestamp()

    settings = metrics_settings(tmp_path)
    name = "toroku_own_certificate_expires_timestamp_seconds"
    async with Metrics.open(NAME, settings) as metrics:
        own = CertificateFiles(settings.certificate, settings.private_key, None)
        assert (await scrape(settings.metrics_listen)).value(name, use="service") == end_of(own)
        assert end_of(own) > datetime.now(UTC).timestamp()
        (tmp_path / "public").mkdir()
        public = Authority(tmp_path / "public", "example").service("public")
        metrics.watch_certificate("public", public.certificate)
        assert (await scrape(settings.metrics_listen)).by_label(name, "use") == {
            "service": end_of(own),
            "public": end_of(public),
        }
        settings.certificate.write_bytes(_renewed())
        renewed = await scrape(settings.metrics_listen)
        assert renewed.value(name, use="service") == end_of(own) == _RENEWED_UNTIL.timestamp()
        settings.certificate.write_text("half a fi")
        assert (await scrape(settings.metrics_listen)).by_label(name, "use") == {"public": end_of(public)}


def _renewed() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "renewed")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(_RENEWED_UNTIL)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


async def test_concurrent_scrapes_and_calls_are_counted_consistently(echo: EchoService) -> None:
    async with echo_stub(echo.internal, echo.services.service("front-door")) as stub:

        async def ask() -> None:
            for _ in range(50):
                await stub.ask(request(), timeout=10)

        async def look() -> None:
            for _ in range(20):
                found = await scrape(echo.metrics)
                counts = found.samples["toroku_call_seconds_bucket"]
                last = counts[frozenset({("method", ASK), ("le", "+Inf")})]
                assert last == found.value("toroku_call_seconds_count", method=ASK)

        await asyncio.gather(*(ask() for _ in range(4)), *(look() for _ in range(3)))
    assert outcomes(await counted(echo, 200)) == {"OK": 200}
