"""A browser of the portal over TLS: a connection for each thing that a person does, as after a pause."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from tests.support.browser_in_memory import Answer, BrowserInMemory


@dataclass(slots=True)
class BrowserOverTls(BrowserInMemory):
    """Asks a running portal instead of an application in memory. `close` ends the connection, if there is one."""

    port: int = 0
    trusted: ssl.SSLContext | None = None
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @override
    async def _run(self, scope: dict[str, Any], body: bytes, address: str) -> Answer:
        if self.connection is None:
            self.connection = await asyncio.open_connection("localhost", self.port, ssl=self.trusted)
        reader, writer = self.connection
        query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        lines = [f"{scope['method']} {scope['path']}{query} HTTP/1.1".encode(), b"content-length: %d" % len(body)]
        lines += [name + b": " + value for name, value in scope["headers"]]
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = tuple(
            (name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in head[1:] if line)
        )
        answer = Answer(address, int(head[0].split()[1]), headers, "")
        content = await reader.readexactly(int(answer.find_header("content-length") or 0))
        return Answer(address, answer.status, headers, content.decode())

    def close(self) -> None:
        """Ends the connection, as a browser does after a while."""
        if self.connection is not None:
            self.connection[1].close()
            self.connection = None
