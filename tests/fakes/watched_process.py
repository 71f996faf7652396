"""A service as it is deployed: a process with metrics, whose log is JSON and is read at its end."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.scrape import Scrape, free_address, scrape

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

    async def stop(self) -> None:
        """Asks it to stop, as a platform does, and reads its log: every line is one JSON object."""
        self.process.terminate()
        async with asyncio.timeout(SECONDS):
            _, written = await self.process.communicate()
        self.log_text = written.decode()
        self.log = [json.loads(line) for line in self.log_text.splitlines()]
        assert self.process.returncode == 0, self.log_text


@asynccontextmanager
async def watched(package: str, command: str, settings: Mapping[str, str]) -> AsyncIterator[WatchedProcess]:
    """Runs a command of a service; it is killed at the end where it still runs."""
    metrics = free_address()
    watching = {
        "TOROKU_METRICS_LISTEN": metrics,
        "TOROKU_LOG_FORMAT": "json",
        # As in the images: gRPC's core reads it before our first line runs.
        "GRPC_VERBOSITY": "NONE",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", package, command),
        env=os.environ | settings | watching,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield WatchedProcess(process, metrics)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
