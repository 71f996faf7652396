"""Runs the listeners of a service until the process has to stop."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from servicekit.access import ListenerKind, admits, build_access_table
from servicekit.awaited_requests import AwaitedRequests
from servicekit.call_counts import Counts
from servicekit.calls import CallInterceptor
from servicekit.connections import ConnectionWatch, raise_file_limit
from servicekit.credentials import CertificateFiles, server_credentials
from servicekit.exceptions import NotReady
from servicekit.identity import RegisteredCallers
from servicekit.metrics import Metrics
from servicekit.request_sizes import MOST_BYTES, build_size_table
from servicekit.settings import ServiceSettings
from servicekit.sources import Sources
from servicekit.strangers import Strangers
from servicekit.telemetry import Telemetry
from servicekit.token_buckets import Rate

log = logging.getLogger(__name__)

# The service name under which the health port reports the process itself, regardless of its database.
LIVE = "live"
Ready = Callable[[], Awaitable[bool]]
READY_INTERVAL = 2.0
# Seconds between repeated 'waiting for the database' log lines.
LOG_AGAIN_AFTER = 30.0


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
        files = CertificateFiles(settings.certificate, settings.private_key, settings.agency_clients_ca)
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
) -> None:
    """Serves until SIGTERM or SIGINT, then lets running calls finish for `settings.stop_grace` seconds.

    `services` maps each gRPC service to the function that adds its servicer to a server; `request_sizes` has the
    largest request in bytes, by path, of methods whose size is computed; others have it in their proto file. Raises
    LookupError, before anything listens, where a method has no valid access option, or a size has no method.
    """
    access = build_access_table(services)
    sizes = build_size_table(services, request_sizes)
    registered = RegisteredCallers(settings.callers)
    counts = Counts(access)
    metrics.registry.register(counts)
    servers: list[grpc.aio.Server] = []
    for listener in listeners:
        interceptor = CallInterceptor(
            instance=instance,
            listener=listener.kind,
            access=access,
            registered=registered,
            telemetry=telemetry,
            counts=counts,
            concurrent_calls=listener.bounds.concurrent_calls,
            request_sizes=sizes,
            strangers=_build_strangers(listener.strangers),
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
    """Serves the plain health port: SERVING while `ready` returns True, which is checked every two seconds.

    For the service name `live` the answer is SERVING as long as the process answers at all, so that a database that is
    down does not get every process restarted. Yields a callable that sets both to NOT_SERVING permanently, for the
    drain period.
    """
    servicer = HealthServicer()
    if not address:
        yield servicer.enter_graceful_shutdown
        return
    server = grpc.aio.server(options=_options(_HEALTH_BOUNDS, _MOST_HEALTH_BYTES))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(address)

    async def watch() -> None:
        logged: str | None = None
        while True:
            cause = await _find_unreadiness(ready)
            is_ready = cause is None
            if cause and cause != logged:
                log.warning("not ready: %s", cause)
            elif logged and not cause:
                log.info("ready")
            logged = cause
            status = health_pb2.HealthCheckResponse.SERVING if is_ready else health_pb2.HealthCheckResponse.NOT_SERVING
            await servicer.set("", status)
            await asyncio.sleep(READY_INTERVAL if is_ready else 0.1)

    await servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    await servicer.set(LIVE, health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    watching = asyncio.create_task(watch())
    try:
        yield servicer.enter_graceful_shutdown
    finally:
        watching.cancel()
        await servicer.enter_graceful_shutdown()
        await server.stop(0)


async def wait_until_ready(ready: Ready, stop: asyncio.Future[None]) -> bool:
    """Waits until `ready` returns True (returns True) or until a stop is requested (returns False); logs the cause."""
    logged, log_again_at = "", 0.0
    while not stop.done():
        cause = await _find_unreadiness(ready)
        if cause is None:
            return True
        now = time.monotonic()
        if cause != logged or now >= log_again_at:
            log.warning("waiting: %s", cause)
            logged, log_again_at = cause, now + LOG_AGAIN_AFTER
        await asyncio.wait([stop], timeout=0.5)
    return False


async def _find_unreadiness(ready: Ready) -> str | None:
    try:
        return None if await asyncio.wait_for(ready(), timeout=5) else "no cause was given"
    except NotReady as reason:
        return str(reason)
    except TimeoutError:
        return "no answer within 5 s"
    except Exception as error:  # Any failure of the check means not ready.
        return type(error).__name__


async def wait_for_stop() -> None:
    """Returns when the process receives SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


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
