"""The background work of agency-sync: each task calls one operation."""

from typing import Any

from agency_sync.operations.propagate import PROPAGATE, PROPAGATIONS_QUEUE, PropagationRun
from servicekit import jobs


def register_tasks(*, propagation: PropagationRun) -> jobs.Work:
    """Returns the tasks of the worker."""
    tasks = jobs.Work()

    # Also every ten seconds, so that the intentions of a worker that died are soon claimed again.
    @tasks.periodic("* * * * * */10", PROPAGATE, queue=PROPAGATIONS_QUEUE, timeout=600)
    async def run_propagation(_: dict[str, Any]) -> None:
        await propagation.run()

    tasks.wait_for("a registry", queue=PROPAGATIONS_QUEUE)
    return tasks
