"""Runs the jobs of a service from the moment its database is ready until the process has to stop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from servicekit import jobs, migrations, server
from servicekit.database import Database
from servicekit.job_metrics import JobMetrics
from servicekit.metrics import Look, Metrics
from servicekit.settings import DatabaseSettings
from servicekit.telemetry import Telemetry


async def work_until_stopped(
    tasks: jobs.Work,
    *,
    package: str,
    settings: DatabaseSettings,
    database: Database,
    telemetry: Telemetry,
    metrics: Metrics,
    concurrency: Mapping[str, int],
    first: Callable[[AsyncConnection], Awaitable[None]] | None = None,
    looks: Sequence[Look] = (),
) -> None:
    """Waits for the schema that `package` expects, runs `first` in one transaction, then the jobs (`jobs.run`).

    `looks` read the service's own metrics from the database. The database's address must be a direct one. Raises
    CommandFailed as `jobs.run`, and ValueError where `concurrency` and the tasks do not name the same queues.
    """
    if set(concurrency) != set(jobs.queues(tasks)):
        raise ValueError(f"the queues {sorted(concurrency)} have slots, and the tasks' are {jobs.queues(tasks)}")
    job_metrics = JobMetrics(metrics, tasks)
    stop = asyncio.ensure_future(server.wait_for_stop())
    ready = migrations.ready(database, package)
    async with server.health(settings.health_listen, ready):
        if not await server.wait_until_ready(ready, stop):
            return
        if first is not None:
            async with database.transaction() as connection:
                await first(connection)
        async with metrics.refreshed(database, job_metrics.look, *looks):
            await jobs.run(
                tasks,
                settings.database,
                telemetry=telemetry,
                concurrency=concurrency,
                stop=stop,
                count_run=job_metrics.count,
                report_peer=job_metrics.report_peer,
            )
