"""What a worker does besides its jobs: it enqueues scheduled runs, and looks for jobs that nobody runs."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Iterable
from typing import Any

from procrastinate.periodic import MARGIN, PeriodicDeferrer, PeriodicRegistry
from typing_extensions import override

from servicekit.job_store import JobStore
from servicekit.jobs import LONGEST_WAIT

log = logging.getLogger(__name__)

# Seconds without a heartbeat after which a worker counts as dead and its jobs are run again.
DEAD_AFTER = 10.0
# Seconds between two searches for jobs of dead workers, and for jobs whose time is too far ahead.
STALLED_JOBS_INTERVAL = 2.0
POSTPONED_JOBS_INTERVAL = 60.0
# Seconds before a job whose task was unknown to its worker is tried again.
UNKNOWN_TASK_WAIT = 5.0


async def watch_jobs(store: JobStore, ending: asyncio.Event) -> None:
    """Has jobs run again that would be left over, until the event; raises what the database raises."""
    hastened_at = -math.inf
    while not ending.is_set():
        await _retry_stalled(store)
        if time.monotonic() - hastened_at >= POSTPONED_JOBS_INTERVAL:
            await _hasten_postponed(store)
            hastened_at = time.monotonic()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), STALLED_JOBS_INTERVAL)


async def _retry_stalled(store: JobStore) -> None:
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


class Schedule(PeriodicDeferrer):
    """The periodic tasks of a process, enqueued by the database's clock."""

    def __init__(self, store: JobStore) -> None:
        super().__init__(PeriodicRegistry())  # type: ignore[no-untyped-call]  # comes without types
        self._store = store

    async def run(self, ending: asyncio.Event) -> None:
        """Enqueues runs until the event; raises what the database raises."""
        if not self.registry.periodic_tasks:
            await ending.wait()
        while not ending.is_set():
            at = await self._store.read_clock()
            # After a jump of the clock, back or ahead, only the last tick before it counts.
            self.last_defers = {
                task: last for task, last in self.last_defers.items() if 0 <= at - last <= self.max_delay
            }
            await self.defer_jobs(self.get_previous_tasks(at=at))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), self.get_next_tick(at=at) + MARGIN)

    @override
    async def defer_jobs(self, jobs_to_defer: Iterable[Any]) -> None:
        """Enqueues each task once, whatever the number of ticks that have passed."""
        for task, timestamp in {task.task.name: (task.task, timestamp) for task, timestamp in jobs_to_defer}.values():
            await self._store.defer_periodic(task.name, task.queue, timestamp)
