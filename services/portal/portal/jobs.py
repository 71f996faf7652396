"""The background work of the portal."""

from typing import Any

from portal.operations.expiry import Expiry
from servicekit import jobs

EXPIRY_QUEUE = "expiry"


def register_tasks(expiry: Expiry) -> jobs.Work:
    """Returns the tasks of the worker."""
    tasks = jobs.Work()

    @tasks.periodic("*/5 * * * *", "delete_expired", queue=EXPIRY_QUEUE, timeout=600)
    async def delete_expired(_: dict[str, Any]) -> None:
        await expiry.delete_expired()

    return tasks
