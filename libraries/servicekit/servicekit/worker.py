"""Runs the jobs of a service from the moment that its database is ready until it is told to stop."""

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
    """Waits for the schema that `package` expects, does `first` in one transaction, then the jobs (`jobs.run`).

    `looks` are the service's own questions to the database for metrics. The database's address is a direct one. Raises
    CommandFailed as `jobs.run`.
    """
    job_metrics = JobMetrics(metrics, tasks)
    stop = asyncio.ensure_future(server.stop_asked())
    ready = migrations.ready(database, package)
    async with server.health(settings.health_listen, ready):
        if not await server.until_ready(ready, stop):
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
                counted=job_metrics.count,
            )
