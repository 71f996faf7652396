"""Runs the listeners of a service until the process has to stop."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from servicekit.access import ListenerKind, admits, build_access_table
from servicekit.authorities import AuthorityBundle, CallerAuthorities
from servicekit.awaited_requests import AwaitedRequests
from servicekit.broken_glass import BrokenGlass
from servicekit.call_counts import Counts
from servicekit.calls import CallInterceptor, NoteRefusal
from servicekit.connections import ConnectionWatch, raise_file_limit
from servicekit.credentials import CertificateFiles, server_credentials
from servicekit.identity import RegisteredCallers
from servicekit.metrics import Metrics
from servicekit.officers import OfficerDirectory
from servicekit.readiness import Health, Ready
from servicekit.request_sizes import MOST_BYTES, build_size_table
from servicekit.settings import ServiceSettings
from servicekit.signed_statement import load_verifying_keys
from servicekit.sources import Sources
from servicekit.strangers import Strangers
from servicekit.telemetry import Telemetry
from servicekit.token_buckets import Rate

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a listener admits at a time, and how long, in seconds, a connection may take and stay idle."""

    connections: int
    streams_per_connection: int
    concurrent_calls: int
    handshake_timeout: float
    idle_timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangersBounds:
    """What a public listener bounds besides: calls without a request, and calls of one source.

    `silent_calls` calls at a time may have sent no request, each for `request_timeout` seconds. Without a `source_rate`
    the sources are not seen.
    """

    silent_calls: int
    request_timeout: float
    source_rate: Rate | None


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener: its kind, address, certificates and bounds; with `strangers` on a public one."""

    kind: ListenerKind
    address: str
    files: CertificateFiles
    bounds: Bounds
    strangers: StrangersBounds | None = None


# The health port is for the platform's probes.
_HEALTH_BOUNDS = Bounds(
    connections=100, streams_per_connection=10, concurrent_calls=200, handshake_timeout=10, idle_timeout=300
)
_MOST_HEALTH_BYTES = 4 * 1024


def build_private_listeners(settings: ServiceSettings) -> list[Listener]:
    """Returns the internal and the agency listener, as far as the settings configure them."""
    bounds = Bounds(
        connections=settings.connections,
        streams_per_connection=settings.streams_per_connection,
        concurrent_calls=settings.concurrent_calls,
        handshake_timeout=settings.handshake_timeout,
        idle_timeout=settings.idle_timeout,
    )
    listeners = []
    if settings.internal_listen:
        files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
        listeners.append(Listener(ListenerKind.INTERNAL, settings.internal_listen, files, bounds))
    if settings.agency_listen and settings.agency_clients_ca:
        files = CertificateFiles(
            settings.certificate, settings.private_key, settings.agency_clients_ca, settings.officer_clients_ca
        )
        listeners.append(Listener(ListenerKind.AGENCY, settings.agency_listen, files, bounds))
    return listeners


async def serve(
    listeners: Sequence[Listener],
    *,
    instance: str,
    services: Mapping[ServiceDescriptor, Callable[[grpc.aio.Server], None]],
    settings: ServiceSettings,
    telemetry: Telemetry,
    metrics: Metrics,
    ready: Ready,
    request_sizes: Mapping[str, int] = MappingProxyType({}),
    officers: OfficerDirectory | None = None,
    note_refusal: NoteRefusal | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then lets running calls finish for `settings.stop_grace` seconds.

    `services` maps each gRPC service to the function that adds its servicer to a server; `request_sizes` has the
    largest request in bytes, by path, of methods whose size is computed; others have it in their proto file. `officers`
    says who is an officer, beside the file of callers; `note_refusal`, as for `CallInterceptor`. Raises
    LookupError, before anything listens, where a method has no valid access option, or a size has no method.
    """
    access = build_access_table(services)
    sizes = build_size_table(services, request_sizes)
    registered = RegisteredCallers(settings.callers)
    authorities = _read_authorities(settings)
    proof_keys = None
    if settings.officer_proof_public_keys is not None:
        proof_keys = load_verifying_keys(settings.officer_proof_public_keys.read_bytes())
    broken_glass = BrokenGlass(metrics if officers is not None else None)
    counts = Counts(access)
    metrics.registry.register(counts)
    servers: list[grpc.aio.Server] = []
    for listener in listeners:
        interceptor = CallInterceptor(
            instance=instance,
            listener=listener.kind,
            access=access,
            registered=registered,
            authorities=authorities,
            telemetry=telemetry,
            counts=counts,
            concurrent_calls=listener.bounds.concurrent_calls,
            request_sizes=sizes,
            strangers=_build_strangers(listener.strangers),
            officers=officers,
            proof_keys=proof_keys,
            broken_glass=broken_glass,
            note_refusal=note_refusal,
        )
        admitted = (sizes[method] for method, option in access.items() if admits(listener.kind, option))
        largest = max(admitted, default=MOST_BYTES)
        server = _server(listener, interceptor, largest)
        for add in services.values():
            add(server)
        if listener.kind is not ListenerKind.PUBLIC:
            names = (*(service.full_name for service in services), reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        servers.append(server)
    raise_file_limit(sum(listener.bounds.connections for listener in listeners))
    connections = ConnectionWatch(
        {listener.kind: (listener.address, listener.bounds.connections) for listener in listeners}
    )
    metrics.registry.register(connections)
    stop = asyncio.ensure_future(wait_for_stop())
    for server in servers:
        await server.start()
    async with health(settings.health_listen, ready) as not_serving, connections.running():
        log.info("serving at %s", ", ".join(f"{listener.kind} {listener.address}" for listener in listeners))
        await stop
        await not_serving()
        log.info("stopping: new calls are refused, running calls have %s seconds to finish", settings.stop_grace)
        await asyncio.gather(*(server.stop(settings.stop_grace) for server in servers))
    for line in counts.lines():
        log.info("calls: %s", line)


@asynccontextmanager
async def health(address: str, ready: Ready) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Serves the plain health port: SERVING while `ready` returns True, which is asked when somebody asks the port.

    Yields a callable that sets all it answers to NOT_SERVING permanently, for the drain period.
    """
    servicer = Health(ready)
    if not address:
        yield servicer.drain
        return
    server = grpc.aio.server(options=_options(_HEALTH_BOUNDS, _MOST_HEALTH_BYTES))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(address)
    await server.start()
    try:
        yield servicer.drain
    finally:
        await servicer.drain()
        await server.stop(0)


async def wait_for_stop() -> None:
    """Returns when the process receives SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def _read_authorities(settings: ServiceSettings) -> CallerAuthorities:
    if settings.officer_clients_ca is None:
        return CallerAuthorities()
    agencies = None if settings.agency_clients_ca is None else AuthorityBundle(settings.agency_clients_ca)
    return CallerAuthorities(agencies, AuthorityBundle(settings.officer_clients_ca))


def _build_strangers(bounds: StrangersBounds | None) -> Strangers | None:
    if bounds is None:
        return None
    sources = Sources(bounds.source_rate) if bounds.source_rate is not None else None
    return Strangers(AwaitedRequests(bounds.silent_calls, bounds.request_timeout), sources)


def _server(listener: Listener, interceptor: CallInterceptor, most_bytes: int) -> grpc.aio.Server:
    server = grpc.aio.server(interceptors=(interceptor,), options=_options(listener.bounds, most_bytes))
    server.add_secure_port(listener.address, server_credentials(listener.files))
    return server


def _options(bounds: Bounds, most_bytes: int) -> tuple[tuple[str, int], ...]:
    return (
        # An open connection outlives a withdrawn CA, so connections are short-lived.
        ("grpc.max_connection_age_ms", 10 * 60 * 1000),
        ("grpc.max_connection_age_grace_ms", 60 * 1000),
        ("grpc.max_connection_idle_ms", int(bounds.idle_timeout * 1000)),
        ("grpc.server_handshake_timeout_ms", int(bounds.handshake_timeout * 1000)),
        ("grpc.max_allowed_incoming_connections", bounds.connections),
        ("grpc.max_concurrent_streams", bounds.streams_per_connection),
        ("grpc.max_receive_message_length", most_bytes),
        ("grpc.so_reuseport", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
    )
