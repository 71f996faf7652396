"""A running service: reflection, the size limit of requests, readiness and stop."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from refusals import Code, Refusal
from refusals.status import from_rpc_error
from servicekit import schema
from servicekit.credentials import CertificateFiles, create_channel_credentials
from servicekit.database import Database
from servicekit.readiness import LIVE
from servicekit.request_sizes import MOST_BYTES, build_size_table
from tests.support.echo_service import (
    DESCRIPTOR,
    MOST_ASKED_BYTES,
    MOST_GATHERED_BYTES,
    OPTIONS,
    SERVICE,
    EchoService,
    EchoStub,
    echo_stub,
    read_health,
    request,
    running_echo_service,
)
from tests.support.in_process import calling
from tests.support.waiting import wait_until
from toroku.access.v1 import access_pb2

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def echo(tmp_path: Path) -> AsyncIterator[EchoService]:
    async with running_echo_service(tmp_path) as opened:
        yield opened


async def reflected(channel: grpc.aio.Channel, **asked: str) -> reflection_pb2.ServerReflectionResponse:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    answers = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**asked)]), timeout=10)
    async for answer in answers:
        return answer
    raise AssertionError("the server closed the stream without an answer")


def public_channel(echo: EchoService) -> grpc.aio.Channel:
    assert echo.own.trusted is not None
    credentials = grpc.ssl_channel_credentials(echo.own.trusted.read_bytes())
    return grpc.aio.secure_channel(echo.public, credentials, (("grpc.ssl_target_name_override", "public"),))


async def test_reflection_at_internal_and_agency_listeners_shows_methods_and_access(echo: EchoService) -> None:
    agency = echo.agency_files(echo.agencies.agency("kawagoe-city"))
    for address, files in ((echo.internal, echo.services.service("agency-sync")), (echo.agency, agency)):
        async with grpc.aio.secure_channel(address, create_channel_credentials(files), OPTIONS) as channel:
            listed = await reflected(channel, list_services="")
            found = await reflected(channel, file_containing_symbol=SERVICE)
        names = {service.name for service in listed.list_services_response.service}
        assert names == {SERVICE, "grpc.reflection.v1alpha.ServerReflection"}
        shown = [
            descriptor_pb2.FileDescriptorProto.FromString(file)
            for file in found.file_descriptor_response.file_descriptor_proto
        ]
        (service,) = [service for file in shown if file.package == "tests.echo" for service in file.service]
        access = {method.name: method.options.Extensions[access_pb2.access] for method in service.method}
        assert set(access) == set(DESCRIPTOR.methods_by_name)
        assert list(access["Ask"].services) == ["front-door"]
        assert access["Ask"].own_agency_field == "agency"
        assert list(access["Talk"].officer_roles) == ["roster"]


async def test_public_listener_has_no_reflection(echo: EchoService) -> None:
    async with public_channel(echo) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await reflected(channel, list_services="")
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_unknown_method_is_unimplemented(echo: EchoService) -> None:
    files = echo.services.service("front-door")
    async with grpc.aio.secure_channel(echo.internal, create_channel_credentials(files), OPTIONS) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary(f"/{SERVICE}/Invented", None, None)(b"")
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_request_above_the_size_of_its_method_is_not_parsed(echo: EchoService) -> None:
    # A field of bytes with its tag and length.
    around = 10
    async with echo_stub(echo.internal, echo.services.service("front-door")) as stub:
        await stub.ask(request(filling=bytes(MOST_ASKED_BYTES - around)))
        async for _ in stub.follow(request(filling=bytes(MOST_BYTES - around))):
            pass
        assert echo.servicer.calls == 2
        # The listener takes what its largest method does; each method has a size of its own.
        refused: list[tuple[Any, int]] = [
            (stub.follow(request(filling=bytes(MOST_BYTES))), MOST_BYTES),
            (stub.talk(iter([request(filling=bytes(MOST_GATHERED_BYTES))])), MOST_GATHERED_BYTES),
        ]
        for call, most in refused:
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await anext(aiter(call))
            refusal = from_rpc_error(failed.value)
            assert (refusal.reason, refusal.code) == ("INPUT_TOO_LARGE", Code.INVALID_ARGUMENT)
            assert refusal.metadata == {"most": str(most)}
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.gather(iter([request(), request(filling=bytes(MOST_GATHERED_BYTES))]))
        assert from_rpc_error(failed.value).reason == "INPUT_TOO_LARGE"
        # What came before in a stream was answered.
        assert echo.servicer.calls == 4


async def test_request_above_the_largest_size_of_its_listener_is_refused_by_grpc(echo: EchoService) -> None:
    async with public_channel(echo) as channel:
        stub = EchoStub(channel)
        await stub.ask_publicly(request(filling=bytes(MOST_BYTES - 1024)))
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.ask_publicly(request(filling=bytes(MOST_BYTES)))
        assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert echo.servicer.calls == 1
    # The other listeners have methods with larger requests.
    async with echo_stub(echo.internal, echo.services.service("front-door")) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.ask(request(filling=bytes(MOST_ASKED_BYTES)))
    assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert echo.servicer.calls == 1


async def test_size_of_a_method_that_does_not_exist_prevents_the_start() -> None:
    with pytest.raises(LookupError, match=r"/tests\.echo\.Echo/Invented"):
        build_size_table([DESCRIPTOR], {f"/{SERVICE}/Invented": 1})


async def test_service_is_ready_while_its_database_answers_with_the_schema(
    tmp_path: Path, migrated_database: Callable[[str], str]
) -> None:
    dsn = migrated_database("agency_sync")
    async with (
        Database.open(dsn, pool=1) as database,
        running_echo_service(tmp_path, ready=schema.ready(database, "agency_sync")) as echo,
    ):

        async def says(state: int) -> bool:
            return bool(await read_health(echo.health) == state)

        await wait_until(lambda: says(SERVING), echo.running)
        with psycopg.connect(dsn, autocommit=True) as connection:
            (current,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
            connection.execute("UPDATE alembic_version SET version_num = '0000'")
            await wait_until(lambda: says(NOT_SERVING), echo.running)
            connection.execute("UPDATE alembic_version SET version_num = %s", [current])
            await wait_until(lambda: says(SERVING), echo.running)


async def test_service_without_its_database_runs_but_is_not_ready(tmp_path: Path) -> None:
    nowhere = f"postgresql://nobody@/nothing?host={tmp_path}"
    async with (
        Database.open(nowhere, pool=1) as database,
        running_echo_service(tmp_path, ready=schema.ready(database, "agency_sync")) as echo,
    ):
        assert await read_health(echo.health) == NOT_SERVING
        # It is live all the same: a restart would not repair its database.
        assert await read_health(echo.health, LIVE) == SERVING
        async with echo_stub(echo.internal, echo.services.service("front-door")) as stub:
            assert (await stub.ask(request())).value == "service front-door"


async def test_stop_lets_running_calls_finish_and_refuses_new_ones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="servicekit.server")
    async with running_echo_service(tmp_path) as echo:
        files = echo.services.service("front-door")
        async with echo_stub(echo.internal, files) as stub:
            await stub.ask(request())
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.ask(request(behaviour="refuse"))
            running = asyncio.ensure_future(_answer(stub.ask(request(behaviour="wait"))))
            stream = stub.follow(request(behaviour="wait"))
            assert (await stream.read()).value == "first"
            await echo.servicer.entered.wait()

            await echo.stop()
            await wait_until(lambda: _says_not_serving(echo), echo.running)
            await wait_until(lambda: _refuses_new_calls(echo, files), echo.running)
            assert not running.done()
            assert not echo.running.done()

            echo.servicer.leave.set()
            assert await running == "service front-door"
            assert (await stream.read()).value == "service front-door"
            await echo.running
    lines = {record.getMessage() for record in caplog.records}
    assert f"calls: /{SERVICE}/Ask OK: 2" in lines
    assert f"calls: /{SERVICE}/Ask FIELDS_INVALID: 1" in lines
    assert f"calls: /{SERVICE}/Follow OK: 1" in lines


async def test_call_that_outlasts_the_grace_period_is_cancelled(tmp_path: Path) -> None:
    async with (
        running_echo_service(tmp_path, stop_grace=0.2) as echo,
        echo_stub(echo.internal, echo.services.service("front-door")) as stub,
    ):
        running = asyncio.ensure_future(_answer(stub.ask(request(behaviour="wait"))))
        await echo.servicer.entered.wait()
        await echo.stop()
        async with asyncio.timeout(10):
            await echo.running
        with pytest.raises(grpc.aio.AioRpcError):
            await running


async def test_stub_reconnects_to_a_peer_that_restarted(tmp_path: Path) -> None:
    async with (
        running_echo_service(tmp_path) as echo,
        calling(echo.services.service("front-door"), echo=echo.internal) as peers,
    ):
        stub = peers.stub("echo", EchoStub)
        assert (await stub.ask(request())).value == "service front-door"
        await echo.stop()
        await echo.running
        with pytest.raises(Refusal, match="PEER_UNREACHABLE"):
            await stub.ask(request(), timeout=1)

        async def answers() -> bool:
            try:
                await stub.ask(request(), timeout=2)
            except Refusal:
                return False
            return True

        server = grpc.aio.server()
        echo.servicer.add_to(server)
        server.add_secure_port(echo.internal, _fixed_credentials(echo.own))
        await server.start()
        try:
            await wait_until(answers)
        finally:
            await server.stop(0)


def _fixed_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    chain, key, trusted = files.read()
    return grpc.ssl_server_credentials([(key, chain)], trusted, require_client_auth=True)


async def _answer(call: "grpc.aio.UnaryUnaryCall[object, object]") -> str:
    return str((await call).value)  # type: ignore[attr-defined]


async def _says_not_serving(echo: EchoService) -> bool:
    return bool(await read_health(echo.health) == NOT_SERVING)


async def _refuses_new_calls(echo: EchoService, files: CertificateFiles) -> bool:
    async with echo_stub(echo.internal, files) as stub:
        try:
            await stub.ask(request(), timeout=5)
        except grpc.aio.AioRpcError as error:
            return from_rpc_error(error).reason == "PEER_UNREACHABLE"
    return False
