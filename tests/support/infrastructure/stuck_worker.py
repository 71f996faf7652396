"""A worker that takes one job, prints `taken`, and never finishes it; its argument is the DSN."""

import asyncio
import sys
from typing import Any

from opentelemetry.sdk.trace import TracerProvider

from servicekit import job_run, jobs
from servicekit.telemetry import Telemetry


async def main() -> None:
    """Works until the process is killed."""
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        print("taken", flush=True)
        await asyncio.Event().wait()

    telemetry = Telemetry(TracerProvider(), 0)
    await job_run.run(work, sys.argv[1], telemetry=telemetry, concurrency={"events": 1}, stop=asyncio.Event().wait())


if __name__ == "__main__":
    asyncio.run(main())
