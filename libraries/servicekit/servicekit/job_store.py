"""How jobs are kept: procrastinate's store, with tries and schedules by the database's clock (ADR 12)."""

import json
import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import procrastinate
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from typing_extensions import override

from servicekit.breaker import PeerAwayError, WorkerStopsError
from servicekit.jobs import LONGEST_WAIT

# Seconds between two tries of a job: the first, doubled with each further one, and the longest.
SHORTEST_WAIT = 0.5
# The priority of a job is 0 less its failures.
_FAILED_ONCE = -1

_RETRY = """
SELECT procrastinate_retry_job_v2(
    %(job_id)s, now() + make_interval(secs => %(wait)s::double precision), %(priority)s, NULL, NULL
)
"""

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

_HASTEN_PERIODIC = """
UPDATE procrastinate_jobs SET scheduled_at = NULL
WHERE queueing_lock = %(name)s AND status = 'todo' AND scheduled_at > now()
"""

_DEFER_PERIODIC = """
SELECT procrastinate_defer_periodic_job_v2(%(queue)s, NULL, %(name)s, %(name)s, 0, '', %(timestamp)s, '{}')
WHERE NOT EXISTS (SELECT FROM procrastinate_jobs WHERE queueing_lock = %(name)s AND status = 'todo')
"""

_HASTEN_POSTPONED = """
UPDATE procrastinate_jobs SET scheduled_at = NULL
WHERE status = 'todo' AND scheduled_at > now() + make_interval(secs => %(longest)s)
RETURNING id, task_name
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
    """The jobs of one database. What is due is decided by the database's clock alone."""

    def __init__(self, connector: procrastinate.PsycopgConnector) -> None:
        super().__init__(connector)
        self._replacements: dict[int, Sequence[Mapping[str, Any]]] = {}

    def replace_at_end(self, job_id: int, arguments: Sequence[Mapping[str, Any]]) -> None:
        """Has these jobs, of the same task and queue, take the place of a running one when it ends with success."""
        self._replacements[job_id] = arguments

    @override
    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """Ends a job, and enqueues in the same transaction what takes its place."""
        replacements = self._replacements.pop(job.id or 0, ())
        if replacements:
            await self.connector.execute_query_async(query=_REPLACE, job_id=job.id, each=json.dumps(replacements))
        else:
            await super().finish_job(job, status, delete_job)

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
        try:
            await self.connector.execute_query_async(query=_RETRY, job_id=job.id, wait=wait, priority=priority)
        except UniqueViolation:
            # The next run of a periodic task waits already.
            await super().finish_job(job, Status.FAILED, delete_job=True)

    async def read_clock(self) -> float:
        """Returns the time of the database, in Unix time."""
        row = await self.connector.execute_query_one_async(
            query="SELECT extract(epoch FROM clock_timestamp())::double precision AS at"
        )
        return float(row["at"])

    async def defer_periodic(self, name: str, queue: str, timestamp: int) -> None:
        """Enqueues a scheduled run of a task, once; where one waits already, that one is due."""
        await self.connector.execute_query_async(query=_HASTEN_PERIODIC, name=name)
        try:
            await self.connector.execute_query_async(query=_DEFER_PERIODIC, name=name, queue=queue, timestamp=timestamp)
        except UniqueViolation:
            # Another worker was faster.
            return

    async def hasten_postponed(self) -> Sequence[Mapping[str, Any]]:
        """Makes the jobs due whose time is further ahead than any wait, after a clock that was wrong; returns them."""
        return await self.connector.execute_query_all_async(query=_HASTEN_POSTPONED, longest=LONGEST_WAIT)
