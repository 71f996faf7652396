"""A TLS proxy in front of the tests' PostgreSQL, because the embedded server is built without TLS.

It answers libpq's SSLRequest, terminates TLS, and relays all bytes to the server's socket.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from servicekit.credentials import CertificateFiles

# PostgreSQL, "Message formats": length 8 and the code of an SSLRequest; the answer `S` accepts TLS.
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
NOT_ALLOWED = b"E" + (35).to_bytes(4, "big") + b"SFATAL\0C28000\0MTLS is needed\0\0"


@asynccontextmanager
async def tls_proxy(socket_folder: Path, own: CertificateFiles) -> AsyncIterator[int]:
    """Listens on a loopback port, which it yields; refuses clients without TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.private_key)
    running: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                if await reader.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
                    writer.write(NOT_ALLOWED)
                    await writer.drain()
                else:
                    writer.write(b"S")
                    await writer.drain()
                    await writer.start_tls(context)
                    inner_reader, inner_writer = await asyncio.open_unix_connection(socket_folder / ".s.PGSQL.5432")
                    await asyncio.gather(_relay(reader, inner_writer), _relay(inner_reader, writer))
        finally:
            # Closing politely waits for the client, who may be gone.
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            running.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()
