"""A service as it is deployed: a process with metrics, whose JSON log is read when it has ended."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.scrape import Scrape, free_address, scrape

SECONDS = 60


@dataclass(slots=True)
class ScrapedProcess:
    """A running process; `log` is filled when it has ended."""

    process: asyncio.subprocess.Process
    metrics: str
    log: list[dict[str, Any]] = field(default_factory=list)
    log_text: str = ""

    async def scrape(self) -> Scrape:
        """Returns its metrics, as soon as it answers."""
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    return await scrape(self.metrics)
                except OSError:
                    assert self.process.returncode is None, "the process has ended"
                    await asyncio.sleep(0.05)

    async def wait_until_listening(self, address: str) -> None:
        """Waits until it listens at an address."""
        host, _, port = address.partition(":")
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    _, writer = await asyncio.open_connection(host, int(port))
                except OSError:
                    assert self.process.returncode is None, "the process has ended"
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    async def stop(self) -> None:
        """Sends SIGTERM, as a platform does, and reads the log, of which every line is one JSON object."""
        self.process.terminate()
        async with asyncio.timeout(SECONDS):
            _, written = await self.process.communicate()
        self.log_text = written.decode()
        self.log = [json.loads(line) for line in self.log_text.splitlines()]
        assert self.process.returncode == 0, self.log_text


def ahead_by(time: str) -> dict[str, str]:
    """Returns the environment of a process whose clock is ahead, as `30d`; how long something takes stays true."""
    libraries = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]
    assert libraries, "libfaketime is missing: `python3 tools/set_up.py test` installs it"
    return {"LD_PRELOAD": str(libraries[0]), "FAKETIME": f"+{time}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


async def connect_without_tls(address: str) -> None:
    """Sends plain HTTP to a TLS port, as strangers do; gRPC's core would log that on its own."""
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await writer.drain()
    await reader.read()
    writer.close()


@asynccontextmanager
async def scraped_process(package: str, command: str, settings: Mapping[str, str]) -> AsyncIterator[ScrapedProcess]:
    """Runs a command of a service, and kills it at the end of the block if it still runs."""
    metrics = free_address()
    # Importing servicekit has set it in this process; the service must set it without that.
    inherited = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}

    observation = {"TOROKU_METRICS_LISTEN": metrics, "TOROKU_LOG_FORMAT": "json"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", package, command),
        env={**inherited, **settings, **observation},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield ScrapedProcess(process, metrics)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
