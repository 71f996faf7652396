"""A small service with every kind of method, behind the doors of `servicekit.server.serve` on loopback ports."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.sdk.trace import TracerProvider

from refusals import Code, Refusal, Violation
from servicekit.access import ListenerKind
from servicekit.credentials import CertificateFiles, channel_credentials
from servicekit.identity import caller
from servicekit.metrics import Metrics
from servicekit.server import Listener, Ready, private_listeners, serve
from servicekit.settings import ServiceSettings
from servicekit.telemetry import Telemetry
from tests.support.in_process import Authority
from toroku.access.v1 import access_pb2
from toroku.contact.v1.service_pb2 import GetContactRequest

INSTANCE = "saitama"
SERVICE = "tests.door.Door"
NAME = "door"
# What an exception says that nobody outside may read.
SECRET = "the password of the database is hunter2"
MOST_PUBLIC_BYTES = 64 * 1024


def request(agency: str = "", wish: str = "", filling: bytes = b"") -> GetContactRequest:
    """A request for an agency; `wish` says what the servicer does with it."""
    return GetContactRequest(agency=agency, category=wish, certificate_sha256=filling)


def _descriptor() -> ServiceDescriptor:
    file = descriptor_pb2.FileDescriptorProto(name="tests/door.proto", package="tests.door", syntax="proto3")
    file.dependency.extend(
        ["google/protobuf/wrappers.proto", "toroku/access/v1/access.proto", "toroku/contact/v1/service.proto"]
    )
    service = file.service.add(name="Door")
    own = access_pb2.Access(services=["front-door"], agencies=True, own_agency_field="agency")
    for name, access, client_streaming, server_streaming in (
        ("Ask", own, False, False),
        ("Follow", own, False, True),
        ("Talk", access_pb2.Access(services=["front-door"], officer_roles=["roster"]), True, True),
        ("Gather", access_pb2.Access(services=["front-door"]), True, False),
        ("Knock", access_pb2.Access(anyone=True), False, False),
    ):
        method = service.method.add(
            name=name,
            input_type=f".{GetContactRequest.DESCRIPTOR.full_name}",
            output_type=".google.protobuf.StringValue",
            client_streaming=client_streaming,
            server_streaming=server_streaming,
        )
        method.options.Extensions[access_pb2.access].CopyFrom(access)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName(SERVICE)


DOOR = _descriptor()


class DoorServicer:
    """Answers with the caller's kind and name, unless the request wishes something else."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.leave = asyncio.Event()
        self.calls = 0

    async def ask(self, asked: GetContactRequest, _: Any) -> StringValue:
        """One answer."""
        self.calls += 1
        match asked.category:
            case "refuse":
                metadata = {"agency": "川口市"}
                violation = Violation("card_contact.address", "FIELD_TOO_LONG", {"most": "60", "actual": "61"})
                raise Refusal("FIELDS_INVALID", Code.INVALID_ARGUMENT, metadata, [violation])
            case "fail":
                raise RuntimeError(SECRET)
            case "wait":
                self.entered.set()
                await self.leave.wait()
        return StringValue(value=f"{caller().kind} {caller().name}")

    async def follow(self, asked: GetContactRequest, context: Any) -> AsyncIterator[StringValue]:
        """Two answers; a wish is done between them."""
        yield StringValue(value="first")
        yield await self.ask(asked, context)

    async def talk(self, asked: AsyncIterator[GetContactRequest], context: Any) -> AsyncIterator[StringValue]:
        """An answer to each request."""
        self.calls += 1
        async for one in asked:
            yield await self.ask(one, context)

    async def gather(self, asked: AsyncIterator[GetContactRequest], context: Any) -> StringValue:
        """The answer to the last request."""
        answer = StringValue()
        async for one in asked:
            answer = await self.ask(one, context)
        return answer

    def add_to(self, server: grpc.aio.Server) -> None:
        """What generated code does."""
        forms: dict[str, Any] = {
            "request_deserializer": GetContactRequest.FromString,
            "response_serializer": StringValue.SerializeToString,
        }
        handlers = {
            "Ask": grpc.unary_unary_rpc_method_handler(self.ask, **forms),
            "Follow": grpc.unary_stream_rpc_method_handler(self.follow, **forms),
            "Talk": grpc.stream_stream_rpc_method_handler(self.talk, **forms),
            "Gather": grpc.stream_unary_rpc_method_handler(self.gather, **forms),
            "Knock": grpc.unary_unary_rpc_method_handler(self.ask, **forms),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


class DoorStub:
    """What generated code gives; on a channel, or on one of `Peers`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        forms = {
            "request_serializer": GetContactRequest.SerializeToString,
            "response_deserializer": StringValue.FromString,
        }
        open_channel: Any = channel
        self.ask = open_channel.unary_unary(f"/{SERVICE}/Ask", **forms)
        self.follow = open_channel.unary_stream(f"/{SERVICE}/Follow", **forms)
        self.talk = open_channel.stream_stream(f"/{SERVICE}/Talk", **forms)
        self.gather = open_channel.stream_unary(f"/{SERVICE}/Gather", **forms)
        self.knock = open_channel.unary_unary(f"/{SERVICE}/Knock", **forms)


@asynccontextmanager
async def connected(address: str, files: CertificateFiles) -> AsyncIterator[DoorStub]:
    """A stub on a connection of its own, which nothing retries."""
    async with grpc.aio.secure_channel(address, channel_credentials(files), options=OPTIONS) as channel:
        yield DoorStub(channel)


# The certificate names the service, wherever it runs; a second channel must be a second connection.
OPTIONS = (
    ("grpc.ssl_target_name_override", NAME),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


@dataclass(frozen=True, slots=True)
class OpenDoors:
    """A running service: where it listens, who trusts whom, and the servicer itself."""

    internal: str
    agency: str
    public: str
    health: str
    metrics: str
    services: Authority
    agencies: Authority
    # The service's own certificate, on the internal and the agency listener.
    own: CertificateFiles
    servicer: DoorServicer
    running: asyncio.Task[None] = field(repr=False)

    def agency_files(self, issued: CertificateFiles) -> CertificateFiles:
        """A certificate of the agencies' CA, for a client that trusts the services' CA."""
        return CertificateFiles(issued.certificate, issued.private_key, self.own.trusted)

    async def stop(self) -> None:
        """Asks it to stop, as a platform does."""
        # A process without a handler would die of the signal, and this one runs the tests.
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        os.kill(os.getpid(), signal.SIGTERM)


async def always_ready() -> bool:
    """A service whose own parts are all there."""
    return True


@asynccontextmanager
async def open_doors(folder: Path, *, ready: Ready = always_ready, stop_grace: float = 10) -> AsyncIterator[OpenDoors]:
    """Runs `serve` with all four listeners, and metrics, until the block ends."""
    for name in ("services", "agencies"):
        (folder / name).mkdir()
    services, agencies = Authority(folder / "services", INSTANCE), Authority(folder / "agencies", INSTANCE)
    own, public = services.service(NAME), services.service("public")
    agencies.callers.write_text("agencies: {}\n")
    internal, agency, public_address, health, metrics = (f"127.0.0.1:{port}" for port in _free_ports(5))
    settings = ServiceSettings(
        profile=folder / "unused.yaml",
        internal_listen=internal,
        agency_listen=agency,
        health_listen=health,
        metrics_listen=metrics,
        certificate=own.certificate,
        private_key=own.private_key,
        services_ca=_trusted(own),
        agency_clients_ca=_trusted(agencies.service("unused")),
        callers=agencies.callers,
        stop_grace=stop_grace,
    )
    servicer = DoorServicer()
    public_files = CertificateFiles(public.certificate, public.private_key, None)
    listeners = [
        *private_listeners(settings),
        Listener(ListenerKind.PUBLIC, public_address, public_files, most_bytes=MOST_PUBLIC_BYTES),
    ]

    async def run() -> None:
        async with Metrics.open(NAME, settings) as opened:
            await serve(
                listeners,
                instance=INSTANCE,
                services={DOOR: servicer.add_to},
                settings=settings,
                telemetry=Telemetry(TracerProvider(), 0),
                metrics=opened,
                ready=ready,
            )

    running = asyncio.create_task(run())
    doors = OpenDoors(internal, agency, public_address, health, metrics, services, agencies, own, servicer, running)
    try:
        await until(lambda: answered(health), running)
        yield doors
        servicer.leave.set()
        if not running.done():
            await doors.stop()
        await running
    finally:
        running.cancel()


async def health_of(address: str, service: str = "") -> health_pb2.HealthCheckResponse.ServingStatus.ValueType:
    """What the health port says now, of the process as a whole or under one name."""
    async with grpc.aio.insecure_channel(address) as channel:
        asked = health_pb2.HealthCheckRequest(service=service)
        answer = await health_pb2_grpc.HealthStub(channel).Check(asked, timeout=5)
        return answer.status


async def answered(address: str) -> bool:
    """Whether the health port is open and has an answer, whichever."""
    try:
        await health_of(address)
    except grpc.aio.AioRpcError:
        return False
    return True


async def until(
    condition: Callable[[], Awaitable[bool]], running: "asyncio.Task[None] | None" = None, *, seconds: float = 30
) -> None:
    """Returns when the condition holds; fails after `seconds`, or when `running` ended meanwhile."""
    async with asyncio.timeout(seconds):
        while not await condition():
            if running is not None and running.done():
                running.result()
            await asyncio.sleep(0.02)


def _trusted(files: CertificateFiles) -> Path:
    assert files.trusted is not None
    return files.trusted


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(listening.getsockname()[1]) for listening in sockets]
    finally:
        for listening in sockets:
            listening.close()
