"""The background work of agency-sync: each task calls one operation."""

from typing import Any

from agency_sync.operations.change_propagation import CHANGES_QUEUE, PROPAGATE_CHANGES, ChangeRun
from agency_sync.operations.propagate import PROPAGATE, PROPAGATIONS_QUEUE, PropagationRun
from servicekit import jobs


def register_tasks(*, propagation: PropagationRun, changes: ChangeRun) -> jobs.Work:
    """Returns the tasks of the worker."""
    tasks = jobs.Work()

    # Also every ten seconds, so that the intentions of a worker that died are soon claimed again, and the night batch
    # begins; the next run goes on with what one that ran out of its time left.
    @tasks.periodic("* * * * * */10", PROPAGATE, queue=PROPAGATIONS_QUEUE, timeout=600)
    async def run_propagation(_: dict[str, Any]) -> None:
        await propagation.run()

    @tasks.periodic("* * * * * */10", PROPAGATE_CHANGES, queue=CHANGES_QUEUE, timeout=600)
    async def run_changes(_: dict[str, Any]) -> None:
        await changes.run()

    tasks.wait_for("a registry", queue=PROPAGATIONS_QUEUE)
    tasks.wait_for("contact-notification", queue=CHANGES_QUEUE)
    return tasks
