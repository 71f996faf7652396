"""What a listener admits: connections, streams, calls, and how long a connection may say nothing."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from refusals import Code
from refusals.status import from_rpc_error
from servicekit import connections
from servicekit.credentials import create_channel_credentials
from servicekit.token_buckets import Rate
from tests.support.echo_service import (
    OPTIONS,
    PUBLIC_BOUNDS,
    SERVICE,
    STRANGERS_BOUNDS,
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


async def test_connections_are_those_of_the_scrape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between scrapes nothing reads the table of all connections of the machine, unless a listener may be full."""
    monkeypatch.setattr(connections, "LOOK_INTERVAL", 3600)
    async with running_echo_service(tmp_path) as echo, AsyncExitStack() as stack:

        async def are_shown(number: int) -> bool:
            return (await scrape(echo.metrics)).value("toroku_connections", listener="public") == number

        for number in (0, 1, 2):
            await wait_until(partial(are_shown, number), echo.running)
            stack.callback((await connect(echo.public))[1].close)


async def test_open_files_are_counted() -> None:
    before = await connections.count_open_files()
    first, second = socket.socketpair()
    with first, second:
        assert await connections.count_open_files() == before + 2
    assert await connections.count_open_files() == before


async def test_connections_at_their_bound_are_shown_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LOOK_INTERVAL", 0.05)
    bounds = replace(PUBLIC_BOUNDS, connections=5, handshake_timeout=60)
    async with running_echo_service(tmp_path, public_bounds=bounds) as echo, AsyncExitStack() as stack:
        opened = [(await connect(echo.public))[1] for _ in range(4)]
        for writer in opened:
            stack.callback(writer.close)

        async def open_connections() -> float:
            return (await scrape(echo.metrics)).value("toroku_connections", listener="public")

        async def are_four() -> bool:
            return await open_connections() == 4

        await wait_until(are_four, echo.running)
        assert (await scrape(echo.metrics)).value("toroku_most_connections", listener="public") == 5
        assert not [record for record in caplog.records if record.levelno == logging.WARNING]
        stack.callback((await connect(echo.public))[1].close)

        async def is_full() -> bool:
            return await open_connections() == 5

        await wait_until(is_full, echo.running)

        async def is_logged() -> bool:
            return any(record.levelno == logging.WARNING for record in caplog.records)

        await wait_until(is_logged, echo.running)
        for writer in opened:
            writer.close()

        async def is_one() -> bool:
            return await open_connections() == 1

        await wait_until(is_one, echo.running)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == ["public listener: all 5 connections are open, further ones are closed"]


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


@asynccontextmanager
async def silent_calls(channel: grpc.aio.Channel, count: int) -> AsyncIterator[list[Any]]:
    """Begins calls without sending their requests."""
    call: Any = channel.stream_unary(ASK_PUBLICLY, None, StringValue.FromString)
    calls = [call() for _ in range(count)]
    try:
        yield calls
    finally:
        for begun in calls:
            begun.cancel()


async def test_call_that_sends_no_request_is_ended_in_time_and_counted(tmp_path: Path) -> None:
    bounds = replace(STRANGERS_BOUNDS, request_timeout=1)
    async with (
        running_echo_service(tmp_path, strangers=bounds) as echo,
        connection(echo) as channel,
        silent_calls(channel, 3) as calls,
    ):
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await asyncio.wait_for(call, 30)
            assert from_rpc_error(ended.value).reason == "REQUEST_NOT_RECEIVED"
        assert await answer_of(channel) == "anyone anyone"
        found = await scrape(echo.metrics)
        assert found.value("toroku_calls_total", method=ASK_PUBLICLY, outcome="REQUEST_NOT_RECEIVED") == 3
        assert found.value("toroku_calls_total", method=ASK_PUBLICLY, outcome="OK") == 1


async def test_call_that_ends_without_a_request_is_refused(tmp_path: Path) -> None:
    async with (
        running_echo_service(tmp_path) as echo,
        connection(echo) as channel,
        silent_calls(channel, 1) as (call,),
    ):
        await call.done_writing()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await asyncio.wait_for(call, 30)
        assert from_rpc_error(ended.value).reason == "REQUEST_NOT_RECEIVED"


async def test_silent_calls_are_bounded_and_shut_nobody_out(tmp_path: Path) -> None:
    bounds = replace(STRANGERS_BOUNDS, silent_calls=10)
    async with (
        running_echo_service(tmp_path, strangers=bounds) as echo,
        connection(echo) as silent,
        connection(echo) as modest,
        silent_calls(silent, 60) as calls,
    ):

        async def are_bounded() -> bool:
            return sum(bool(call.done()) for call in calls) >= 50

        await wait_until(are_bounded, echo.running)
        for _ in range(30):
            assert await answer_of(modest) == "anyone anyone"
        assert sum(not call.done() for call in calls) <= 10


async def test_request_that_comes_late_is_answered(tmp_path: Path) -> None:
    async with (
        running_echo_service(tmp_path) as echo,
        connection(echo) as channel,
        silent_calls(channel, 1) as (late,),
    ):
        await late.wait_for_connection()
        for _ in range(10):
            assert await answer_of(channel) == "anyone anyone"
        await late.write(request().SerializeToString())
        await late.done_writing()
        assert (await late).value == "anyone anyone"


async def test_silent_calls_take_no_place_of_calls_that_are_answered(tmp_path: Path) -> None:
    bounds = replace(PUBLIC_BOUNDS, concurrent_calls=3)
    async with (
        running_echo_service(tmp_path, public_bounds=bounds) as echo,
        connection(echo) as silent,
        connection(echo) as modest,
        silent_calls(silent, 20),
    ):
        for _ in range(5):
            assert await answer_of(modest) == "anyone anyone"


@asynccontextmanager
async def connection_from(echo: EchoService, source: str) -> AsyncIterator[grpc.aio.Channel]:
    """Opens a connection whose address is `source`: through a relay, which binds there before it connects."""
    host, _, port = echo.public.partition(":")

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection(host, int(port), local_addr=(source, 0))
        await asyncio.gather(_copy(reader, onward_writer), _copy(onward_reader, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    async with server, connection(replace(echo, public=f"{address[0]}:{address[1]}")) as channel:
        yield channel


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()


async def test_source_that_calls_too_often_is_refused_and_another_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bounds = replace(STRANGERS_BOUNDS, source_rate=Rate(burst=5, per_second=0.02))
    async with (
        running_echo_service(tmp_path, strangers=bounds) as echo,
        connection_from(echo, "127.0.0.2") as flood,
        connection_from(echo, "127.0.0.1") as modest,
    ):
        for _ in range(5):
            assert await answer_of(flood) == "anyone anyone"
        for _ in range(2):
            # What a caller writes about its address is not read.
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await EchoStub(flood).ask_publicly(
                    request(), metadata=(("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=192.0.2.7"))
                )
            refusal = from_rpc_error(refused.value)
            assert (refusal.reason, refusal.code) == ("TOO_MANY_CALLS", Code.RESOURCE_EXHAUSTED)
            assert 0 < int(refusal.metadata["retry_after_seconds"]) <= 50
        assert await answer_of(modest) == "anyone anyone"
        # Callers inside do not count, whatever their address.
        async with echo_stub(echo.internal, echo.services.service("front-door")) as inside:
            for _ in range(10):
                await inside.ask(request())
        found = await scrape(echo.metrics)
        assert found.value("toroku_calls_total", method=ASK_PUBLICLY, outcome="TOO_MANY_CALLS") == 2
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == ["public listener: a source calls more often than it may, further calls are refused"]


async def test_sources_are_not_counted_where_they_are_not_seen(tmp_path: Path) -> None:
    async with running_echo_service(tmp_path) as echo, connection(echo) as channel:
        for _ in range(300):
            assert await answer_of(channel) == "anyone anyone"
