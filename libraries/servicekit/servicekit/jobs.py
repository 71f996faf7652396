"""Background jobs: enqueued in the transaction that causes them, idempotent, retried without end.

How they are retried and what waits for what: ADR 12.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.job_context import JobContext
from procrastinate.worker import Worker
from sqlalchemy import text

from refusals import Refusal
from servicekit.breaker import PEER_AWAY, PEER_FAILS, Breaker, Peer, ReportPeer
from servicekit.call_counts import CANCELLED, INTERNAL_FAILURE, OK, known_outcome
from servicekit.database import SEARCH_PATH, describe_database
from servicekit.database_connection import Connection
from servicekit.database_errors import diagnose, is_unavailable
from servicekit.exceptions import CommandFailed, DatabaseLost
from servicekit.job_connector import JobConnector
from servicekit.job_store import LONGEST_WAIT, FirstTriesFirst, JobStore
from servicekit.job_watch import DEAD_AFTER, Schedule, watch_jobs
from servicekit.statements import Statement
from servicekit.telemetry import TRACEPARENT, Telemetry, traceparent

log = logging.getLogger(__name__)

Entry = TypeVar("Entry")
# The arguments of jobs that take the place of one: the halves of a batch.
Replacements = Sequence[Mapping[str, Any]]
# Gets a job's arguments.
Task = Callable[[dict[str, Any]], Awaitable[Replacements | None]]

# Takes a task's name, the outcome of a run (OK, CANCELLED, TIMED_OUT or a reason of the catalogue) and its seconds.
CountRun = Callable[[str, str, float], None]

HEARTBEAT = 3.0
# The outcome of a run that its task's timeout interrupted.
TIMED_OUT = "TIMED_OUT"

# The function names its tables without their schema. Behind a transaction pooler sessions do not have our search path,
# so it is set for the transaction.
_ENQUEUE = Statement(
    text(
        "WITH path AS MATERIALIZED (SELECT set_config('search_path', :search_path, true)) "
        "SELECT jobs.procrastinate_defer_jobs_v1(ARRAY[ROW("
        "CAST(:queue AS varchar), CAST(:task AS varchar), 0, CAST(:lock AS text), NULL, "
        "CAST(:arguments AS jsonb), now() + CAST(:delay AS interval))::jobs.procrastinate_job_to_defer_v1]) FROM path"
    ).bindparams(search_path=SEARCH_PATH)
)

_ENQUEUE_EACH = Statement(
    text(
        "WITH path AS MATERIALIZED (SELECT set_config('search_path', :search_path, true)) "
        "SELECT jobs.procrastinate_defer_jobs_v1(ARRAY(SELECT ROW("
        "CAST(:queue AS varchar), CAST(:task AS varchar), 0, NULL, NULL, each, NULL"
        ")::jobs.procrastinate_job_to_defer_v1 FROM jsonb_array_elements(CAST(:each AS jsonb)) each)) FROM path"
    ).bindparams(search_path=SEARCH_PATH)
)

_WAITING = Statement(
    text(
        "SELECT queue_name, count(*) AS number FROM jobs.procrastinate_jobs "
        "WHERE status IN ('todo', 'doing') GROUP BY 1"
    )
)

_FAILING = Statement(
    text(
        "SELECT queue_name, count(*) AS number FROM jobs.procrastinate_jobs "
        "WHERE status IN ('todo', 'doing') AND priority < 0 GROUP BY 1"
    )
)

# Ids grow, so the lowest is the oldest. A retry changes a job's `scheduled_at`, but not this event, which is the only
# one that is kept (`migrations.create_jobs_schema`).
_OLDEST_WAITING = Statement(
    text(
        """
        SELECT oldest.queue_name, event.at
        FROM (
            SELECT queue_name, min(id) AS id
            FROM jobs.procrastinate_jobs WHERE status IN ('todo', 'doing') GROUP BY queue_name
        ) oldest
        JOIN jobs.procrastinate_events event ON event.job_id = oldest.id AND event.type = 'deferred'
        """
    )
)


async def enqueue(
    connection: Connection,
    task: str,
    *,
    queue: str,
    arguments: Mapping[str, Any],
    delay: timedelta | None = None,
    lock: str | None = None,
) -> None:
    """Enqueues a job in the caller's transaction: it exists if and only if the transaction commits.

    `arguments` are JSON and carry ids only, never personal data. `delay` counts from the transaction's beginning by the
    database's clock and is an hour at most, since a job whose time is further ahead is due (`jobs.run`). Jobs with the
    same `lock` do not run concurrently; a lock does not order them.
    """
    if delay is not None and delay.total_seconds() > LONGEST_WAIT:
        raise ValueError(f"the delay of a job is {LONGEST_WAIT} seconds at most, because a later one counts as due")
    await connection.change(
        _ENQUEUE,
        queue=queue,
        task=task,
        lock=lock,
        arguments=json.dumps({"arguments": dict(arguments), TRACEPARENT: traceparent()}),
        delay=delay,
    )


async def enqueue_each(
    connection: Connection, task: str, *, queue: str, arguments: Sequence[Mapping[str, Any]]
) -> None:
    """Enqueues one job for each of these arguments in one statement, each as `enqueue` does without delay and lock."""
    if not arguments:
        return
    each = [{"arguments": dict(of_job), TRACEPARENT: traceparent()} for of_job in arguments]
    await connection.change(_ENQUEUE_EACH, queue=queue, task=task, each=json.dumps(each))


@dataclass(frozen=True, slots=True)
class _Periodic:
    cron: str
    name: str


def halve_refused(batch: Sequence[Entry], refusal: Refusal) -> Sequence[Sequence[Entry]]:
    """Returns the halves of a batch that a peer refused for what it contains.

    Raises the refusal where it says nothing about the content, and where the batch has one entry: that one waits alone.
    """
    if len(batch) < 2 or refusal.reason in PEER_AWAY:
        raise refusal
    middle = len(batch) // 2
    log.warning("a batch of %s was refused (%s); its halves are tried instead", len(batch), refusal.reason)
    return batch[:middle], batch[middle:]


class Work:
    """The tasks of one service's worker, registered by its jobs.py."""

    def __init__(self) -> None:
        self.tasks: dict[str, tuple[Task, str, float]] = {}
        self.periodics: list[_Periodic] = []
        self.peers: dict[str, Peer] = {}
        self.queues: set[str] = set()

    def task(
        self, name: str, *, queue: str, further_queues: Collection[str] = (), timeout: float = 30
    ) -> Callable[[Task], Task]:
        """Returns a decorator that registers a task under the name and for the queues that `enqueue` uses.

        The task gets the job's arguments and is cancelled after `timeout` seconds, which counts as a failed try. It may
        return the arguments of jobs that take its place in the queue: these begin if and only if it ends.
        """
        self.queues |= {queue, *further_queues}

        def register(task: Task) -> Task:
            self.tasks[name] = (task, queue, timeout)
            return task

        return register

    def periodic(self, cron: str, name: str, *, queue: str, timeout: float = 300) -> Callable[[Task], Task]:
        """Returns a decorator for a task that also runs on a schedule (cron, UTC; a sixth field is seconds).

        At most one scheduled run waits, and a failed one is tried again at the next time of the schedule at the latest.
        """
        self.periodics.append(_Periodic(cron, name))
        return self.task(name, queue=queue, timeout=timeout)

    def wait_for(self, peer: str, *, queue: str, reasons: Collection[str] = PEER_FAILS) -> None:
        """Has the jobs of a queue, which all call this peer, wait while it does not answer (`servicekit.breaker`).

        That is when several jobs in a row take too long or end with one of these reasons.
        """
        self.peers[queue] = Peer(peer, reasons)


async def run(
    work: Work,
    dsn: str,
    *,
    password_file: Path | None = None,
    telemetry: Telemetry,
    concurrency: Mapping[str, int],
    stop: Awaitable[object],
    count_run: CountRun = lambda _task, _outcome, _seconds: None,
    report_peer: ReportPeer = lambda _queue, _is_away: None,
) -> None:
    """Runs jobs until `stop` returns, then lets running jobs finish for 10 seconds; interrupted jobs are run again.

    `concurrency` is the number of concurrent jobs of each queue; each queue has its own worker, so that mail never
    delays a revocation. A job that failed is tried again after those that failed less often, and after a wait that
    grows to an hour. `count_run` is called after every run, `report_peer` at the start and when the jobs of a queue
    begin or end to wait for their peer. Idle connections that the database closed are replaced, and `password_file` is
    read for every connection. Raises DatabaseLost where the database stayed away, so that the caller can wait for it
    and run the jobs again; CommandFailed where a worker ends for another reason.
    """
    connector = JobConnector(dsn, password_file)
    try:
        await _run(work, connector, dsn, _Runner(work, telemetry, count_run, report_peer), concurrency, stop)
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
    runner: "_Runner",
    concurrency: Mapping[str, int],
    stop: Awaitable[object],
) -> None:
    app = procrastinate.App(connector=connector)
    store = JobStore(connector)
    app.job_manager = store
    schedule = Schedule(store)
    for name in work.tasks:
        queue = work.tasks[name][1]
        registered = app.task(name=name, queue=queue, retry=FirstTriesFirst(), pass_context=True)(
            runner.bind(name, store)
        )
        for periodic in work.periodics:
            if periodic.name == name:
                schedule.registry.register_task(registered, periodic.cron, "", {})
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
        watching = [asyncio.create_task(watch_jobs(store, ending)), asyncio.create_task(schedule.run(ending))]
        stopping = asyncio.ensure_future(stop)
        done, _ = await asyncio.wait([stopping, *watching, *working], return_when=asyncio.FIRST_COMPLETED)
        # Stopped, not cancelled: a worker that waits for a connection loses the cancellation and never ends.
        for worker in workers:
            worker.stop()  # type: ignore[no-untyped-call]  # untyped
        ending.set()
        runner.stop()
        stopping.cancel()
        await asyncio.gather(*working, *watching, stopping, return_exceptions=True)
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


class _Runner:
    """Runs the tasks of one worker: telemetry, time-outs, counts, and the breakers of its queues."""

    def __init__(self, work: Work, telemetry: Telemetry, count_run: CountRun, report_peer: ReportPeer) -> None:
        self._work = work
        self._telemetry = telemetry
        self._count_run = count_run
        self._breakers = {queue: Breaker(queue, peer, report_peer) for queue, peer in work.peers.items()}

    def bind(self, name: str, store: JobStore) -> Callable[..., Awaitable[None]]:
        """Returns the function that runs jobs of a task."""

        async def run_task(context: JobContext, arguments: Mapping[str, Any] | None = None, **further: Any) -> None:
            header = str(further.get(TRACEPARENT, ""))
            run = self._run_task(name, context, dict(arguments or {}), header)
            breaker = self._breakers.get(context.job.queue)
            job_id = context.job.id or 0
            replacements = await (run if breaker is None else breaker.run(run, job_id, -context.job.priority))
            if replacements:
                each = [{"arguments": dict(of_job), TRACEPARENT: header} for of_job in replacements]
                store.replace_at_end(job_id, each)

        return run_task

    def stop(self) -> None:
        """Ends the waiting of jobs for their peers; they are run again."""
        for breaker in self._breakers.values():
            breaker.stop()

    async def _run_task(
        self, name: str, context: JobContext, arguments: dict[str, Any], header: str
    ) -> Replacements | None:
        task, _, timeout = self._work.tasks[name]
        began, outcome = time.perf_counter(), INTERNAL_FAILURE
        which = f"job {context.job.id} ({name}, queue {context.job.queue})"
        again = f"after {1 - context.job.priority} failed tries; it will be tried again"
        with self._telemetry.server_span(f"job {name}", header):
            try:
                async with asyncio.timeout(timeout):
                    replacements = await task(arguments)
                outcome = OK
                return replacements
            except Refusal as refusal:
                outcome = known_outcome(refusal.reason)
                log.warning("%s was refused %s: %s", which, again, refusal)
                raise
            except TimeoutError:
                outcome = TIMED_OUT
                log.warning("%s took more than %s seconds %s", which, timeout, again)
                raise
            except asyncio.CancelledError:
                outcome = CANCELLED
                raise
            except Exception as error:
                # Its text may quote personal data, its type and place do not.
                log.warning("%s ended with %s %s", which, type(error).__name__, again)
                raise
            finally:
                self._count_run(name, outcome, time.perf_counter() - began)


async def waiting(connection: Connection) -> Mapping[str, int]:
    """Returns the number of unfinished jobs by queue, for metrics and for tests that wait for all jobs."""
    return dict(await connection.fetch_rows(_WAITING))


async def failing(connection: Connection) -> Mapping[str, int]:
    """Returns the number of jobs whose last try failed, by queue; they wait for their next one, or have it now."""
    return dict(await connection.fetch_rows(_FAILING))


async def oldest_waiting(connection: Connection) -> Mapping[str, datetime]:
    """Returns when the oldest unfinished job of each queue was enqueued, regardless of its retries."""
    return dict(await connection.fetch_rows(_OLDEST_WAITING))


def queues(work: Work) -> Sequence[str]:
    """Returns the queues that a service's tasks use."""
    return sorted(work.queues)
