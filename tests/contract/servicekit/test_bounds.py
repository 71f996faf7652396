"""What a listener admits: connections, streams, calls, and how long a connection may say nothing."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from refusals.status import from_rpc_error
from servicekit.credentials import create_channel_credentials
from tests.support.echo_service import (
    OPTIONS,
    PUBLIC_BOUNDS,
    SERVICE,
    EchoService,
    EchoStub,
    echo_stub,
    request,
    running_echo_service,
)
from tests.support.scrape import scrape
from tests.support.waiting import wait_until

ASK_PUBLICLY = f"/{SERVICE}/AskPublicly"


@asynccontextmanager
async def connection(echo: EchoService) -> AsyncIterator[grpc.aio.Channel]:
    """Opens a connection of its own to the public listener."""
    assert echo.own.trusted is not None
    credentials = grpc.ssl_channel_credentials(echo.own.trusted.read_bytes())
    options = (
        ("grpc.ssl_target_name_override", "public"),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
    )
    async with grpc.aio.secure_channel(echo.public, credentials, options) as channel:
        yield channel


async def answer_of(channel: grpc.aio.Channel, behaviour: str = "") -> str:
    """The answer of the public method."""
    return str((await EchoStub(channel).ask_publicly(request(behaviour=behaviour), timeout=60)).value)


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Opens a TCP connection that says nothing."""
    host, _, port = address.partition(":")
    return await asyncio.open_connection(host, int(port))


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Returns whether the other side closed the connection, whatever it sent before; waits a moment for it."""
    try:
        async with asyncio.timeout(0.2):
            await reader.read()
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


async def test_connection_has_at_most_so_many_streams(tmp_path: Path) -> None:
    most = PUBLIC_BOUNDS.streams_per_connection
    async with running_echo_service(tmp_path) as echo, connection(echo) as greedy, connection(echo) as modest:
        # With its first answer the client knows the bound.
        await answer_of(greedy)
        calls = [asyncio.ensure_future(answer_of(greedy, "wait")) for _ in range(most + 20)]

        async def have_entered() -> bool:
            return echo.servicer.calls >= 1 + most

        await wait_until(have_entered, echo.running)
        for _ in range(10):
            assert await answer_of(modest) == "anyone anyone"
        assert echo.servicer.calls == 1 + most + 10
        echo.servicer.leave.set()
        # The others waited at the client, or were refused by HTTP/2 when they came too early.
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert answers.count("anyone anyone") >= most
        for refused in answers:
            assert refused == "anyone anyone" or "RST_STREAM" in str(refused)


async def test_calls_beyond_the_bound_are_refused_counted_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bounds = replace(PUBLIC_BOUNDS, concurrent_calls=3)
    async with running_echo_service(tmp_path, public_bounds=bounds) as echo, connection(echo) as channel:
        running = [asyncio.ensure_future(answer_of(channel, "wait")) for _ in range(3)]

        async def have_entered() -> bool:
            return echo.servicer.calls == 3

        await wait_until(have_entered, echo.running)
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await answer_of(channel)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert from_rpc_error(refused.value).reason == "SERVER_BUSY"
        # The bound is the listener's own.
        async with echo_stub(echo.internal, echo.services.service("front-door")) as inside:
            assert (await inside.ask(request())).value == "service front-door"
        echo.servicer.leave.set()
        assert await asyncio.gather(*running) == ["anyone anyone"] * 3
        assert await answer_of(channel) == "anyone anyone"
        found = await scrape(echo.metrics)
        assert found.value("toroku_calls_total", method=ASK_PUBLICLY, outcome="SERVER_BUSY") == 2
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == ["public listener: more than 3 calls at a time, further ones are refused"]


async def test_connections_beyond_the_bound_are_closed_at_once(tmp_path: Path) -> None:
    bounds = replace(PUBLIC_BOUNDS, connections=5, handshake_timeout=60)
    async with running_echo_service(tmp_path, public_bounds=bounds) as echo, AsyncExitStack() as stack:
        opened = [await connect(echo.public) for _ in range(12)]
        for _, writer in opened:
            stack.callback(writer.close)

        async def are_closed() -> bool:
            return sum([await is_closed(reader) for reader, _ in opened]) == 7

        await wait_until(are_closed, echo.running)
        for _, writer in opened:
            writer.close()

        async def is_answering() -> bool:
            async with connection(echo) as channel:
                try:
                    return await answer_of(channel) == "anyone anyone"
                except grpc.aio.AioRpcError:
                    return False

        await wait_until(is_answering, echo.running)


@pytest.mark.parametrize("with_tls", [False, True], ids=["silent", "silent after TLS"])
async def test_connection_without_a_handshake_is_closed(tmp_path: Path, with_tls: bool) -> None:
    bounds = replace(PUBLIC_BOUNDS, handshake_timeout=1)
    async with running_echo_service(tmp_path, public_bounds=bounds) as echo:
        reader, writer = await connect(echo.public)
        if with_tls:
            context = ssl.create_default_context(cafile=str(echo.own.trusted))
            context.set_alpn_protocols(["h2"])
            await writer.start_tls(context, server_hostname="public")

        async def ends() -> bool:
            return await is_closed(reader)

        await wait_until(ends, echo.running)
        writer.close()


@pytest.mark.parametrize("listener", ["public", "internal"])
async def test_idle_connection_is_closed_and_the_next_call_opens_another(tmp_path: Path, listener: str) -> None:
    bounds = replace(PUBLIC_BOUNDS, idle_timeout=1)
    async with running_echo_service(tmp_path, public_bounds=bounds, idle_timeout=1) as echo:
        if listener == "public":
            async with connection(echo) as channel:
                await _outlive(channel, lambda: answer_of(channel))
        else:
            files = echo.services.service("front-door")
            async with grpc.aio.secure_channel(echo.internal, create_channel_credentials(files), OPTIONS) as channel:
                stub = EchoStub(channel)
                await _outlive(channel, lambda: stub.ask(request()))


async def _outlive(channel: grpc.aio.Channel, call: Callable[[], Any]) -> None:
    """Makes a call, waits until the server ends the connection, and makes another."""
    await call()
    state = channel.get_state()
    assert state is grpc.ChannelConnectivity.READY
    async with asyncio.timeout(30):
        await channel.wait_for_state_change(state)
    await call()


async def test_health_port_closes_connections_beyond_its_bound(tmp_path: Path) -> None:
    async with running_echo_service(tmp_path) as echo, AsyncExitStack() as stack:
        opened = []
        for _ in range(120):
            reader, writer = await connect(echo.health)
            stack.callback(writer.close)
            opened.append(reader)

        async def is_bounded() -> bool:
            closed = await asyncio.gather(*(is_closed(reader) for reader in opened))
            return sum(closed) >= 20

        await wait_until(is_bounded, echo.running)
