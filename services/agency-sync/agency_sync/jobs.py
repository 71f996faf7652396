"""The background work of agency-sync: each task calls one operation."""

from typing import Any

from agency_sync.operations.propagate import BULK_QUEUE, PROPAGATE, PropagationRun
from servicekit import jobs


def register_tasks(*, propagation: PropagationRun) -> jobs.Work:
    """Returns the tasks of the worker."""
    tasks = jobs.Work()

    # Also every minute, so that the intentions of a worker that died are claimed again.
    @tasks.periodic("* * * * *", PROPAGATE, queue=BULK_QUEUE, timeout=600)
    async def run_propagation(_: dict[str, Any]) -> None:
        await propagation.run()

    return tasks
