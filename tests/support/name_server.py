"""A small DNS server on loopback, for one name whose addresses a test replaces."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from typing_extensions import override

_HEADER_BYTES = 12
_A = 1
_NO_ERROR, _NO_SUCH_NAME = 0, 3
# A reference to the name in the question.
_SAME_NAME = b"\xc0\x0c"


@dataclass(slots=True)
class NameServer(asyncio.DatagramProtocol):
    """Answers for every name with these addresses, which count at once; without any, that there is no such name.

    `address` is its own, `host:port`; `questions` counts what it was asked for.
    """

    addresses: Sequence[str] = ()
    address: str = ""
    questions: int = 0
    _transport: Any = field(default=None)

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps what answers are sent by."""
        self._transport = transport

    @override
    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answers a question."""
        self.questions += 1
        end = _HEADER_BYTES
        while data[end]:
            end += data[end] + 1
        question = data[_HEADER_BYTES : end + 5]
        is_for_addresses = int.from_bytes(data[end + 1 : end + 3], "big") == _A
        answers = [IPv4Address(each).packed for each in self.addresses] if is_for_addresses else []
        code = _NO_ERROR if self.addresses else _NO_SUCH_NAME
        # An answer, by who knows; one question; so many answers.
        header = data[:2] + bytes([0x85, 0x80 | code, 0, 1, 0, len(answers), 0, 0, 0, 0])
        # An address, of the internet, good for no time.
        records = [_SAME_NAME + b"\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04" + packed for packed in answers]
        self._transport.sendto(header + question + b"".join(records), addr)


@asynccontextmanager
async def name_server(*addresses: str) -> AsyncIterator[NameServer]:
    """Runs a DNS server that answers with these addresses until a test replaces them."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: NameServer(addresses), local_addr=("127.0.0.1", 0))
    server.address = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    try:
        yield server
    finally:
        transport.close()
