"""What a worker does besides its jobs, by one connection: it listens, shows that it lives, and keeps the schedule.

One statement each three seconds is all that a process at rest asks of its database. Times are in seconds.
"""

import asyncio
import contextlib
import logging
import math
import time
from typing import Any

import psycopg
from procrastinate.manager import get_channel_for_queues
from psycopg import sql

from servicekit.database_connection import Connection
from servicekit.database_errors import is_unavailable
from servicekit.job_connector import PATIENCE, JobConnector
from servicekit.job_schedule import Schedule
from servicekit.job_store import DEAD_AFTER, JobStore
from servicekit.jobs import LONGEST_WAIT

log = logging.getLogger(__name__)

# Between two looks at the database: a heartbeat, the search for jobs that nobody runs, and for those that are due.
LOOK_INTERVAL = 3.0
# Between two searches for jobs whose time is too far ahead.
POSTPONED_JOBS_INTERVAL = 60.0
# Before a job whose task was unknown to its worker is tried again.
UNKNOWN_TASK_WAIT = 5.0
# Between two attempts to reach a database that is away.
CONNECT_AGAIN_AFTER = 1.0

# A heartbeat that is lost with the database's machine need not be waited for. It adds the worker again where another
# one took it for dead; `waits` are the seconds until the first job of each queue is due.
_LOOK = """
WITH heartbeat AS (
    INSERT INTO procrastinate_workers (id, last_heartbeat) OVERRIDING SYSTEM VALUE VALUES (%(worker_id)s, now())
    ON CONFLICT (id) DO UPDATE SET last_heartbeat = now()
)
SELECT
    extract(epoch FROM clock_timestamp())::double precision AS at,
    EXISTS (SELECT FROM procrastinate_jobs WHERE status = 'failed') OR EXISTS (
        SELECT FROM procrastinate_jobs job LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
        WHERE job.status = 'doing' AND job.worker_id IS DISTINCT FROM %(worker_id)s
        AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => %(dead_after)s))
    ) AS has_left_over,
    (
        SELECT jsonb_object_agg(queue, seconds)
        FROM unnest(%(queues)s::varchar[]) asked (queue), LATERAL (
            SELECT extract(epoch FROM greatest(scheduled_at, now()) - now())::double precision AS seconds
            FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = queue
            ORDER BY scheduled_at NULLS FIRST LIMIT 1
        ) first
    ) AS waits
FROM set_config('synchronous_commit', 'off', true)
"""


class JobWatch:
    """The watch of one process over the jobs of its queues."""

    def __init__(self, store: JobStore, connector: JobConnector, schedule: Schedule) -> None:
        self._store = store
        self._connector = connector
        self._schedule = schedule
        self._queues = {get_channel_for_queues([queue])[0]: queue for queue in store.alarms}  # type: ignore[index]
        self._hastened_at = -math.inf
        # Since when the database does not answer, by the process's clock.
        self._away_since = math.inf
        self._is_stopped = False
        # Set by what arrives at the connection, and by the stop.
        self._is_woken = asyncio.Event()

    async def run(self) -> None:
        """Watches until it is stopped; raises psycopg.Error where the database stays away, or what it answers."""
        while not self._is_stopped:
            try:
                async with await self._connector.connect() as connection:
                    await self._watch(connection)
            except psycopg.Error as error:
                if not is_unavailable(error):
                    raise
                now = time.monotonic()
                if self._away_since == math.inf:
                    # The connection was cut; those of the pool were too, as a rule.
                    self._away_since = now
                    await self._connector.pool.check()
                elif now - self._away_since > PATIENCE:
                    raise
                else:
                    await self._wait(CONNECT_AGAIN_AFTER)

    def stop(self) -> None:
        """Ends the watch."""
        self._is_stopped = True
        self._is_woken.set()

    async def _watch(self, connection: Connection) -> None:
        connection.add_notify_handler(lambda notification: self._ring(notification.channel))
        listens = (sql.SQL("LISTEN {}").format(sql.Identifier(channel)) for channel in self._queues)
        await connection.execute(sql.SQL("; ").join(listens), prepare=False)
        while not self._is_stopped:
            # After it listens: so it finds what was told while it did not.
            at = await self._look(connection)
            looked_at = time.monotonic()
            self._away_since = math.inf
            while (elapsed := time.monotonic() - looked_at) < LOOK_INTERVAL and not self._is_stopped:
                next_tick = await self._schedule.enqueue_due(at + elapsed)
                await self._listen(connection, min(LOOK_INTERVAL - elapsed, next_tick))

    async def _look(self, connection: Connection) -> float:
        """Looks once; returns the time of the database, in Unix time."""
        cursor = await connection.execute(
            _LOOK, {"worker_id": self._store.worker_id, "dead_after": DEAD_AFTER, "queues": list(self._store.alarms)}
        )
        look: Any = await cursor.fetchone()
        for queue, seconds in (look.waits or {}).items():
            if seconds:
                self._store.alarms[queue].ring_after(seconds)
            else:
                self._store.alarms[queue].ring()
        if look.has_left_over:
            await _retry_left_over(self._store)
        if time.monotonic() - self._hastened_at >= POSTPONED_JOBS_INTERVAL:
            await _hasten_postponed(self._store)
            self._hastened_at = time.monotonic()
        return float(look.at)

    async def _listen(self, connection: Connection, seconds: float) -> None:
        # Not by psycopg's `notifies`, which wakes up ten times a second.
        connection.note_unasked(self._is_woken.set)
        try:
            await self._wait(seconds)
        finally:
            connection.note_unasked(None)
        connection.pgconn.consume_input()
        while (notification := connection.pgconn.notifies()) is not None:
            self._ring(notification.relname.decode())

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_woken.wait(), seconds)
        if not self._is_stopped:
            self._is_woken.clear()

    def _ring(self, channel: str) -> None:
        self._store.alarms[self._queues[channel]].ring()


async def _retry_left_over(store: JobStore) -> None:
    for job in await store.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER):
        log.warning("job %s (%s) of a dead worker is run again", job.id, job.task_name)
        await store.retry_job(job)
    # Only a task that its worker does not know fails permanently: one of a newer version that is being rolled out.
    for job in await store.list_jobs_async(status="failed"):
        log.warning("job %s waits for a worker that knows its task %s", job.id, job.task_name)
        await store.postpone(job, UNKNOWN_TASK_WAIT)


async def _hasten_postponed(store: JobStore) -> None:
    for row in await store.hasten_postponed():
        log.warning(
            "job %s (%s) was to wait for more than %s seconds, after a clock that was wrong; it is due now",
            row["id"],
            row["task_name"],
            LONGEST_WAIT,
        )
