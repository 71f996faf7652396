"""Calls to the other services of the instance: mTLS, the peer's name checked, retries, traces, refusals read back."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar, cast

import grpc

from refusals.status import STATUS_METADATA_KEY, from_rpc_error
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
# Seconds for which calls wait for a peer that has just gone, as while all its pods are replaced. Afterwards they are
# refused at once, until it is back.
GAP = 5.0
# Seconds between two attempts of a call that waits.
_PAUSE = 0.2
# Seconds after which a channel without an answer gives way to another one: an empty answer of the DNS, as between two
# pods, makes gRPC ask it again after up to two minutes.
_REBUILT_AFTER = 2.0
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
    """A channel that is rebuilt when the certificate files change or nobody answers; the old one is drained."""

    def __init__(self, service: str, address: str, files: CertificateFiles) -> None:
        self._service = service
        self._address = address
        self._files = files
        self._times: tuple[int, ...] = ()
        self._channel: grpc.aio.Channel | None = None
        self._built_at = 0.0
        self._closing: set[asyncio.Task[None]] = set()
        # Since when nobody answers, by the monotonic clock; None while the peer answers.
        self._away_since: float | None = None

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
                # As often as a connection fails; gRPC's own 30 s are longer than any caller waits.
                ("grpc.dns_min_time_between_resolutions_ms", 500),
            ),
        )
        self._times, self._built_at = times, time.monotonic()
        return self._channel

    def unary_unary(self, method: str, **serializers: Any) -> Callable[..., Any]:
        """Returns the call of a method, as a generated stub needs it."""
        name = f"call {self._service} {method.rpartition('/')[2]}"
        calls: tuple[grpc.aio.Channel, Any] | None = None

        async def call(request: Any, *, timeout: float = DEADLINE) -> Any:  # noqa: ASYNC109 (as in gRPC itself)
            nonlocal calls
            ends_at = time.monotonic() + timeout
            with span(name):
                header = traceparent()
                metadata = ((TRACEPARENT, header),) if header else None
                while True:
                    channel = self.current()
                    if calls is None or calls[0] is not channel:
                        calls = (channel, channel.unary_unary(method, **serializers))
                    try:
                        answer = await calls[1](request, timeout=timeout, metadata=metadata)
                    except grpc.aio.AioRpcError as error:
                        if not _is_unanswered(error):
                            self._away_since = None
                            raise from_rpc_error(error) from error
                        if not self._may_wait(channel, ends_at):
                            raise from_rpc_error(error) from error
                    else:
                        self._away_since = None
                        return answer
                    await asyncio.sleep(_PAUSE)
                    timeout = ends_at - time.monotonic()

        return call

    def _may_wait(self, channel: grpc.aio.Channel, ends_at: float) -> bool:
        """Returns whether a call that nobody answered may be made again; has the channel rebuilt where it is time to.

        `ends_at` is the call's deadline by the monotonic clock.
        """
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        elif channel is self._channel and now - max(self._built_at, self._away_since) >= _REBUILT_AFTER:
            self._times = ()
        return now + _PAUSE < min(ends_at, self._away_since + GAP)

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


def _is_unanswered(error: grpc.aio.AioRpcError) -> bool:
    """Returns whether a call reached nobody, as far as anybody knows; a peer's own refusal is an answer."""
    if error.code() is not grpc.StatusCode.UNAVAILABLE:
        return False
    trailing = cast(Iterable[tuple[str, str | bytes]], error.trailing_metadata() or ())
    return all(key != STATUS_METADATA_KEY for key, _ in trailing)
