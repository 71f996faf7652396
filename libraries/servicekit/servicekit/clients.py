"""Calls to the other services of the instance: mTLS, the peer's name checked, retries, traces, refusals read back."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar, cast

import grpc

from refusals.status import from_rpc_error
from servicekit.credentials import UNREADABLE, CertificateFiles, create_channel_credentials
from servicekit.telemetry import TRACEPARENT, span, traceparent

log = logging.getLogger(__name__)

Stub = TypeVar("Stub")

# Every RPC between services may be retried: the same request gives the same outcome.
_SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
    }
)
DEADLINE = 10.0
# Seconds that calls on a channel with an old certificate have to finish.
DRAIN = 30.0
MOST_BYTES = 64 * 1024 * 1024


class Peers:
    """The services that this service calls, by name. A stub remains valid when certificates are renewed."""

    def __init__(self, files: CertificateFiles, endpoints: Mapping[str, str]) -> None:
        self._channels = {name: _ReloadingChannel(name, address, files) for name, address in endpoints.items()}

    def stub(self, service: str, stub_class: Callable[[grpc.aio.Channel], Stub]) -> Stub:
        """Returns a stub of one peer. Its calls raise refusals.Refusal, also PEER_UNREACHABLE and PEER_FAILED."""
        return stub_class(cast(grpc.aio.Channel, self._channels[service]))

    async def close(self) -> None:
        """Closes all channels."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))


class _ReloadingChannel:
    """A channel that is rebuilt when the certificate files change; the old one is drained."""

    def __init__(self, service: str, address: str, files: CertificateFiles) -> None:
        self._service = service
        self._address = address
        self._files = files
        self._times: tuple[int, ...] = ()
        self._channel: grpc.aio.Channel | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def current(self) -> grpc.aio.Channel:
        """Returns the channel with the current certificates."""
        try:
            times = self._files.read_modification_times()
            if self._channel is not None and times == self._times:
                return self._channel
            credentials = create_channel_credentials(self._files)
        except UNREADABLE as error:
            if self._channel is None:
                raise
            log.error("certificate files can't be read, the last valid ones remain in use: %s", error)
            return self._channel
        if self._channel is not None:
            closing = asyncio.create_task(self._channel.close(DRAIN))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._channel = grpc.aio.secure_channel(
            self._address,
            credentials,
            options=(
                # The server's certificate must have the service's name as a DNS SAN, whatever the server's address.
                ("grpc.ssl_target_name_override", self._service),
                ("grpc.service_config", _SERVICE_CONFIG),
                ("grpc.max_receive_message_length", MOST_BYTES),
                ("grpc.max_send_message_length", MOST_BYTES),
                ("grpc.min_reconnect_backoff_ms", 100),
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 2000),
                ("grpc.keepalive_time_ms", 60_000),
            ),
        )
        self._times = times
        return self._channel

    def unary_unary(self, method: str, **serializers: Any) -> Callable[..., Any]:
        """Returns the call of a method, as a generated stub needs it."""
        name = f"call {self._service} {method.rpartition('/')[2]}"
        calls: tuple[grpc.aio.Channel, Any] | None = None

        async def call(request: Any, *, timeout: float = DEADLINE) -> Any:  # noqa: ASYNC109 (as in gRPC itself)
            nonlocal calls
            channel = self.current()
            if calls is None or calls[0] is not channel:
                calls = (channel, channel.unary_unary(method, **serializers))
            with span(name):
                header = traceparent()
                metadata = ((TRACEPARENT, header),) if header else None
                try:
                    return await calls[1](request, timeout=timeout, metadata=metadata)
                except grpc.aio.AioRpcError as error:
                    raise from_rpc_error(error) from error

        return call

    async def close(self) -> None:
        """Closes the channel at once."""
        if self._channel is not None:
            await self._channel.close(None)

    def _refuse_stream(self, method: str, **_: object) -> Callable[..., NoReturn]:
        """Returns a call that raises NotImplementedError, since services call each other by single messages only."""

        def call(*_: object, **__: object) -> NoReturn:
            raise NotImplementedError(f"{method} is a stream; services call each other by single messages")

        return call

    # A generated stub asks its channel for every method when it is created, also for those that no service calls.
    unary_stream = stream_unary = stream_stream = _refuse_stream
