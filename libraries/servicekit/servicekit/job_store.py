"""How jobs are kept: procrastinate's store, with tries and schedules by the database's clock (ADR 12)."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import procrastinate
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager, NotificationCallback, get_channel_for_queues
from typing_extensions import override

from servicekit.breaker import PeerAwayError, WorkerStopsError
from servicekit.job_alarm import Alarm
from servicekit.jobs import LONGEST_WAIT

# Seconds between two tries of a job: the first, doubled with each further one, and the longest.
SHORTEST_WAIT = 0.5
# The priority of a job is 0 less its failures.
_FAILED_ONCE = -1

# Seconds without a heartbeat after which a worker counts as dead and its jobs are run again.
DEAD_AFTER = 10.0

# A job, or a row without one; `next_after` are the seconds until the next job of the queue is due, NULL where none is.
_FETCH = """
SELECT job.id, job.status, job.task_name, job.priority, job.lock, job.queueing_lock, job.args, job.scheduled_at,
    job.queue_name, job.attempts, job.worker_id, (
        SELECT extract(epoch FROM greatest(next.scheduled_at, now()) - now())::double precision
        FROM procrastinate_jobs next
        WHERE next.status = 'todo' AND next.queue_name = %(queue)s::varchar AND next.id IS DISTINCT FROM job.id
        ORDER BY next.scheduled_at NULLS FIRST LIMIT 1
    ) AS next_after
FROM procrastinate_fetch_job_v2(ARRAY[%(queue)s::varchar], %(worker_id)s) job
"""

# Nothing where another worker has the job by now.
_RETRY = """
UPDATE procrastinate_jobs
SET status = 'todo', attempts = attempts + 1, abort_requested = false, priority = coalesce(%(priority)s, priority),
    scheduled_at = now() + make_interval(secs => %(wait)s::double precision)
WHERE id = %(job_id)s AND status IN ('doing', 'failed') AND worker_id IS NOT DISTINCT FROM %(worker_id)s
"""

_END = "DELETE FROM procrastinate_jobs WHERE id = %(job_id)s AND status IN ('todo', 'doing')"

# The jobs that take its place and the end of the job are one statement, so that neither is without the other.
_REPLACE = """
WITH ended AS (
    DELETE FROM procrastinate_jobs WHERE id = %(job_id)s AND status = 'doing' RETURNING queue_name, task_name
)
SELECT procrastinate_defer_jobs_v1(array_agg(
    ROW(queue_name, task_name, 0, NULL, NULL, each, NULL)::procrastinate_job_to_defer_v1
))
FROM ended, jsonb_array_elements(%(each)s::jsonb) each
HAVING count(*) > 0
"""

# The insertion tells its worker; a row that is only due earlier does not.
_DEFER_PERIODIC = """
WITH hastened AS (
    UPDATE procrastinate_jobs SET scheduled_at = NULL
    WHERE queueing_lock = %(name)s AND status = 'todo' AND scheduled_at > now() RETURNING id
), deferred AS (
    SELECT procrastinate_defer_periodic_job_v2(%(queue)s, NULL, %(name)s, %(name)s, 0, '', %(timestamp)s, '{}')
    WHERE NOT EXISTS (SELECT FROM procrastinate_jobs WHERE queueing_lock = %(name)s AND status = 'todo')
)
SELECT (SELECT count(*) FROM hastened) AS hastened, (SELECT count(*) FROM deferred) AS deferred
"""

_HASTEN_POSTPONED = """
UPDATE procrastinate_jobs SET scheduled_at = NULL
WHERE status = 'todo' AND scheduled_at > now() + make_interval(secs => %(longest)s)
RETURNING id, task_name, queue_name
"""

# Nothing else tells the workers of other processes, or of other queues, that a lock is free.
_TELL_THOSE_WHO_WAIT = """
SELECT pg_notify('procrastinate_queue_v1#' || queue_name, '')
FROM procrastinate_jobs WHERE lock = %(lock)s AND status = 'todo' GROUP BY queue_name
"""


class FirstTriesFirst(procrastinate.BaseRetryStrategy):
    """Every failed job is tried again, after those that failed less often; first tries have the priority 0."""

    @override
    def get_retry_decision(self, *, exception: BaseException, job: Job) -> procrastinate.RetryDecision:
        """Returns the priority of the next try. Jobs never give up, since a lost event would lose a registration."""
        if isinstance(exception, WorkerStopsError) or not isinstance(exception, Exception):
            return procrastinate.RetryDecision()
        if isinstance(exception, PeerAwayError):
            return procrastinate.RetryDecision(priority=min(job.priority, _FAILED_ONCE))
        # The wait is `JobStore.retry_job`'s, since only the database has the clock for it.
        return procrastinate.RetryDecision(priority=job.priority - 1)


def choose_wait(failures: int) -> float:
    """Returns the seconds before the next try of a job that failed so many times, at least once.

    0.5, 1, 2, … up to an hour, each reduced randomly by up to half, so that jobs that failed together come apart.
    """
    longest: float = min(LONGEST_WAIT, SHORTEST_WAIT * 2 ** min(failures - 1, 20))
    return longest * random.uniform(0.5, 1)  # noqa: S311  # no secret depends on it


class JobStore(JobManager):
    """The jobs of one database, as one process runs them. What is due is decided by the database's clock alone.

    All queues of the process are one worker of procrastinate's table, so that one heartbeat is enough. The worker of a
    queue asks for a job only when its alarm rang, and each answer says when the next job is due.
    """

    def __init__(self, connector: procrastinate.PsycopgConnector, queues: Iterable[str]) -> None:
        super().__init__(connector)
        self.alarms = {queue: Alarm() for queue in queues}
        self.worker_id = 0
        # Ends with an error where a job could not be fetched or its end not recorded: whether the database did it is
        # unknown, and only another worker finds such a job, when this one counts as dead.
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._replacements: dict[int, Sequence[Mapping[str, Any]]] = {}
        self._waits: dict[int, float] = {}

    async def join(self) -> None:
        """Adds this process to the workers, and removes those that are dead."""
        await super().prune_stalled_workers(DEAD_AFTER)
        self.worker_id = await super().register_worker()

    async def leave(self) -> None:
        """Removes this process from the workers."""
        await super().unregister_worker(self.worker_id)

    def stop(self) -> None:
        """Has no queue asked for again."""
        for alarm in self.alarms.values():
            alarm.stop()

    def replace_at_end(self, job_id: int, arguments: Sequence[Mapping[str, Any]]) -> None:
        """Has these jobs, of the same task and queue, take the place of a running one when it ends with success."""
        self._replacements[job_id] = arguments

    def postpone_at_end(self, job_id: int, wait: float) -> None:
        """Has a running job run again after so many seconds when it ends with success; it has failed no more often."""
        self._waits[job_id] = wait

    @override
    async def prune_stalled_workers(self, seconds_since_heartbeat: float) -> list[int]:
        """Does nothing: `join` did it for all queues."""
        return []

    @override
    async def register_worker(self) -> int:
        """Returns the worker that all queues of the process are."""
        return self.worker_id

    @override
    async def unregister_worker(self, worker_id: int) -> None:
        """Does nothing: `leave` does it for all queues."""

    @override
    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        """Wakes the worker of a queue whenever its alarm rings (`servicekit.job_watch`), until it is cancelled."""
        (queue,) = queues or ()
        (channel,) = get_channel_for_queues([queue])
        while True:
            await self.alarms[queue].wait()
            await on_notification(channel=channel, notification={"type": "job_inserted", "job_id": 0})

    @override
    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Takes the next job of a queue; asks the database only where there may be one."""
        (queue,) = queues or ()
        alarm = self.alarms[queue]
        # Again where it rang while the database was asked: procrastinate forgets that.
        while alarm.must_ask:
            alarm.must_ask = False
            async with self._must_succeed():
                row = await self.connector.execute_query_one_async(query=_FETCH, queue=queue, worker_id=worker_id)
            is_found, next_after = row["id"] is not None, row.pop("next_after")
            if next_after:
                alarm.ring_after(next_after)
            elif is_found and next_after is not None:
                alarm.must_ask = True
            # Otherwise what is due is another worker's, or waits for a lock.
            if is_found:
                return Job.from_row(row)
        return None

    @override
    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """Ends a job, and enqueues in the same transaction what takes its place; or has it run again after a wait."""
        wait = self._waits.pop(job.id or 0, None)
        if wait is not None:
            await self.postpone(job, wait)
            return
        replacements = self._replacements.pop(job.id or 0, ())
        async with self._must_succeed():
            if replacements:
                await self.connector.execute_query_async(query=_REPLACE, job_id=job.id, each=json.dumps(replacements))
            elif delete_job:
                await self.connector.execute_query_async(query=_END, job_id=job.id)
            else:
                await super().finish_job(job, status, delete_job)
            await self._free_lock(job)

    @override
    async def retry_job(
        self,
        job: Job,
        retry_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Has a job tried again: at once, or after a wait where a new priority says that it failed."""
        wait = None
        if priority is not None:
            # The same priority as before: its peer is away, for which the job waits in its slot.
            wait = choose_wait(-priority if priority < job.priority else 1)
        await self.postpone(job, wait, priority)

    async def postpone(self, job: Job, wait: float | None, priority: int | None = None) -> None:
        """Has a running or unknown job tried again after so many seconds; its priority remains where none is given."""
        async with self._must_succeed():
            try:
                await self.connector.execute_query_async(
                    query=_RETRY, job_id=job.id, worker_id=job.worker_id, wait=wait, priority=priority
                )
            except UniqueViolation:
                # The next run of a periodic task waits already.
                await self.connector.execute_query_async(query=_END, job_id=job.id)
            await self._free_lock(job)
        if job.queue in self.alarms:
            self.alarms[job.queue].ring_after(wait or 0.0)

    async def defer_periodic(self, name: str, queue: str, timestamp: int) -> None:
        """Enqueues a scheduled run of a task, once; where one waits already, that one is due."""
        try:
            row = await self.connector.execute_query_one_async(
                query=_DEFER_PERIODIC, name=name, queue=queue, timestamp=timestamp
            )
        except UniqueViolation:
            # Another worker was faster.
            return
        if row["hastened"]:
            self.alarms[queue].ring()

    async def hasten_postponed(self) -> Sequence[Mapping[str, Any]]:
        """Makes the jobs due whose time is further ahead than any wait, after a clock that was wrong; returns them."""
        rows = await self.connector.execute_query_all_async(query=_HASTEN_POSTPONED, longest=LONGEST_WAIT)
        for queue in {row["queue_name"] for row in rows} & self.alarms.keys():
            self.alarms[queue].ring()
        return rows

    async def _free_lock(self, job: Job) -> None:
        if job.lock is not None:
            await self.connector.execute_query_async(query=_TELL_THOSE_WHO_WAIT, lock=job.lock)

    @asynccontextmanager
    async def _must_succeed(self) -> AsyncIterator[None]:
        try:
            yield
        except Exception as error:
            if not self.failure.done():
                self.failure.set_exception(error)
            raise
