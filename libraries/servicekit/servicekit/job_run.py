"""The running of jobs by a worker: each queue has a procrastinate worker with slots of its own."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.job_context import JobContext
from procrastinate.worker import Worker

from refusals import Refusal
from servicekit.breaker import Breaker, ReportPeer
from servicekit.call_counts import CANCELLED, INTERNAL_FAILURE, OK, known_outcome
from servicekit.database import describe_database
from servicekit.database_errors import diagnose, is_unavailable
from servicekit.exceptions import CommandFailed, DatabaseLost
from servicekit.job_connector import JobConnector
from servicekit.job_schedule import Schedule
from servicekit.job_store import FirstTriesFirst, JobStore
from servicekit.job_watch import JobWatch
from servicekit.jobs import Later, Result, Work
from servicekit.telemetry import TRACEPARENT, Telemetry

log = logging.getLogger(__name__)

# Takes a task's name, the outcome of a run (OK, CANCELLED, TIMED_OUT or a reason of the catalogue) and its seconds.
CountRun = Callable[[str, str, float], None]

# Seconds, for what procrastinate's workers do by themselves and here `JobWatch` does for all of them.
_NEVER = 1e6
# The outcome of a run that its task's timeout interrupted.
TIMED_OUT = "TIMED_OUT"


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
    store = JobStore(connector, concurrency)
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
        await store.join()
        watch = JobWatch(store, connector, schedule)
        workers = [
            Worker(
                app,
                queues=[queue],
                name=queue,
                concurrency=count,
                install_signal_handlers=False,
                delete_jobs="successful",
                shutdown_graceful_timeout=10,
                update_heartbeat_interval=_NEVER,
                fetch_job_polling_interval=_NEVER,
                abort_job_polling_interval=_NEVER,
            )
            for queue, count in concurrency.items()
        ]
        working = [asyncio.create_task(worker.run()) for worker in workers]  # type: ignore[no-untyped-call]  # untyped
        watching = asyncio.create_task(watch.run())
        stopping = asyncio.ensure_future(stop)
        ends: list[asyncio.Future[Any]] = [stopping, watching, store.failure, *working]
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        # Stopped, not cancelled: a worker that waits for a connection loses the cancellation and never ends.
        for worker in workers:
            worker.stop()  # type: ignore[no-untyped-call]  # untyped
        watch.stop()
        runner.stop()
        store.failure.cancel()
        stopping.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        store.stop()
        for task in done - {stopping}:
            task.result()
        if stopping not in done:
            raise CommandFailed(
                "the worker stopped, because the processing of a queue ended unexpectedly (see the log above). Start "
                "it again to go on; interrupted jobs are run again"
            )
        # Otherwise it counts as dead, and is removed by the next one.
        with contextlib.suppress(ConnectorException):
            await store.leave()


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
            began = time.perf_counter()
            result = await (run if breaker is None else breaker.run(run, job_id, -context.job.priority))
            if context.job.queue in self._work.yielding_queues:
                await asyncio.sleep(time.perf_counter() - began)
            if isinstance(result, Later):
                store.postpone_at_end(job_id, result.wait.total_seconds())
            elif result:
                each = [{"arguments": dict(of_job), TRACEPARENT: header} for of_job in result]
                store.replace_at_end(job_id, each)

        return run_task

    def stop(self) -> None:
        """Ends the waiting of jobs for their peers; they are run again."""
        for breaker in self._breakers.values():
            breaker.stop()

    async def _run_task(self, name: str, context: JobContext, arguments: dict[str, Any], header: str) -> Result:
        task, _, timeout = self._work.tasks[name]
        began, outcome = time.perf_counter(), INTERNAL_FAILURE
        which = f"job {context.job.id} ({name}, queue {context.job.queue})"
        again = f"after {1 - context.job.priority} failed tries; it will be tried again"
        with self._telemetry.server_span(f"job {name}", header):
            try:
                async with asyncio.timeout(timeout):
                    result = await task(arguments)
                outcome = OK
                return result
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
