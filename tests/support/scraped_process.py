"""A service as it is deployed: a process with metrics, whose log is JSON and is read at its end."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.scrape import Scrape, free_address, scrape

SECONDS = 60


@dataclass(slots=True)
class WatchedProcess:
    """A running process; `log` is there when it has ended."""

    process: asyncio.subprocess.Process
    metrics: str
    log: list[dict[str, Any]] = field(default_factory=list)
    log_text: str = ""

    async def scrape(self) -> Scrape:
        """Its metrics now; waits until it answers."""
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    return await scrape(self.metrics)
                except OSError:
                    assert self.process.returncode is None, "it has ended"
                    await asyncio.sleep(0.05)

    async def until_open(self, address: str) -> None:
        """Waits until it listens at a door."""
        host, _, port = address.partition(":")
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    _, writer = await asyncio.open_connection(host, int(port))
                except OSError:
                    assert self.process.returncode is None, "it has ended"
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    async def stop(self) -> None:
        """Asks it to stop, as a platform does, and reads its log: every line is one JSON object."""
        self.process.terminate()
        async with asyncio.timeout(SECONDS):
            _, written = await self.process.communicate()
        self.log_text = written.decode()
        self.log = [json.loads(line) for line in self.log_text.splitlines()]
        assert self.process.returncode == 0, self.log_text


async def knock_without_tls(address: str) -> None:
    """What strangers do to an open port; gRPC's own core would have something to say about it."""
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await writer.drain()
    await reader.read()
    writer.close()


@asynccontextmanager
async def watched(package: str, command: str, settings: Mapping[str, str]) -> AsyncIterator[WatchedProcess]:
    """Runs a command of a service; it is killed at the end where it still runs."""
    metrics = free_address()
    # This process has it from its own imports; the service has to keep gRPC's core still by itself.
    inherited = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    watching = {"TOROKU_METRICS_LISTEN": metrics, "TOROKU_LOG_FORMAT": "json"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", package, command),
        env={**inherited, **settings, **watching},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield WatchedProcess(process, metrics)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
