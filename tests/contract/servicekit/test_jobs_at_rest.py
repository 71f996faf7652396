"""What a worker asks of its database: almost nothing at rest, two statements for a job, and never too late."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from servicekit import job_watch, jobs
from servicekit.database import Database
from servicekit.exceptions import CommandFailed
from servicekit.job_connector import JobConnector
from servicekit.job_store import DEAD_AFTER, JobStore
from tests.support.infrastructure.statement_log import StatementLog
from tests.support.running_worker import running_worker
from tests.support.waiting import wait_until

# Longer than any test may take, so that nothing is found by looking again.
NEVER = 3600.0
HEARTBEATS = "SELECT array_agg(last_heartbeat) FROM jobs.procrastinate_workers"
END_LISTENERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND query LIKE '%%heartbeat%%'"
)
# The triggers of the jobs name their tables without a schema.
JOBS_FIRST = "-c search_path=jobs"
INSERT = "INSERT INTO procrastinate_jobs (queue_name, task_name, lock) VALUES (%s, 'deliver', %s)"


class Deliveries:
    """The work of a worker with a task of several queues, and the runs of it."""

    def __init__(self) -> None:
        self.work = jobs.Work()
        self.runs: list[str] = []
        self.fails = 0

        @self.work.task("deliver", queue="events", further_queues=("mail", "notices"))
        async def deliver(arguments: dict[str, Any]) -> None:
            self.runs.append(arguments.get("id", ""))
            if len(self.runs) <= self.fails:
                raise ConnectionError

    async def has_run(self, times: int) -> bool:
        return len(self.runs) >= times


async def enqueue(database: Database, name: str, *, delay: timedelta | None = None) -> None:
    async with database.transaction() as connection:
        await jobs.enqueue(connection, "deliver", queue="events", arguments={"id": name}, delay=delay)


async def none_left(database: Database) -> bool:
    async with database.read() as connection:
        return not await jobs.waiting(connection)


async def is_at_rest(log: StatementLog, queues: int) -> bool:
    """Whether the worker has looked, hastened, and asked for the jobs of all queues that came before it."""
    statements = log.read()
    fetches = [statement for statement in statements if "procrastinate_fetch_job" in statement]
    return len(fetches) >= queues and any(statement.startswith("UPDATE") for statement in statements)


async def test_worker_at_rest_asks_with_each_heartbeat_only(
    postgresql: EmbeddedPostgreSQL, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is promised of the jobs of a dead worker.
    assert DEAD_AFTER + job_watch.LOOK_INTERVAL <= 13
    monkeypatch.setattr(job_watch, "LOOK_INTERVAL", 0.3)
    log = StatementLog(postgresql, dsn)
    heartbeats: set[str] = set()

    async def has_beaten_five_times() -> bool:
        with psycopg.connect(dsn) as connection:
            heartbeats.add(str(connection.execute(HEARTBEATS).fetchone()))
        return len(heartbeats) > 5

    async with running_worker(Deliveries().work, log.dsn, events=1, mail=1, notices=1):
        await wait_until(lambda: is_at_rest(log, 3))
        began_at = time.monotonic()
        log.forget()
        await wait_until(has_beaten_five_times)
        statements = log.read()
        seconds = time.monotonic() - began_at
    assert all("heartbeat" in statement for statement in statements)
    assert len(statements) <= seconds / job_watch.LOOK_INTERVAL + 1


async def test_each_job_costs_two_statements(
    opened: Database, postgresql: EmbeddedPostgreSQL, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_watch, "LOOK_INTERVAL", NEVER)
    log, deliveries = StatementLog(postgresql, dsn), Deliveries()
    async with running_worker(deliveries.work, log.dsn, events=2, mail=1):
        await wait_until(lambda: is_at_rest(log, 2))
        log.forget()
        for number in range(1, 6):
            await enqueue(opened, str(number))
            await wait_until(lambda: none_left(opened))
        statements = log.read()
    assert [statement.split()[0] for statement in statements] == ["SELECT", "DELETE"] * 5


async def test_failed_and_delayed_jobs_start_when_they_are_due_and_not_when_somebody_looks(
    opened: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_watch, "LOOK_INTERVAL", NEVER)
    deliveries = Deliveries()
    deliveries.fails = 2
    async with running_worker(deliveries.work, dsn):
        await enqueue(opened, "fails twice")
        await wait_until(lambda: deliveries.has_run(3))
        await enqueue(opened, "later", delay=timedelta(seconds=0.5))
        await wait_until(lambda: deliveries.has_run(4))
        await wait_until(lambda: none_left(opened))
    assert deliveries.runs == ["fails twice"] * 3 + ["later"]


async def insert_silently(dsn: str) -> None:
    """Inserts a job of which nobody is told, as one of an insertion while the worker did not listen."""
    trigger = "procrastinate_jobs_notify_queue_job_inserted_v1"
    with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
        connection.execute(f"ALTER TABLE procrastinate_jobs DISABLE TRIGGER {trigger}")
        connection.execute(INSERT, ["events", None])
        connection.execute(f"ALTER TABLE procrastinate_jobs ENABLE TRIGGER {trigger}")


async def test_job_of_which_the_worker_was_not_told_is_found_by_the_next_look(
    opened: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_watch, "LOOK_INTERVAL", 0.3)
    deliveries = Deliveries()
    async with running_worker(deliveries.work, dsn):
        await enqueue(opened, "first")
        await wait_until(lambda: deliveries.has_run(1))
        await insert_silently(dsn)
        await wait_until(lambda: deliveries.has_run(2))


async def test_job_of_which_the_worker_was_not_told_is_found_when_it_listens_again(
    opened: Database, postgresql: EmbeddedPostgreSQL, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_watch, "LOOK_INTERVAL", NEVER)
    log, deliveries = StatementLog(postgresql, dsn), Deliveries()
    async with running_worker(deliveries.work, log.dsn):
        await wait_until(lambda: is_at_rest(log, 1))
        await insert_silently(dsn)
        with postgresql.connect() as connection:
            ended = connection.execute(END_LISTENERS, [dsn_database(dsn)]).fetchall()
        assert ended == [(True,)]
        await wait_until(lambda: deliveries.has_run(1))
        await enqueue(opened, "it listens again")
        await wait_until(lambda: deliveries.has_run(2))


def dsn_database(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        return connection.info.dbname


async def test_job_begins_when_a_worker_of_another_queue_frees_its_lock(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_watch, "LOOK_INTERVAL", NEVER)
    begun, release, other = asyncio.Event(), asyncio.Event(), Deliveries()
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        begun.set()
        await release.wait()

    async with asyncio.timeout(30), running_worker(work, dsn), running_worker(other.work, dsn, mail=1):
        with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
            connection.execute(INSERT, ["events", "bidder"])
        await begun.wait()
        with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
            connection.execute(INSERT, ["mail", "bidder"])
            connection.execute(INSERT, ["mail", None])
        await wait_until(lambda: other.has_run(1))
        release.set()
        await wait_until(lambda: other.has_run(2))


async def test_worker_that_others_took_for_dead_goes_on(
    opened: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_watch, "LOOK_INTERVAL", 0.1)
    deliveries = Deliveries()

    async def is_back() -> bool:
        with psycopg.connect(dsn) as connection:
            return connection.execute("SELECT FROM jobs.procrastinate_workers").rowcount == 1

    async with running_worker(deliveries.work, dsn):
        await enqueue(opened, "before")
        await wait_until(lambda: none_left(opened))
        with psycopg.connect(dsn) as connection:
            connection.execute("DELETE FROM jobs.procrastinate_workers")
        await wait_until(is_back)
        await enqueue(opened, "after")
        await wait_until(lambda: none_left(opened))
    assert deliveries.runs == ["before", "after"]


async def test_worker_ends_where_the_end_of_a_job_can_not_be_recorded(opened: Database, dsn: str) -> None:
    """Otherwise the job would be one of a living worker for ever, which nobody runs."""
    with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END; $$; "
            "CREATE TRIGGER refuse BEFORE DELETE ON procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    running = asyncio.create_task(end_by_itself(dsn))
    await enqueue(opened, "never ends")
    async with asyncio.timeout(30):
        with pytest.raises(CommandFailed):
            await running


async def end_by_itself(dsn: str) -> None:
    async with running_worker(Deliveries().work, dsn) as running:
        await running


async def test_job_of_a_dead_worker_is_given_back_once(dsn: str) -> None:
    """Two workers that look at the same time both find it."""
    with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
        connection.execute(INSERT, ["events", None])
        connection.execute("UPDATE procrastinate_jobs SET status = 'doing'")
    connector = JobConnector(dsn, None)
    await connector.open_async()
    try:
        store = JobStore(connector, ["events"])
        await store.join()
        (stalled,) = await store.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER)
        await store.retry_job(stalled)
        taken = await store.fetch_job(["events"], store.worker_id)
        await store.retry_job(stalled)
        store.stop()
    finally:
        await connector.close_async()
    assert taken is not None
    with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
        assert connection.execute("SELECT status::text, attempts FROM procrastinate_jobs").fetchall() == [("doing", 1)]
