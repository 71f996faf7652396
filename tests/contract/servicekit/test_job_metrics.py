"""Metrics of a worker's jobs, read from the real database between scrapes and never during them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from opentelemetry.sdk.trace import TracerProvider

from refusals import Code, Refusal
from servicekit import job_run, jobs
from servicekit.database import Database
from servicekit.database_metrics import keep_refreshed
from servicekit.job_metrics import JobMetrics
from servicekit.metrics import Metrics
from servicekit.settings import ServiceSettings
from servicekit.telemetry import Telemetry
from tests.support.scrape import Scrape, metrics_settings, scrape
from tests.support.waiting import wait_until

LABELS = {
    "toroku_build_info": {frozenset({"service", "component", "version"})},
    "toroku_own_certificate_expires_timestamp_seconds": {frozenset({"use"})},
    "toroku_jobs_waiting": {frozenset({"queue"})},
    "toroku_jobs_failing": {frozenset({"queue"})},
    "toroku_jobs_peer_away": {frozenset({"queue", "peer"})},
    "toroku_jobs_oldest_waiting_seconds": {frozenset({"queue"})},
    "toroku_job_runs_total": {frozenset({"task", "outcome"})},
    "toroku_job_seconds_bucket": {frozenset({"task", "le"})},
    "toroku_job_seconds_count": {frozenset({"task"})},
    "toroku_job_seconds_sum": {frozenset({"task"})},
    "toroku_database_read_timestamp_seconds": {frozenset()},
    "toroku_clock_difference_seconds": {frozenset()},
}
# The triggers of the jobs name their tables without a schema.
JOBS_FIRST = "-c search_path=jobs"
OLDEST = "toroku_jobs_oldest_waiting_seconds"
LOOKED_AT = "toroku_database_read_timestamp_seconds"


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    return metrics_settings(tmp_path)


@asynccontextmanager
async def shown(
    work: jobs.Work, database: Database, settings: ServiceSettings, interval: float = 0.05
) -> AsyncIterator[JobMetrics]:
    """The metrics of a worker, read from the database every `interval` seconds."""
    async with Metrics.open("agency-sync", settings) as metrics:
        job_metrics = JobMetrics(metrics, work)
        async with keep_refreshed(metrics, database, job_metrics.look, interval=interval):
            yield job_metrics


async def scraped_when(settings: ServiceSettings, accept: Callable[[Scrape], bool]) -> Scrape:
    """The metrics as soon as they are accepted."""
    scrapes: list[Scrape] = []

    async def is_accepted() -> bool:
        scrapes.append(await scrape(settings.metrics_listen))
        return accept(scrapes[-1])

    await wait_until(is_accepted)
    return scrapes[-1]


def looked(found: Scrape) -> bool:
    """Whether the database was read at least once."""
    return found.value(LOOKED_AT) > 0


async def enqueue(database: Database, task: str = "deliver", queue: str = "events", **arguments: Any) -> None:
    async with database.transaction() as connection:
        await jobs.enqueue(connection, task, queue=queue, arguments=arguments)


def two_queues() -> jobs.Work:
    work = jobs.Work()

    @work.task("deliver", queue="events")
    async def deliver(arguments: dict[str, Any]) -> None:
        pass

    @work.task("send", queue="mail")
    async def send(arguments: dict[str, Any]) -> None:
        pass

    work.wait_for("the mail server", queue="mail")
    return work


async def test_waiting_jobs_are_shown_by_queue_with_the_age_of_the_oldest(
    opened: Database, dsn: str, settings: ServiceSettings
) -> None:
    await enqueue(opened)
    await enqueue(opened)
    with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
        # The first was enqueued an hour ago, and is postponed by its retries.
        connection.execute(
            "UPDATE procrastinate_events SET at = now() - interval '1 hour' WHERE job_id = 1 AND type = 'deferred'"
        )
        connection.execute(
            "UPDATE procrastinate_jobs SET priority = -60, scheduled_at = now() + interval '1 minute' WHERE id = 1"
        )
    async with shown(two_queues(), opened, settings):
        found = await scraped_when(settings, looked)
        assert found.by_label("toroku_jobs_waiting", "queue") == {"events": 2, "mail": 0}
        assert found.by_label("toroku_jobs_failing", "queue") == {"events": 1, "mail": 0}
        assert found.value("toroku_jobs_peer_away", queue="mail", peer="the mail server") == 0
        ages = found.by_label(OLDEST, "queue")
        assert set(ages) == {"events"}
        assert 3600 <= ages["events"] < 3700
        assert found.labels() == LABELS
        with psycopg.connect(dsn, options=JOBS_FIRST) as connection:
            connection.execute("DELETE FROM procrastinate_jobs")
        # A scrape may come between the one and the other.
        found = await scraped_when(settings, lambda found: not found.by_label(OLDEST, "queue"))
        assert found.value("toroku_jobs_waiting", queue="events") == 0


async def test_runs_are_counted_by_task_and_outcome(opened: Database, dsn: str, settings: ServiceSettings) -> None:
    work, tries = jobs.Work(), 0

    @work.task("deliver", queue="events", timeout=0.2)
    async def deliver(arguments: dict[str, Any]) -> None:
        nonlocal tries
        tries += 1
        match tries:
            case 1:
                raise Refusal("PEER_UNREACHABLE", Code.UNAVAILABLE)
            case 2:
                await asyncio.Event().wait()
            case 3:
                raise ConnectionError("山田太郎")
            case 4:
                raise Refusal("INVENTED_BY_A_PEER", Code.UNAVAILABLE)

    await enqueue(opened)
    stop = asyncio.Event()
    async with shown(work, opened, settings) as job_metrics:
        running = asyncio.create_task(
            job_run.run(
                work,
                dsn,
                telemetry=Telemetry(TracerProvider(), 0),
                concurrency={"events": 1},
                stop=stop.wait(),
                count_run=job_metrics.count,
            )
        )
        found = await scraped_when(
            settings, lambda found: bool(found.by_label("toroku_job_runs_total", "outcome")["OK"])
        )
        stop.set()
        await running
    assert found.by_label("toroku_job_runs_total", "outcome") == {
        "OK": 1,
        "PEER_UNREACHABLE": 1,
        "TIMED_OUT": 1,
        "INTERNAL_FAILURE": 1,
        "UNKNOWN_REASON": 1,
    }
    assert found.value("toroku_job_seconds_count", task="deliver") == 5
    assert found.value("toroku_job_seconds_sum", task="deliver") > 0.2
    assert "山田太郎" not in found.text


async def test_unreadable_database_is_logged_and_keeps_the_last_values(
    opened: Database, dsn: str, settings: ServiceSettings, caplog: pytest.LogCaptureFixture
) -> None:
    await enqueue(opened)
    with caplog.at_level(logging.INFO, "servicekit.database_metrics"):
        async with shown(two_queues(), opened, settings):
            before = await scraped_when(settings, looked)
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("ALTER TABLE jobs.procrastinate_jobs RENAME TO gone")
            await wait_until(lambda: _logged(caplog, 1))
            stood = (await scrape(settings.metrics_listen)).value(LOOKED_AT)
            assert stood >= before.value(LOOKED_AT)
            while_away = await scraped_when(settings, lambda found: _grown(found, before))
            assert while_away.value(LOOKED_AT) == stood
            assert while_away.value("toroku_jobs_waiting", queue="events") == 1
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("ALTER TABLE jobs.gone RENAME TO procrastinate_jobs")
            await scraped_when(settings, lambda found: found.value(LOOKED_AT) > stood)
            await wait_until(lambda: _logged(caplog, 2))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def _logged(caplog: pytest.LogCaptureFixture, lines: int) -> bool:
    return len(caplog.records) >= lines


def _grown(found: Scrape, before: Scrape) -> bool:
    """Whether the age grew by half a second, in which ten readings failed."""
    name = "toroku_jobs_oldest_waiting_seconds"
    return found.value(name, queue="events") > before.value(name, queue="events") + 0.5


async def test_database_that_never_answered_shows_zero_as_time_of_reading(settings: ServiceSettings) -> None:
    nowhere = "postgresql://127.0.0.1:9/nobody"
    async with Database.open(nowhere, pool=1) as database, shown(two_queues(), database, settings):
        found = await scrape(settings.metrics_listen)
        assert found.value(LOOKED_AT) == 0
        assert found.by_label("toroku_job_runs_total", "task") == {"deliver": 0, "send": 0}


async def test_database_is_not_read_for_metrics_that_are_not_served(
    opened: Database, settings: ServiceSettings
) -> None:
    asked = asyncio.Event()

    async def look(_: object) -> None:
        asked.set()

    quiet = settings.model_copy(update={"metrics_listen": ""})
    async with Metrics.open("agency-sync", quiet) as metrics, keep_refreshed(metrics, opened, look, interval=0.01):
        async with opened.read() as connection:
            await jobs.waiting(connection)
        assert not asked.is_set()
    async with Metrics.open("agency-sync", settings) as metrics, keep_refreshed(metrics, opened, look, interval=0.01):
        async with asyncio.timeout(10):
            await asked.wait()
