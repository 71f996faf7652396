"""A worker ends at any moment at which it is stopped."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from servicekit import job_run, jobs
from servicekit.telemetry import Telemetry


@pytest.mark.parametrize("moments", [0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1])
async def test_worker_stopped_during_its_start_ends(migrated_database: Callable[[str], str], moments: float) -> None:
    work = jobs.Work()

    @work.task("nothing", queue="events")
    async def nothing(arguments: dict[str, Any]) -> None:
        pass

    async with asyncio.timeout(10):
        await job_run.run(
            work,
            migrated_database("agency_sync"),
            telemetry=Telemetry.start("test", "", 0.0, instance="example"),
            concurrency={"events": 1, "mail": 1, "stop": 1},
            stop=asyncio.sleep(moments),
        )
