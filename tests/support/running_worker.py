"""A worker that runs beside a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.sdk.trace import TracerProvider

from servicekit import job_run, jobs
from servicekit.breaker import ReportPeer
from servicekit.telemetry import Telemetry


@asynccontextmanager
async def running_worker(
    work: jobs.Work, dsn: str, *, report_peer: ReportPeer = lambda _queue, _is_away: None, **concurrency: int
) -> AsyncIterator["asyncio.Task[None]"]:
    """Runs a worker with these queues until the block ends; it must end without an error."""
    stop = asyncio.Event()
    running = asyncio.create_task(
        job_run.run(
            work,
            dsn,
            telemetry=Telemetry(TracerProvider(), 0),
            concurrency=concurrency or {"events": 1},
            stop=stop.wait(),
            report_peer=report_peer,
        )
    )
    try:
        yield running
    finally:
        stop.set()
        await running
