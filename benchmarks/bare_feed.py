"""The baseline for the feed: mTLS and one stream of messages that are there already, and nothing else.

No interceptor, no access check, no tracing, no database. The benchmark runs it as a process.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import uvloop
from typing_extensions import override

from servicekit.context import Context
from servicekit.credentials import CertificateFiles, server_credentials
from toroku.agencysync.v1 import feed_pb2
from toroku.agencysync.v1.feed_pb2_grpc import FeedServicer, add_FeedServicer_to_server


class Bare(FeedServicer):
    """Sends one message so many times."""

    def __init__(self, message: feed_pb2.StreamChangesResponse, times: int) -> None:
        self._message = message
        self._times = times

    @override
    async def StreamChanges(
        self, request: feed_pb2.StreamChangesRequest, context: Context
    ) -> AsyncIterator[feed_pb2.StreamChangesResponse]:
        """Sends the message, which is serialized each time as ours are."""
        for _ in range(self._times):
            yield self._message


async def serve(message: Path, times: int, address: str, certificate: Path, private_key: Path, trusted: Path) -> None:
    """Serves until the process is ended; prints `ready`."""
    server = grpc.aio.server()
    bare = Bare(feed_pb2.StreamChangesResponse.FromString(message.read_bytes()), times)  # type: ignore[abstract]
    add_FeedServicer_to_server(bare, server)
    server.add_secure_port(address, server_credentials(CertificateFiles(certificate, private_key, trusted)))
    await server.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], *(Path(name) for name in sys.argv[4:7])))
