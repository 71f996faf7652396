"""Jobs on the real database: they exist if and only if the transaction commits, and are done in the end."""

import asyncio
import contextlib
import sys
import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from opentelemetry.sdk.trace import TracerProvider

from servicekit import job_run, job_watch, jobs
from servicekit.database import Database
from servicekit.exceptions import CommandFailed
from servicekit.telemetry import Telemetry, trace_id
from tests.support.running_worker import running_worker
from tests.support.statements import counted_statements
from tests.support.waiting import wait_until

TELEMETRY = Telemetry(TracerProvider(), 0)


async def enqueue(database: Database, task: str = "deliver", queue: str = "events", **arguments: Any) -> None:
    async with database.transaction() as connection:
        await jobs.enqueue(connection, task, queue=queue, arguments=arguments)


async def waiting(database: Database) -> dict[str, int]:
    async with database.read() as connection:
        return dict(await jobs.waiting(connection))


async def none_left(database: Database) -> bool:
    return not await waiting(database)


async def test_a_job_exists_if_and_only_if_its_transaction_commits(opened: Database) -> None:
    class RolledBackError(Exception):
        pass

    with contextlib.suppress(RolledBackError):
        async with opened.transaction() as connection:
            await jobs.enqueue(connection, "deliver", queue="events", arguments={"id": "1"})
            assert dict(await jobs.waiting(connection)) == {"events": 1}
            # Invisible to others before the commit.
            assert await waiting(opened) == {}
            raise RolledBackError
    assert await waiting(opened) == {}
    await enqueue(opened, id="2")
    assert await waiting(opened) == {"events": 1}


async def test_a_queue_that_gives_way_rests_after_each_job_as_long_as_the_job_took(opened: Database, dsn: str) -> None:
    spans: list[tuple[float, float]] = []
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(_: dict[str, Any]) -> None:
        began = time.perf_counter()
        await asyncio.sleep(0.2)
        spans.append((began, time.perf_counter()))

    work.give_way(queue="events")
    for _ in range(2):
        await enqueue(opened)
    async with running_worker(work, dsn):
        await wait_until(lambda: none_left(opened))
    (first_began, first_ended), (second_began, _) = spans
    assert second_began - first_ended >= first_ended - first_began


@pytest.mark.every_postgresql
async def test_many_jobs_are_enqueued_in_one_statement_each_with_its_own_arguments(opened: Database, dsn: str) -> None:
    done: list[str] = []
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        done.append(arguments["id"])

    async with opened.transaction() as connection:
        await jobs.enqueue_each(connection, "deliver", queue="events", arguments=[])
        await jobs.enqueue_each(
            connection, "deliver", queue="events", arguments=[{"id": str(number)} for number in range(3)]
        )
    async with running_worker(work, dsn):
        await wait_until(lambda: none_left(opened))
    assert sorted(done) == ["0", "1", "2"]


@pytest.mark.every_postgresql
async def test_jobs_of_several_tasks_and_queues_are_enqueued_in_one_statement_in_their_order(opened: Database) -> None:
    new_jobs = [
        jobs.NewJob("deliver", "events", {"id": "1"}),
        jobs.NewJob("send", "notices", {"id": "2"}),
        jobs.NewJob("deliver", "others", {"id": "3"}),
    ]
    with counted_statements() as statements:
        async with opened.transaction() as connection:
            await jobs.enqueue_together(connection, new_jobs)
    assert len(statements) == 1
    async with opened.read() as connection:
        cursor = await connection.execute("SELECT task_name, queue_name, args FROM jobs.procrastinate_jobs ORDER BY id")
        stored = [(task, queue, arguments["arguments"]) async for task, queue, arguments in cursor]
    assert stored == [(job.task, job.queue, job.arguments) for job in new_jobs]


async def test_job_gets_its_arguments_and_the_trace_of_the_call_that_enqueued_it(opened: Database, dsn: str) -> None:
    seen: list[tuple[dict[str, Any], str]] = []
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        seen.append((arguments, trace_id()))

    trace = "1" * 32
    with TELEMETRY.server_span("call", f"00-{trace}-{'2' * 16}-00"):
        await enqueue(opened, registration_id="r", agencies=["川口市"])
    async with running_worker(work, dsn):
        await wait_until(lambda: none_left(opened))
    assert seen == [({"registration_id": "r", "agencies": ["川口市"]}, trace)]


@pytest.mark.every_postgresql
async def test_failed_job_is_retried_until_it_succeeds(opened: Database, dsn: str) -> None:
    tries: list[str] = []
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        tries.append(arguments["id"])
        if len(tries) < 3:
            raise ConnectionError("the peer is down")

    await enqueue(opened, id="1")
    async with running_worker(work, dsn):
        await wait_until(lambda: none_left(opened))
    assert tries == ["1"] * 3


async def test_job_that_exceeds_its_timeout_is_cancelled_and_retried(opened: Database, dsn: str) -> None:
    tries = 0
    work = jobs.Work()

    @work.task("deliver", queue="events", timeout=0.2)
    async def deliver(arguments: dict[str, Any]) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            await asyncio.Event().wait()

    await enqueue(opened)
    async with running_worker(work, dsn):
        await wait_until(lambda: none_left(opened))
    assert tries == 2


async def test_delayed_job_runs_at_its_time(opened: Database, dsn: str) -> None:
    done: list[str] = []
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        done.append(arguments["id"])

    async with opened.transaction() as connection:
        for name, delay in (("later", timedelta(minutes=59)), ("soon", timedelta(seconds=1)), ("now", None)):
            await jobs.enqueue(connection, "deliver", queue="events", arguments={"id": name}, delay=delay)

    async def one_left() -> bool:
        return await waiting(opened) == {"events": 1}

    async with running_worker(work, dsn):
        await wait_until(one_left)
    assert done == ["now", "soon"]


@pytest.mark.every_postgresql
async def test_jobs_with_the_same_lock_do_not_run_concurrently(opened: Database, dsn: str) -> None:
    running, most = 0, 0
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    async with opened.transaction() as connection:
        for number in range(3):
            await jobs.enqueue(connection, "deliver", queue="events", arguments={"number": number}, lock="bidder")
    async with running_worker(work, dsn, events=4):
        await wait_until(lambda: none_left(opened))
    assert most == 1


async def test_full_queue_does_not_delay_another(opened: Database, dsn: str) -> None:
    release, mailing, stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()
    work = jobs.Work()

    @work.task("send", queue="mail")
    async def send(arguments: dict[str, Any]) -> None:
        mailing.set()
        await release.wait()

    @work.task("revoke", queue="stop")
    async def revoke(arguments: dict[str, Any]) -> None:
        stopped.set()

    assert jobs.queues(work) == ["mail", "stop"]
    for _ in range(3):
        await enqueue(opened, "send", "mail")
    async with asyncio.timeout(30), running_worker(work, dsn, mail=1, stop=1):
        await mailing.wait()
        await enqueue(opened, "revoke", "stop")
        await stopped.wait()
        assert (await waiting(opened))["mail"] == 3
        release.set()
        await wait_until(lambda: none_left(opened))


async def test_periodic_task_runs_on_its_schedule(opened: Database, dsn: str) -> None:
    ran = asyncio.Event()
    work = jobs.Work()

    @work.periodic("* * * * * *", "look", queue="events")
    async def look(arguments: dict[str, Any]) -> None:
        ran.set()

    async with asyncio.timeout(30), running_worker(work, dsn):
        await ran.wait()


async def test_job_of_a_killed_worker_is_run_again(opened: Database, dsn: str) -> None:
    await enqueue(opened, id="1")
    stuck = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.infrastructure.stuck_worker", dsn, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert stuck.stdout is not None
        async with asyncio.timeout(60):
            assert await stuck.stdout.readline() == b"taken\n"
    finally:
        stuck.kill()
        await stuck.wait()
    assert await waiting(opened) == {"events": 1}
    # Makes its last heartbeat old, so that the test need not wait.
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE jobs.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'")

    done: list[str] = []
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        done.append(arguments["id"])

    async with running_worker(work, dsn):
        await wait_until(lambda: none_left(opened))
    assert done == ["1"]


async def test_job_of_a_running_worker_is_not_run_again(opened: Database, dsn: str) -> None:
    release, tries = asyncio.Event(), 0
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        nonlocal tries
        tries += 1
        await release.wait()

    @work.task("send", queue="mail")
    async def send(arguments: dict[str, Any]) -> None:
        pass

    async def mail_done() -> bool:
        return await waiting(opened) == {"events": 1}

    await enqueue(opened)
    async with running_worker(work, dsn):
        await wait_until(lambda: _taken(opened))
        # Another worker searches for stalled jobs when it starts, before its first mail.
        async with running_worker(work, dsn, mail=1):
            await enqueue(opened, "send", "mail")
            await wait_until(mail_done)
        release.set()
        await wait_until(lambda: none_left(opened))
    assert tries == 1


async def _taken(opened: Database) -> bool:
    async with opened.read() as connection:
        found = await connection.execute("SELECT 1 FROM procrastinate_jobs WHERE status = 'doing'")
        return found.rowcount == 1


async def test_job_of_an_unknown_task_waits_for_a_worker_that_knows_it(
    opened: Database, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_watch, "UNKNOWN_TASK_WAIT", 1.0)
    await enqueue(opened, "deliver_anew")

    async def tried() -> bool:
        async with opened.read() as connection:
            found = await connection.execute("SELECT attempts FROM procrastinate_jobs WHERE status = 'todo'")
            return any(attempts for (attempts,) in await found.fetchall())

    async with running_worker(jobs.Work(), dsn):
        await wait_until(tried)

    done = asyncio.Event()
    work = jobs.Work()

    @work.task("deliver_anew", queue="events")
    async def deliver_anew(arguments: dict[str, Any]) -> None:
        done.set()

    async with asyncio.timeout(30), running_worker(work, dsn):
        await done.wait()


async def test_stop_lets_the_running_job_finish(opened: Database, dsn: str) -> None:
    begun, release, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        begun.set()
        await release.wait()
        done.set()

    await enqueue(opened, id="1")
    stop = asyncio.Event()
    running = asyncio.create_task(
        job_run.run(work, dsn, telemetry=TELEMETRY, concurrency={"events": 1}, stop=stop.wait())
    )
    async with asyncio.timeout(30):
        await begun.wait()
        await enqueue(opened, id="2")
        stop.set()
        await asyncio.sleep(0)
        assert not running.done()
        release.set()
        await running
    assert done.is_set()
    assert await waiting(opened) == {"events": 1}


async def test_worker_that_loses_its_database_ends_with_an_error(opened: Database, dsn: str) -> None:
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        pass

    never = asyncio.Event().wait()
    running = asyncio.create_task(job_run.run(work, dsn, telemetry=TELEMETRY, concurrency={"events": 1}, stop=never))
    await enqueue(opened)
    async with asyncio.timeout(30):
        await wait_until(lambda: none_left(opened))
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("ALTER TABLE jobs.procrastinate_jobs RENAME TO gone")
        with pytest.raises(CommandFailed):
            await running
