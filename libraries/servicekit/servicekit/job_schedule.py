"""The periodic tasks of a process, enqueued by the database's clock. Times are in seconds."""

import math
from collections.abc import Iterable
from typing import Any

from procrastinate.periodic import PeriodicDeferrer, PeriodicRegistry
from typing_extensions import override

from servicekit.job_store import JobStore


class Schedule(PeriodicDeferrer):
    """The periodic tasks of a process."""

    def __init__(self, store: JobStore) -> None:
        super().__init__(PeriodicRegistry())  # type: ignore[no-untyped-call]  # comes without types
        self._store = store
        # By the database's clock, in Unix time: when it was looked for due runs, and when the next one is due.
        self._looked_at = self._next_at = -math.inf

    async def enqueue_due(self, at: float) -> float:
        """Enqueues what is due at `at`, the time of the database in Unix time; returns how long nothing else is."""
        if not self.registry.periodic_tasks:
            return math.inf
        # Before the last look is after a jump of the clock.
        if not self._looked_at <= at < self._next_at:
            # After a jump, back or ahead, only the last tick before it counts.
            self.last_defers = {
                task: last for task, last in self.last_defers.items() if 0 <= at - last <= self.max_delay
            }
            await self.defer_jobs(self.get_previous_tasks(at=at))
            self._looked_at, self._next_at = at, at + self.get_next_tick(at=at)
        return self._next_at - at

    @override
    async def defer_jobs(self, jobs_to_defer: Iterable[Any]) -> None:
        """Enqueues each task once, whatever the number of ticks that have passed."""
        for task, timestamp in {task.task.name: (task.task, timestamp) for task, timestamp in jobs_to_defer}.values():
            await self._store.defer_periodic(task.name, task.queue, timestamp)
