"""A small service with every kind of method, run by `servicekit.server.serve` on all its listeners."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
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
from servicekit.credentials import CertificateFiles, create_channel_credentials
from servicekit.identity import caller
from servicekit.metrics import Metrics
from servicekit.readiness import LIVE, Ready
from servicekit.server import Bounds, Listener, StrangersBounds, build_private_listeners, serve
from servicekit.settings import ServiceSettings
from servicekit.telemetry import Telemetry
from tests.support.in_process import Authority
from tests.support.waiting import wait_until
from toroku.access.v1 import access_pb2
from toroku.contact.v1.contact_notification_pb2 import GetContactRequest

INSTANCE = "saitama"
SERVICE = "tests.echo.Echo"
NAME = "echo"
# The text of an exception that no caller may see.
SECRET = "the password of the database is hunter2"
# The sizes of requests that differ from the default.
MOST_ASKED_BYTES = 1024 * 1024
MOST_GATHERED_BYTES = 1024
PUBLIC_BOUNDS = Bounds(
    connections=2000,
    streams_per_connection=100,
    concurrent_calls=1000,
    handshake_timeout=10,
    idle_timeout=300,
)
STRANGERS_BOUNDS = StrangersBounds(silent_calls=1000, request_timeout=60, source_rate=None)


def request(agency: str = "", behaviour: str = "", filling: bytes = b"") -> GetContactRequest:
    """Builds a request for an agency; `behaviour` is what the servicer does with it: refuse, fail, wait, or answer."""
    return GetContactRequest(agency=agency, category=behaviour, certificate_sha256=filling)


def _descriptor() -> ServiceDescriptor:
    file = descriptor_pb2.FileDescriptorProto(name="tests/echo.proto", package="tests.echo", syntax="proto3")
    file.dependency.extend(
        [
            "google/protobuf/wrappers.proto",
            "toroku/access/v1/access.proto",
            "toroku/contact/v1/contact_notification.proto",
        ]
    )
    service = file.service.add(name="Echo")
    own = access_pb2.Access(services=["front-door"], agencies=True, own_agency_field="agency")
    talking = access_pb2.Access(
        services=["front-door"],
        officer_roles=["roster"],
        officer_scope=access_pb2.OFFICER_SCOPE_RESPONSIBLE_AGENCY,
    )
    for name, access, client_streaming, server_streaming in (
        ("Ask", own, False, False),
        ("Follow", own, False, True),
        ("Talk", talking, True, True),
        ("Gather", access_pb2.Access(services=["front-door"]), True, False),
        ("AskPublicly", access_pb2.Access(anyone=True), False, False),
    ):
        method = service.method.add(
            name=name,
            input_type=f".{GetContactRequest.DESCRIPTOR.full_name}",
            output_type=".google.protobuf.StringValue",
            client_streaming=client_streaming,
            server_streaming=server_streaming,
        )
        method.options.Extensions[access_pb2.access].CopyFrom(access)
        if name == "Ask":
            method.options.Extensions[access_pb2.most_request_bytes] = MOST_ASKED_BYTES
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName(SERVICE)


DESCRIPTOR = _descriptor()


class EchoServicer:
    """Answers with the caller's kind and name, unless the request asks for another behaviour."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.leave = asyncio.Event()
        self.calls = 0

    async def ask(self, asked: GetContactRequest, _: Any) -> StringValue:
        """Answers a single request."""
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
        """Answers twice; the requested behaviour comes between the answers."""
        yield StringValue(value="first")
        yield await self.ask(asked, context)

    async def talk(self, asked: AsyncIterator[GetContactRequest], context: Any) -> AsyncIterator[StringValue]:
        """Answers each request."""
        self.calls += 1
        async for one in asked:
            yield await self.ask(one, context)

    async def gather(self, asked: AsyncIterator[GetContactRequest], context: Any) -> StringValue:
        """Answers the last request."""
        answer = StringValue()
        async for one in asked:
            answer = await self.ask(one, context)
        return answer

    def add_to(self, server: grpc.aio.Server) -> None:
        """Adds the methods to a server, as generated code does."""
        forms: dict[str, Any] = {
            "request_deserializer": GetContactRequest.FromString,
            "response_serializer": StringValue.SerializeToString,
        }
        handlers = {
            "Ask": grpc.unary_unary_rpc_method_handler(self.ask, **forms),
            "Follow": grpc.unary_stream_rpc_method_handler(self.follow, **forms),
            "Talk": grpc.stream_stream_rpc_method_handler(self.talk, **forms),
            "Gather": grpc.stream_unary_rpc_method_handler(self.gather, **forms),
            "AskPublicly": grpc.unary_unary_rpc_method_handler(self.ask, **forms),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


class EchoStub:
    """The client's side, as generated code has it; on a channel, or on one of `Peers`."""

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
        self.ask_publicly = open_channel.unary_unary(f"/{SERVICE}/AskPublicly", **forms)


@asynccontextmanager
async def echo_stub(address: str, files: CertificateFiles) -> AsyncIterator[EchoStub]:
    """Opens a connection, without retries, and yields a stub on it."""
    async with grpc.aio.secure_channel(address, create_channel_credentials(files), options=OPTIONS) as channel:
        yield EchoStub(channel)


# The certificate has the service's name, not its address; a second channel must be a second connection.
OPTIONS = (
    ("grpc.ssl_target_name_override", NAME),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


@dataclass(frozen=True, slots=True)
class EchoService:
    """The running service: its addresses, the CAs, and the servicer."""

    internal: str
    agency: str
    public: str
    health: str
    metrics: str
    services: Authority
    agencies: Authority
    officers: Authority
    # The service's own certificate, on the internal and the agency listener.
    own: CertificateFiles
    servicer: EchoServicer
    running: asyncio.Task[None] = field(repr=False)

    def agency_files(self, issued: CertificateFiles) -> CertificateFiles:
        """Returns a certificate of the agencies' or the officers' CA, for a client that trusts the services' CA."""
        return CertificateFiles(issued.certificate, issued.private_key, self.own.trusted)

    async def stop(self) -> None:
        """Sends SIGTERM, as a platform does."""
        # Without a handler the signal would end this process, which runs the tests.
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        os.kill(os.getpid(), signal.SIGTERM)


async def always_ready() -> bool:
    """Returns True: nothing that the service needs is missing."""
    return True


@asynccontextmanager
async def running_echo_service(
    folder: Path,
    *,
    ready: Ready = always_ready,
    public_bounds: Bounds = PUBLIC_BOUNDS,
    strangers: StrangersBounds = STRANGERS_BOUNDS,
    stop_grace: float = 10,
    idle_timeout: float = 300,
    admits_officers: bool = True,
) -> AsyncIterator[EchoService]:
    """Runs `serve` with all four listeners and metrics until the block ends."""
    for name in ("services", "agencies", "officers"):
        (folder / name).mkdir()
    services, agencies, officers = (Authority(folder / name, INSTANCE) for name in ("services", "agencies", "officers"))
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
        agency_clients_ca=agencies.trusted,
        officer_clients_ca=officers.trusted if admits_officers else None,
        callers=agencies.callers,
        stop_grace=stop_grace,
        idle_timeout=idle_timeout,
    )
    servicer = EchoServicer()
    public_files = CertificateFiles(public.certificate, public.private_key, None)
    listeners = [
        *build_private_listeners(settings),
        Listener(ListenerKind.PUBLIC, public_address, public_files, public_bounds, strangers),
    ]

    async def run() -> None:
        async with Metrics.open(NAME, settings) as opened:
            await serve(
                listeners,
                instance=INSTANCE,
                services={DESCRIPTOR: servicer.add_to},
                officers=officers.known,
                settings=settings,
                telemetry=Telemetry(TracerProvider(), 0),
                metrics=opened,
                ready=ready,
                request_sizes={f"/{SERVICE}/Talk": MOST_GATHERED_BYTES, f"/{SERVICE}/Gather": MOST_GATHERED_BYTES},
            )

    running = asyncio.create_task(run())
    echo = EchoService(
        internal, agency, public_address, health, metrics, services, agencies, officers, own, servicer, running
    )
    try:
        await wait_until(lambda: is_answering(health), running)
        yield echo
        servicer.leave.set()
        if not running.done():
            await echo.stop()
        await running
    finally:
        running.cancel()


async def read_health(address: str, service: str = "") -> health_pb2.HealthCheckResponse.ServingStatus.ValueType:
    """Asks the health port for the state of the process, or of one named service."""
    async with grpc.aio.insecure_channel(address) as channel:
        asked = health_pb2.HealthCheckRequest(service=service)
        answer = await health_pb2_grpc.HealthStub(channel).Check(asked, timeout=5)
        return answer.status


async def is_answering(address: str) -> bool:
    """Returns whether the health port answers at all; the readiness is not asked for."""
    try:
        await read_health(address, LIVE)
    except grpc.aio.AioRpcError:
        return False
    return True


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
