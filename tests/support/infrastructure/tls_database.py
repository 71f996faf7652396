"""The tests' PostgreSQL over TCP with TLS: the embedded one is built without it, so this stands before it.

It answers libpq's SSLRequest, ends the TLS, and passes everything on to the server's own socket, byte for byte.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from servicekit.credentials import CertificateFiles

# PostgreSQL, "Message formats": length 8 and the code of an SSLRequest; `S` says that TLS is spoken.
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
NOT_ALLOWED = b"E" + (35).to_bytes(4, "big") + b"SFATAL\0C28000\0MTLS is needed\0\0"


@asynccontextmanager
async def tls_before(socket_folder: Path, own: CertificateFiles) -> AsyncIterator[int]:
    """Listens on a port of the loopback address, which it gives; takes nobody without TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.private_key)
    running: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if await reader.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
                writer.write(NOT_ALLOWED)
                await writer.drain()
            else:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(context)
                inner_reader, inner_writer = await asyncio.open_unix_connection(socket_folder / ".s.PGSQL.5432")
                await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
        writer.close()
        running.discard(task)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()
