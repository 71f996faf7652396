"""Runs the jobs of a service from the moment its database is ready until the process has to stop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

from servicekit import job_run, jobs, readiness, schema, server
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.database_metrics import Look, keep_refreshed
from servicekit.exceptions import DatabaseLost
from servicekit.job_metrics import JobMetrics
from servicekit.metrics import Metrics
from servicekit.settings import DatabaseSettings
from servicekit.telemetry import Telemetry

log = logging.getLogger(__name__)

# Seconds between the loss of a database and the next attempt to run jobs.
RUN_AGAIN_AFTER = 1.0


async def work_until_stopped(
    tasks: jobs.Work,
    *,
    package: str,
    settings: DatabaseSettings,
    database: Database,
    telemetry: Telemetry,
    metrics: Metrics,
    concurrency: Mapping[str, int],
    first: Callable[[Connection], Awaitable[None]] | None = None,
    looks: Sequence[Look] = (),
    beside: AbstractAsyncContextManager[None] | None = None,
) -> None:
    """Waits for the schema that `package` expects, runs `first` in one transaction, then the jobs (`job_run.run`).

    `looks` read the service's own metrics from the database; `beside` begins when the schema is there, and ends after
    the jobs. The database's address must be a direct one. Where the database is lost, waits for it again.
    Raises CommandFailed as `job_run.run`, and ValueError where `concurrency` and the tasks do not name the same queues.
    """
    if set(concurrency) != set(jobs.queues(tasks)):
        raise ValueError(f"the queues {sorted(concurrency)} have slots, and the tasks' are {jobs.queues(tasks)}")
    job_metrics = JobMetrics(metrics, tasks)
    stop = asyncio.ensure_future(server.wait_for_stop())
    ready = schema.ready(database, package)
    async with server.health(settings.health_listen, ready):
        if not await readiness.wait_until_ready(ready, stop):
            return
        if first is not None:
            async with database.transaction() as connection:
                await first(connection)
        async with keep_refreshed(metrics, database, job_metrics.look, *looks), beside or nullcontext():
            while True:
                try:
                    await job_run.run(
                        tasks,
                        settings.database,
                        password_file=settings.database_password_file,
                        telemetry=telemetry,
                        concurrency=concurrency,
                        # Its end cancels what it waits for, and the next run waits for the same.
                        stop=asyncio.shield(stop),
                        count_run=job_metrics.count,
                        report_peer=job_metrics.report_peer,
                    )
                    return
                except DatabaseLost as lost:
                    log.error("%s", lost)  # the sentence says all that its reader needs
                # What answers the readiness check may still refuse a worker's connections, as where too few are left.
                await asyncio.wait([stop], timeout=RUN_AGAIN_AFTER)
                if not await readiness.wait_until_ready(ready, stop):
                    return
