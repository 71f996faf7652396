"""Background jobs: enqueued in the transaction that causes them, idempotent, retried without end."""

import asyncio
import contextlib
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.worker import Worker
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from refusals import Refusal
from servicekit.call_counts import CANCELLED, INTERNAL_FAILURE, OK, known_outcome
from servicekit.clock import now
from servicekit.database import SEARCH_PATH, describe_database
from servicekit.database_errors import diagnose, is_unavailable
from servicekit.exceptions import CommandFailed, DatabaseLost
from servicekit.job_connector import JobConnector
from servicekit.telemetry import TRACEPARENT, Telemetry, traceparent

log = logging.getLogger(__name__)

Task = Callable[[dict[str, Any]], Awaitable[None]]

# Takes a task's name, the outcome of a run (OK, CANCELLED, TIMED_OUT or a reason of the catalogue) and its seconds.
CountRun = Callable[[str, str, float], None]

# The longest wait between two attempts, in seconds.
LONGEST_WAIT = 60
HEARTBEAT = 3.0
# Seconds without a heartbeat after which a worker counts as dead and its jobs are run again.
DEAD_AFTER = 10.0
# Seconds between two searches for jobs of dead workers.
STALLED_JOBS_INTERVAL = 2.0
# Wait before a job whose task was unknown to its worker is tried again.
UNKNOWN_TASK_WAIT = timedelta(seconds=5)
# The outcome of a run that its task's timeout interrupted.
TIMED_OUT = "TIMED_OUT"

# The function names its tables without their schema. Behind a transaction pooler sessions do not have our search path,
# so it is set for the transaction.
_ENQUEUE = text(
    "WITH path AS MATERIALIZED (SELECT set_config('search_path', :search_path, true)) "
    "SELECT jobs.procrastinate_defer_jobs_v1(ARRAY[ROW("
    "CAST(:queue AS varchar), CAST(:task AS varchar), 0, CAST(:lock AS text), NULL, "
    "CAST(:arguments AS jsonb), CAST(:scheduled_at AS timestamptz))::jobs.procrastinate_job_to_defer_v1]) FROM path"
).bindparams(search_path=SEARCH_PATH)

_ENQUEUE_EACH = text(
    "WITH path AS MATERIALIZED (SELECT set_config('search_path', :search_path, true)) "
    "SELECT jobs.procrastinate_defer_jobs_v1(ARRAY(SELECT ROW("
    "CAST(:queue AS varchar), CAST(:task AS varchar), 0, NULL, NULL, each, NULL"
    ")::jobs.procrastinate_job_to_defer_v1 FROM jsonb_array_elements(CAST(:each AS jsonb)) each)) FROM path"
).bindparams(search_path=SEARCH_PATH)

# Ids grow, so the lowest is the oldest. A retry changes a job's `scheduled_at`, but not this event.
_OLDEST_WAITING = text(
    """
    SELECT oldest.queue_name, event.at
    FROM (
        SELECT queue_name, min(id) AS id
        FROM jobs.procrastinate_jobs WHERE status IN ('todo', 'doing') GROUP BY queue_name
    ) oldest
    JOIN jobs.procrastinate_events event ON event.job_id = oldest.id AND event.type = 'deferred'
    """
)


async def enqueue(
    connection: AsyncConnection,
    task: str,
    *,
    queue: str,
    arguments: Mapping[str, Any],
    delay: timedelta | None = None,
    lock: str | None = None,
) -> None:
    """Enqueues a job in the caller's transaction: it exists if and only if the transaction commits.

    `arguments` are JSON and carry ids only, never personal data. Jobs with the same `lock` do not run concurrently; a
    lock does not order them, and a job that waits for its next attempt blocks the others.
    """
    await connection.execute(
        _ENQUEUE,
        {
            "queue": queue,
            "task": task,
            "lock": lock,
            "arguments": json.dumps({"arguments": dict(arguments), TRACEPARENT: traceparent()}),
            "scheduled_at": now() + delay if delay else None,
        },
    )


async def enqueue_each(
    connection: AsyncConnection, task: str, *, queue: str, arguments: Sequence[Mapping[str, Any]]
) -> None:
    """Enqueues one job for each of these arguments in one statement, each as `enqueue` does without delay and lock."""
    if not arguments:
        return
    each = [{"arguments": dict(of_job), TRACEPARENT: traceparent()} for of_job in arguments]
    await connection.execute(_ENQUEUE_EACH, {"queue": queue, "task": task, "each": json.dumps(each)})


class CappedRetry(procrastinate.BaseRetryStrategy):
    """Waits 0.5, 1, 2, … seconds, at most a minute, each reduced randomly by up to half."""

    @override
    def get_retry_decision(self, *, exception: BaseException, job: Job) -> procrastinate.RetryDecision:
        """Returns the time of the next attempt; jobs never give up, since a lost event would lose a registration."""
        longest = min(LONGEST_WAIT, 0.5 * 2 ** min(job.attempts, 10))
        wait = timedelta(seconds=longest * random.uniform(0.5, 1))  # noqa: S311  # no secret depends on it
        return procrastinate.RetryDecision(retry_at=datetime.now(UTC) + wait)


@dataclass(frozen=True, slots=True)
class _Periodic:
    cron: str
    name: str


class Work:
    """The tasks of one service's worker, registered by its jobs.py."""

    def __init__(self) -> None:
        self.tasks: dict[str, tuple[Task, str, float]] = {}
        self.periodics: list[_Periodic] = []

    def task(self, name: str, *, queue: str, timeout: float = 30) -> Callable[[Task], Task]:
        """Returns a decorator that registers a task under the name that `enqueue` uses.

        The task gets the job's arguments and is cancelled after `timeout` seconds, which counts as a failed attempt.
        """

        def register(task: Task) -> Task:
            self.tasks[name] = (task, queue, timeout)
            return task

        return register

    def periodic(self, cron: str, name: str, *, queue: str, timeout: float = 300) -> Callable[[Task], Task]:
        """Returns a decorator for a task that also runs on a schedule (cron, UTC; a sixth field is seconds)."""
        self.periodics.append(_Periodic(cron, name))
        return self.task(name, queue=queue, timeout=timeout)


async def run(
    work: Work,
    dsn: str,
    *,
    password_file: Path | None = None,
    telemetry: Telemetry,
    concurrency: Mapping[str, int],
    stop: Awaitable[object],
    count_run: CountRun = lambda _task, _outcome, _seconds: None,
) -> None:
    """Runs jobs until `stop` returns, then lets running jobs finish for 10 seconds; interrupted jobs are run again.

    `concurrency` is the number of concurrent jobs of each queue; each queue has its own worker, so that mail never
    delays a revocation. `count_run` is called after every run. Idle connections that the database closed are replaced.
    `password_file` is read for every connection. Raises DatabaseLost where the database stayed away, so that the caller
    can wait for it and run the jobs again; CommandFailed where a worker ends for another reason.
    """
    connector = JobConnector(dsn, password_file)
    try:
        await _run(work, connector, dsn, telemetry, concurrency, stop, count_run)
    except (ConnectorException, psycopg.Error) as error:
        cause = error.__cause__ or error
        if is_unavailable(cause):
            raise DatabaseLost(
                f"jobs are not run, because {describe_database(dsn)} failed: {diagnose(cause).text}. They go on when "
                "it answers; interrupted jobs are run again"
            ) from error
        # Only a connection error is quoted: the text of an error about a row would show the row.
        why = diagnose(cause).text if isinstance(cause, psycopg.OperationalError) else type(cause).__name__
        raise CommandFailed(
            f"the worker stopped, because {describe_database(dsn)} failed: {why}. Start it again to go on; interrupted "
            "jobs are run again"
        ) from error


async def _run(
    work: Work,
    connector: JobConnector,
    dsn: str,
    telemetry: Telemetry,
    concurrency: Mapping[str, int],
    stop: Awaitable[object],
    count_run: CountRun,
) -> None:
    app = procrastinate.App(connector=connector)
    _register(app, work, telemetry, count_run)
    async with app.open_async():
        await _refuse_pooler(connector, dsn)
        workers = [
            Worker(
                app,
                queues=[queue],
                name=queue,
                concurrency=count,
                install_signal_handlers=False,
                delete_jobs="successful",
                shutdown_graceful_timeout=10,
                update_heartbeat_interval=HEARTBEAT,
                stalled_worker_timeout=DEAD_AFTER,
                fetch_job_polling_interval=1,
            )
            for queue, count in concurrency.items()
        ]
        working = [asyncio.create_task(worker.run()) for worker in workers]  # type: ignore[no-untyped-call]  # untyped
        ending = asyncio.Event()
        retrying = asyncio.create_task(_retry_stalled(app, ending))
        stopping = asyncio.ensure_future(stop)
        done, _ = await asyncio.wait([stopping, retrying, *working], return_when=asyncio.FIRST_COMPLETED)
        # Stopped, not cancelled: a worker that waits for a connection loses the cancellation and never ends.
        for worker in workers:
            worker.stop()  # type: ignore[no-untyped-call]  # untyped
        ending.set()
        stopping.cancel()
        await asyncio.gather(*working, retrying, stopping, return_exceptions=True)
        for task in done - {stopping}:
            task.result()
        if stopping not in done:
            if connector.has_lost_database:
                raise DatabaseLost(
                    f"jobs are not run, because {describe_database(dsn)} was away. They go on when it answers; "
                    "interrupted jobs are run again"
                )
            raise CommandFailed(
                "the worker stopped, because the processing of a queue ended unexpectedly (see the log above). Start "
                "it again to go on; interrupted jobs are run again"
            )


async def _refuse_pooler(connector: procrastinate.PsycopgConnector, dsn: str) -> None:
    async with connector.pool.connection() as connection:
        row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
        if row is None or row[0] != connection.info.backend_pid:
            raise CommandFailed(
                f"{describe_database(dsn)}: the address leads to a connection pooler, and a worker needs its own "
                "sessions: set TOROKU_DATABASE to the database's direct address"
            )


def _register(app: procrastinate.App, work: Work, telemetry: Telemetry, count_run: CountRun) -> None:
    for name, (task, queue, timeout) in work.tasks.items():
        run_task = _runner(name, task, timeout, telemetry, count_run)
        registered = app.task(name=name, queue=queue, retry=CappedRetry(), pass_context=False)(run_task)
        for periodic in work.periodics:
            if periodic.name == name:
                app.periodic(cron=periodic.cron)(registered)


def _runner(
    name: str, task: Task, timeout: float, telemetry: Telemetry, count_run: CountRun
) -> Callable[..., Awaitable[None]]:
    async def run_task(arguments: Mapping[str, Any] | None = None, **context: Any) -> None:
        began, outcome = time.perf_counter(), INTERNAL_FAILURE
        with telemetry.server_span(f"job {name}", str(context.get(TRACEPARENT, ""))):
            try:
                async with asyncio.timeout(timeout):
                    await task(dict(arguments or {}))
                outcome = OK
            except Refusal as refusal:
                outcome = known_outcome(refusal.reason)
                log.warning("job %s was refused and will be tried again: %s", name, refusal)
                raise
            except TimeoutError:
                outcome = TIMED_OUT
                log.warning("job %s took more than %s seconds and will be tried again", name, timeout)
                raise
            except asyncio.CancelledError:
                outcome = CANCELLED
                raise
            finally:
                count_run(name, outcome, time.perf_counter() - began)

    return run_task


async def _retry_stalled(app: procrastinate.App, ending: asyncio.Event) -> None:
    while not ending.is_set():
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER):
            log.warning("job %s (%s) of a dead worker is run again", job.id, job.task_name)
            await app.job_manager.retry_job(job)
        # Only a task that its worker does not know fails permanently: one of a newer version that is being rolled out.
        for job in await app.job_manager.list_jobs_async(status="failed"):
            log.warning("job %s waits for a worker that knows its task %s", job.id, job.task_name)
            await app.job_manager.retry_job(job, retry_at=now() + UNKNOWN_TASK_WAIT)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), STALLED_JOBS_INTERVAL)


async def waiting(connection: AsyncConnection) -> Mapping[str, int]:
    """Returns the number of unfinished jobs by queue, for metrics and for tests that wait for all jobs."""
    rows = await connection.execute(
        text("SELECT queue_name, count(*) FROM jobs.procrastinate_jobs WHERE status IN ('todo', 'doing') GROUP BY 1")
    )
    return {queue: count for queue, count in rows}


async def oldest_waiting(connection: AsyncConnection) -> Mapping[str, datetime]:
    """Returns when the oldest unfinished job of each queue was enqueued, regardless of its retries."""
    rows = await connection.execute(_OLDEST_WAITING)
    return {queue: enqueued_at for queue, enqueued_at in rows}


def queues(work: Work) -> Sequence[str]:
    """Returns the queues that a service's tasks use."""
    return sorted({queue for _, queue, _ in work.tasks.values()})
