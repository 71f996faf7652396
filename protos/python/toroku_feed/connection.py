"""A channel as the feed needs it, and the reason of a refused call."""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import grpc
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # comes without types

_STATUS = "grpc-status-details-bin"
# A message of the feed has 500 changes, and a piece of a snapshot 256 KiB.
_MOST_BYTES = 4 * 1024 * 1024
# The service closes a connection that asks more often than every 30 seconds whether it is there.
_KEEPALIVE_SECONDS = 45


def open_channel(
    address: str, *, ca: Path, certificate: Path, private_key: Path, server_name: str = "agency-sync"
) -> grpc.aio.Channel:
    """Opens a channel to agency-sync's agency listener with the certificate of the agency (PEM files).

    `server_name` is the name in the service's certificate, however it is reached. Close the channel at the
    end.
    """
    credentials = grpc.ssl_channel_credentials(ca.read_bytes(), private_key.read_bytes(), certificate.read_bytes())
    return grpc.aio.secure_channel(
        address,
        credentials,
        options=[
            ("grpc.ssl_target_name_override", server_name),
            ("grpc.keepalive_time_ms", _KEEPALIVE_SECONDS * 1000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.max_receive_message_length", _MOST_BYTES),
            ("grpc.max_reconnect_backoff_ms", 10_000),
            ("grpc.dns_min_time_between_resolutions_ms", 5_000),
        ],
    )


def read_reason(error: grpc.aio.AioRpcError) -> str:
    """Returns the reason of docs/errors.md; empty where the failure is no refusal of Toroku."""
    trailing = cast(Iterable[tuple[str, str | bytes]], error.trailing_metadata() or ())
    for key, value in trailing:
        if key == _STATUS and isinstance(value, bytes):
            info = error_details_pb2.ErrorInfo()
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info) and info.domain == "toroku":
                    return str(info.reason)
    return ""
