"""Tries of jobs on the real database: first tries first, waits by the database's clock, batches, schedules."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from refusals import Code, Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.job_store import choose_wait
from tests.support.running_worker import running_worker
from tests.support.waiting import wait_until

REFUSED = Refusal("CARD_STATE_INVALID", Code.INVALID_ARGUMENT, {"certificate_sha256": "00", "part": "category"})
# The triggers of the jobs name their tables without a schema.
JOBS_FIRST = "-c search_path=jobs"


async def enqueue(database: Database, **arguments: Any) -> None:
    async with database.transaction() as connection:
        await jobs.enqueue(connection, "deliver", queue="events", arguments=arguments)


async def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    async with database.read() as connection:
        return [tuple(row) for row in await (await connection.execute(query.encode())).fetchall()]


async def none_left(database: Database) -> bool:
    return await rows(database, "SELECT count(*) FROM jobs.procrastinate_jobs") == [(0,)]


async def test_first_tries_come_before_retries_and_fewer_failures_before_more(opened: Database, dsn: str) -> None:
    tried: list[str] = []
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        tried.append(arguments["id"])
        if tried == ["failed twice"]:
            raise ConnectionError

    await enqueue(opened, id="failed twice")
    async with running_worker(work, dsn):
        await wait_until(lambda: rows_are(opened, "count(*) FROM jobs.procrastinate_jobs WHERE priority = -1", 1))
    with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
        connection.execute("UPDATE procrastinate_jobs SET priority = -2, scheduled_at = now()")
    await enqueue(opened, id="failed once")
    with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
        connection.execute("UPDATE procrastinate_jobs SET priority = -1, scheduled_at = now() WHERE priority = 0")
    await enqueue(opened, id="fresh")
    await enqueue(opened, id="fresh too")
    tried.clear()
    async with running_worker(work, dsn):
        await wait_until(lambda: none_left(opened))
    assert tried == ["fresh", "fresh too", "failed once", "failed twice"]


async def rows_are(database: Database, query: str, number: int) -> bool:
    return await rows(database, f"SELECT {query}") == [(number,)]


def test_waits_double_to_an_hour() -> None:
    for failures, longest in ((1, 0.5), (2, 1), (8, 64), (13, 2048), (14, 3600), (5000, 3600)):
        waits = [choose_wait(failures) for _ in range(100)]
        assert longest / 2 <= min(waits) <= max(waits) <= longest


async def test_wait_counts_from_the_clock_of_the_database_and_leaves_no_rows_behind(opened: Database, dsn: str) -> None:
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        raise ConnectionError

    await enqueue(opened)
    async with running_worker(work, dsn):
        await wait_until(lambda: rows_are(opened, "count(*) FROM jobs.procrastinate_jobs WHERE priority <= -3", 1))
    ((failures, is_near),) = await rows(
        opened,
        "SELECT -priority AS failures, "
        "scheduled_at - now() < make_interval(secs => 0.5 * power(2, -priority - 1)) AS is_near "
        "FROM jobs.procrastinate_jobs",
    )
    assert failures >= 3
    assert is_near
    assert await rows(opened, "SELECT type FROM jobs.procrastinate_events") == [("deferred",)]


async def test_job_postponed_by_a_clock_thirty_days_ahead_is_due(opened: Database, dsn: str) -> None:
    done = asyncio.Event()
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        done.set()

    await enqueue(opened)
    with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
        connection.execute("UPDATE procrastinate_jobs SET scheduled_at = now() + interval '30 days'")
    async with asyncio.timeout(30), running_worker(work, dsn):
        await done.wait()


async def test_delay_longer_than_any_wait_is_refused(opened: Database) -> None:
    async with opened.transaction() as connection:
        with pytest.raises(ValueError, match="3600"):
            await jobs.enqueue(connection, "deliver", queue="events", arguments={}, delay=timedelta(hours=2))


async def test_refused_batch_is_halved_until_the_bad_one_stands_alone(
    opened: Database, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    delivered: list[int] = []
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> jobs.Replacements:
        numbers = arguments["numbers"]
        if 137 not in numbers:
            delivered.extend(numbers)
            return []
        return [{"numbers": half} for half in jobs.halve_refused(numbers, REFUSED)]

    await enqueue(opened, numbers=list(range(200)))
    with caplog.at_level(logging.WARNING, "servicekit.jobs"):
        async with running_worker(work, dsn):
            await wait_until(lambda: rows_are(opened, "count(*) FROM jobs.procrastinate_jobs WHERE priority < -1", 1))
    assert sorted(delivered) == [number for number in range(200) if number != 137]
    assert await rows(opened, "SELECT args -> 'arguments' FROM jobs.procrastinate_jobs") == [({"numbers": [137]},)]
    assert "was refused after 1 failed tries; it will be tried again: CARD_STATE_INVALID" in caplog.text


async def test_job_whose_time_has_not_come_is_run_again_after_its_wait_and_has_not_failed(
    opened: Database, dsn: str
) -> None:
    runs: list[float] = []
    work = jobs.Work()
    work.wait_for("the sealer", queue="events")

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> jobs.Later | None:
        runs.append(asyncio.get_running_loop().time())
        return jobs.Later(timedelta(seconds=0.4)) if len(runs) < 3 else None

    async def wait_again() -> bool:
        return len(runs) > 1 and await rows_are(opened, "priority FROM jobs.procrastinate_jobs", 0)

    await enqueue(opened)
    async with running_worker(work, dsn):
        await wait_until(wait_again)
        await wait_until(lambda: rows_are(opened, "count(*) FROM jobs.procrastinate_jobs", 0))
    assert len(runs) == 3
    assert runs[1] - runs[0] > 0.39


async def test_delay_of_one_of_several_jobs_is_its_own(opened: Database) -> None:
    new_jobs = [jobs.NewJob("send", "notices", {}, timedelta(seconds=60)), jobs.NewJob("deliver", "events", {})]
    async with opened.transaction() as connection:
        await jobs.enqueue_together(connection, new_jobs)
        with pytest.raises(ValueError, match="3600"):
            await jobs.enqueue_together(connection, [jobs.NewJob("send", "notices", {}, timedelta(hours=2))])
    assert await rows(
        opened,
        "SELECT task_name, scheduled_at > now() + interval '50 seconds' FROM jobs.procrastinate_jobs ORDER BY id",
    ) == [("send", True), ("deliver", None)]


def test_batch_is_not_halved_where_its_peer_is_away() -> None:
    with pytest.raises(Refusal, match="PEER_UNREACHABLE"):
        jobs.halve_refused([1, 2], Refusal("PEER_UNREACHABLE", Code.UNAVAILABLE))


async def test_periodic_runs_of_a_queue_that_hangs_do_not_pile_up(opened: Database, dsn: str) -> None:
    release, ticks = asyncio.Event(), 0
    work = jobs.Work()

    @work.periodic("* * * * * *", "look", queue="events")
    async def look(arguments: dict[str, Any]) -> None:
        await release.wait()

    @work.periodic("* * * * * *", "tick", queue="clock")
    async def tick(arguments: dict[str, Any]) -> None:
        nonlocal ticks
        ticks += 1

    async def has_ticked() -> bool:
        return ticks >= 4

    async with running_worker(work, dsn, events=1, clock=1):
        await wait_until(has_ticked)
        waiting = dict(await rows(opened, "SELECT status::text, count(*) FROM jobs.procrastinate_jobs GROUP BY 1"))
        release.set()
    assert waiting["todo"] <= 2
    assert waiting["doing"] <= 2


async def test_failed_periodic_run_is_tried_again_at_the_next_time_of_its_schedule(opened: Database, dsn: str) -> None:
    with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
        connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, priority, scheduled_at) "
            "VALUES ('events', 'look', 'look', -14, now() + interval '50 minutes')"
        )
    ran = asyncio.Event()
    work = jobs.Work()

    @work.periodic("* * * * * *", "look", queue="events")
    async def look(arguments: dict[str, Any]) -> None:
        ran.set()

    async with asyncio.timeout(30), running_worker(work, dsn):
        await ran.wait()


async def test_failed_periodic_run_gives_way_to_one_that_waits(opened: Database, dsn: str) -> None:
    begun, release = asyncio.Event(), asyncio.Event()
    work = jobs.Work()

    @work.periodic("0 0 1 1 *", "look", queue="events")
    async def look(arguments: dict[str, Any]) -> None:
        begun.set()
        await release.wait()
        if not arguments:
            raise ConnectionError

    insert = (
        "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args) "
        "VALUES ('events', 'look', 'look', %s)"
    )
    with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
        connection.execute(insert, ["{}"])
    async with asyncio.timeout(30), running_worker(work, dsn):
        await begun.wait()
        with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
            connection.execute(insert, ['{"arguments": {"id": 2}}'])
        release.set()
        await wait_until(lambda: none_left(opened))
