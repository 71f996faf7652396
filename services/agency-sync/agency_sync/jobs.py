"""The background work of agency-sync: each task calls one operation."""

from typing import Any

from agency_sync.operations.change_propagation import CHANGES_QUEUE, PROPAGATE_CHANGES, ChangeRun
from agency_sync.operations.feed_appending import APPEND_PENDING, FEED_QUEUE, FeedAppending
from agency_sync.operations.feed_expiry import FeedExpiry
from agency_sync.operations.propagate import PROPAGATE, PROPAGATIONS_QUEUE, PropagationRun
from agency_sync.operations.snapshot import MAKE_SNAPSHOT, SNAPSHOTS_QUEUE, SnapshotMaking
from servicekit import jobs

# Beside which nothing else waits: a deletion never keeps an entry from being appended.
EXPIRY_QUEUE = "expiry"


def register_tasks(
    *,
    propagation: PropagationRun,
    changes: ChangeRun,
    feeds: FeedAppending,
    snapshots: SnapshotMaking,
    expiry: FeedExpiry,
) -> jobs.Work:
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

    # Also every ten seconds, so that what a worker that died left over is soon appended.
    @tasks.periodic("* * * * * */10", APPEND_PENDING, queue=FEED_QUEUE, timeout=3600)
    async def append_pending(_: dict[str, Any]) -> None:
        await feeds.append_pending()

    @tasks.periodic("17 * * * *", "delete_expired", queue=EXPIRY_QUEUE, timeout=3600)
    async def delete_expired(_: dict[str, Any]) -> None:
        await expiry.delete_expired()

    # Some seconds for 30,000 cards; the rest is patience with a busy database.
    @tasks.task(MAKE_SNAPSHOT, queue=SNAPSHOTS_QUEUE, timeout=600)
    async def make_snapshot(arguments: dict[str, Any]) -> None:
        await snapshots.make(arguments["agency"], arguments["category"])

    tasks.wait_for("a registry", queue=PROPAGATIONS_QUEUE)
    tasks.wait_for("contact-notification", queue=CHANGES_QUEUE)
    return tasks
