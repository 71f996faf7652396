"""Background jobs: enqueued in the transaction that causes them, idempotent, retried without end.

How they are retried and what waits for what: ADR 12; when they are fetched: ADR 24. `servicekit.job_run` runs
them; only a worker imports that.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import text

from refusals import Refusal
from servicekit.breaker import PEER_AWAY, PEER_FAILS, Peer
from servicekit.database import SEARCH_PATH
from servicekit.database_connection import Connection
from servicekit.statements import Statement
from servicekit.telemetry import TRACEPARENT, traceparent

log = logging.getLogger(__name__)

Entry = TypeVar("Entry")
# The arguments of jobs that take the place of one: the halves of a batch.
Replacements = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Later:
    """What a task returns for its job to be run again after a wait, since something is not there yet; no failure."""

    wait: timedelta


# What a task returns: None where its job is done.
Result = Replacements | Later | None
# Gets a job's arguments.
Task = Callable[[dict[str, Any]], Awaitable[Result]]

# A job whose time is further ahead, in seconds, is due.
LONGEST_WAIT = 3600.0

# The function names its tables without their schema. Behind a transaction pooler sessions do not have our search path,
# so it is set for the transaction.
_ENQUEUE = Statement(
    text(
        "WITH path AS MATERIALIZED (SELECT set_config('search_path', :search_path, true)) "
        "SELECT jobs.procrastinate_defer_jobs_v1(ARRAY[ROW("
        "CAST(:queue AS varchar), CAST(:task AS varchar), 0, CAST(:lock AS text), NULL, "
        "CAST(:arguments AS jsonb), now() + CAST(:delay AS interval))::jobs.procrastinate_job_to_defer_v1]) FROM path"
    ).bindparams(search_path=SEARCH_PATH)
)

_ENQUEUE_TOGETHER = Statement(
    text(
        "WITH path AS MATERIALIZED (SELECT set_config('search_path', :search_path, true)) "
        "SELECT jobs.procrastinate_defer_jobs_v1(ARRAY(SELECT ROW("
        "queue, task, 0, NULL, NULL, arguments, now() + make_interval(secs => delay)"
        ")::jobs.procrastinate_job_to_defer_v1 "
        "FROM ROWS FROM (jsonb_to_recordset(CAST(:jobs AS jsonb)) "
        "AS (queue varchar, task varchar, arguments jsonb, delay double precision)) "
        "WITH ORDINALITY AS job (queue, task, arguments, delay, place) ORDER BY place)) FROM path"
    ).bindparams(search_path=SEARCH_PATH)
)

_WAITING = Statement(
    text(
        "SELECT queue_name, count(*) AS number FROM jobs.procrastinate_jobs "
        "WHERE status IN ('todo', 'doing') GROUP BY 1"
    )
)

# One that is being run may have read already what the caller changed.
_IS_ANY_WAITING = Statement(
    text("SELECT EXISTS (SELECT FROM jobs.procrastinate_jobs WHERE queue_name = :queue AND status = 'todo')")
)

_FAILING = Statement(
    text(
        "SELECT queue_name, count(*) AS number FROM jobs.procrastinate_jobs "
        "WHERE status IN ('todo', 'doing') AND priority < 0 GROUP BY 1"
    )
)

# Ids grow, so the lowest is the oldest. A retry changes a job's `scheduled_at`, but not this event, which is the only
# one that is kept (`migrations.create_jobs_schema`).
_OLDEST_WAITING = Statement(
    text(
        """
        SELECT oldest.queue_name, event.at
        FROM (
            SELECT queue_name, min(id) AS id
            FROM jobs.procrastinate_jobs WHERE status IN ('todo', 'doing') GROUP BY queue_name
        ) oldest
        JOIN jobs.procrastinate_events event ON event.job_id = oldest.id AND event.type = 'deferred'
        """
    )
)


async def enqueue(
    connection: Connection,
    task: str,
    *,
    queue: str,
    arguments: Mapping[str, Any],
    delay: timedelta | None = None,
    lock: str | None = None,
) -> None:
    """Enqueues a job in the caller's transaction: it exists if and only if the transaction commits.

    `arguments` are JSON and carry ids only, never personal data. `delay` counts from the transaction's beginning by the
    database's clock and is an hour at most, since a job whose time is further ahead is due. Jobs with the same `lock`
    do not run concurrently; a lock does not order them.
    """
    if delay is not None:
        _check_delay(delay)
    await connection.change(
        _ENQUEUE,
        queue=queue,
        task=task,
        lock=lock,
        arguments=json.dumps({"arguments": dict(arguments), TRACEPARENT: traceparent()}),
        delay=delay,
    )


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be enqueued, without lock; `arguments` and `delay` as for `enqueue`."""

    task: str
    queue: str
    arguments: Mapping[str, Any]
    delay: timedelta | None = None


async def enqueue_together(connection: Connection, new_jobs: Sequence[NewJob]) -> None:
    """Enqueues jobs of any tasks and queues in one statement, in their order, as `enqueue` does each of them."""
    if not new_jobs:
        return
    header = traceparent()
    rows: list[dict[str, Any]] = []
    for job in new_jobs:
        arguments = {"arguments": dict(job.arguments), TRACEPARENT: header}
        rows.append({"queue": job.queue, "task": job.task, "arguments": arguments})
        if job.delay is not None:
            _check_delay(job.delay)
            rows[-1]["delay"] = job.delay.total_seconds()
    await connection.change(_ENQUEUE_TOGETHER, jobs=json.dumps(rows))


async def enqueue_each(
    connection: Connection, task: str, *, queue: str, arguments: Sequence[Mapping[str, Any]]
) -> None:
    """Enqueues one job of a task for each of these arguments, in one statement."""
    await enqueue_together(connection, [NewJob(task, queue, of_job) for of_job in arguments])


def _check_delay(delay: timedelta) -> None:
    if delay.total_seconds() > LONGEST_WAIT:
        raise ValueError(f"the delay of a job is {LONGEST_WAIT} seconds at most, because a later one counts as due")


@dataclass(frozen=True, slots=True)
class _Periodic:
    cron: str
    name: str


def halve_refused(batch: Sequence[Entry], refusal: Refusal) -> Sequence[Sequence[Entry]]:
    """Returns the halves of a batch that a peer refused for what it contains.

    Raises the refusal where it says nothing about the content, and where the batch has one entry: that one waits alone.
    """
    if len(batch) < 2 or refusal.reason in PEER_AWAY:
        raise refusal
    middle = len(batch) // 2
    log.warning("a batch of %s was refused (%s); its halves are tried instead", len(batch), refusal.reason)
    return batch[:middle], batch[middle:]


class Work:
    """The tasks of one service's worker, registered by its jobs.py."""

    def __init__(self) -> None:
        self.tasks: dict[str, tuple[Task, str, float]] = {}
        self.periodics: list[_Periodic] = []
        self.peers: dict[str, Peer] = {}
        self.queues: set[str] = set()
        self.yielding_queues: set[str] = set()

    def task(
        self, name: str, *, queue: str, further_queues: Collection[str] = (), timeout: float = 30
    ) -> Callable[[Task], Task]:
        """Returns a decorator that registers a task under the name and for the queues that `enqueue` uses.

        The task gets the job's arguments and is cancelled after `timeout` seconds, which counts as a failed try. It may
        return the arguments of jobs that take its place in the queue: these begin if and only if it ends; or `Later`.
        """
        self.queues |= {queue, *further_queues}

        def register(task: Task) -> Task:
            self.tasks[name] = (task, queue, timeout)
            return task

        return register

    def periodic(self, cron: str, name: str, *, queue: str, timeout: float = 300) -> Callable[[Task], Task]:
        """Returns a decorator for a task that also runs on a schedule (cron, UTC; a sixth field is seconds).

        At most one scheduled run waits, and a failed one is tried again at the next time of the schedule at the latest.
        """
        self.periodics.append(_Periodic(cron, name))
        return self.task(name, queue=queue, timeout=timeout)

    def wait_for(self, peer: str, *, queue: str, reasons: Collection[str] = PEER_FAILS) -> None:
        """Has the jobs of a queue, which all call this peer, wait while it does not answer (`servicekit.breaker`).

        That is when several jobs in a row take too long or end with one of these reasons.
        """
        self.peers[queue] = Peer(peer, reasons)

    def give_way(self, *, queue: str) -> None:
        """Has each slot of a queue rest after a job for as long as the job took: nothing waits for these jobs.

        So however many there are, they take at most half of what the machine gives them, and calls get the rest.
        """
        self.yielding_queues.add(queue)


async def waiting(connection: Connection) -> Mapping[str, int]:
    """Returns the number of unfinished jobs by queue, for metrics and for tests that wait for all jobs."""
    return dict(await connection.fetch_rows(_WAITING))


async def is_any_waiting(connection: Connection, queue: str) -> bool:
    """Returns whether a job of a queue has yet to begin, at first or again."""
    return bool(await connection.fetch_value(_IS_ANY_WAITING, queue=queue))


async def failing(connection: Connection) -> Mapping[str, int]:
    """Returns the number of jobs whose last try failed, by queue; they wait for their next one, or have it now."""
    return dict(await connection.fetch_rows(_FAILING))


async def oldest_waiting(connection: Connection) -> Mapping[str, datetime]:
    """Returns when the oldest unfinished job of each queue was enqueued, regardless of its retries."""
    return dict(await connection.fetch_rows(_OLDEST_WAITING))


def queues(work: Work) -> Sequence[str]:
    """Returns the queues that a service's tasks use."""
    return sorted(work.queues)
