"""Calls by the address that they come from, where that address is the caller's own."""

import logging
import time
from enum import StrEnum
from ipaddress import IPv4Address, ip_address
from urllib.parse import unquote

from refusals import Code, Refusal
from servicekit.token_buckets import Rate, TokenBuckets

log = logging.getLogger(__name__)

# What is given to one customer of an internet provider: counting single addresses would count nothing.
_IPV6_PREFIX_BYTES = 64 // 8
# Seconds between repeated log lines about sources that call too often.
_LOG_AGAIN_AFTER = 30.0


class SourceAddress(StrEnum):
    """Whose address the public listener sees."""

    # That of the caller: nothing between them changes it.
    DIRECT = "direct"
    # That of a gateway or a load balancer, the same for everybody.
    NONE = "none"


class Sources:
    """How often each source may call. Headers that name a source are not read: whoever calls can write them."""

    def __init__(self, rate: Rate) -> None:
        self._buckets = TokenBuckets(rate)
        self._log_again_at = 0.0

    def check(self, peer: str) -> None:
        """Counts a call of this peer, as gRPC names it; raises TOO_MANY_CALLS with `retry_after_seconds`."""
        self._count(read_source(peer))

    def check_host(self, host: str) -> None:
        """Counts a call of a host, as an HTTP server names it; raises as `check`."""
        self._count(read_host(host))

    def _count(self, source: bytes) -> None:
        seconds = self._buckets.take(source)
        if not seconds:
            return
        if time.monotonic() >= self._log_again_at:
            self._log_again_at = time.monotonic() + _LOG_AGAIN_AFTER
            # Without the address, which is personal data.
            log.warning("public listener: a source calls more often than it may, further calls are refused")
        raise Refusal("TOO_MANY_CALLS", Code.RESOURCE_EXHAUSTED, {"retry_after_seconds": str(seconds)})


def read_source(peer: str) -> bytes:
    """Returns the bytes of an IPv4 address, or of the /64 of an IPv6 address, of a peer as gRPC names it.

    `ipv4:10.0.0.1:4711` and `ipv6:%5B2001:db8::1%5D:4711` are such names. Whatever else there may be, such as a local
    socket, is one source by its whole name.
    """
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return peer.encode()
    return read_host(unquote(rest).rpartition(":")[0].strip("[]"), otherwise=peer)


def read_host(host: str, otherwise: str = "") -> bytes:
    """Returns the bytes of an IPv4 address, or of the /64 of an IPv6 address; whatever else it may be, as it is."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return (otherwise or host).encode()
    if isinstance(address, IPv4Address):
        return address.packed
    mapped = address.ipv4_mapped
    return mapped.packed if mapped is not None else address.packed[:_IPV6_PREFIX_BYTES]
