"""No table grows for ever but those of what is kept for good: a year of each service, ten days at a time."""

import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from math import ceil
from pathlib import Path

import procrastinate
import psycopg
import pytest
from procrastinate.jobs import Status
from psycopg import sql

from agency_sync.operations.propagate import PROPAGATIONS_QUEUE
from servicekit.database import Database
from servicekit.job_connector import JobConnector
from servicekit.job_store import JobStore
from tests.support.simulated_year import JOBS, YEARS, Year

PAGE = (Path(__file__).parents[2] / "docs" / "operations" / "growth.md").read_text("utf-8")
STEP = timedelta(days=10)
STEPS = 37
ONE_JOB = {"procrastinate_jobs": 1, "procrastinate_events": 1}


@pytest.mark.parametrize("year", [year for year in YEARS if year.bounded], ids=lambda year: year.package)
async def test_tables_that_are_not_kept_for_good_stop_growing(
    year: Year, migrated_database: Callable[[str], str]
) -> None:
    dsn = migrated_database(year.package)
    async with Database.open(dsn, pool=2) as database:
        with psycopg.connect(dsn, autocommit=True) as administrator:
            before = count_rows(administrator, year.bounded)
            await year.use(database)
            first = count_rows(administrator, year.bounded)
            for _ in range(STEPS):
                age_rows(administrator, year.bounded, STEP.days)
                await year.purge(database)
                await year.use(database)
            left = count_rows(administrator, year.bounded)
    grown = {table: first[table] - before[table] for table in first}
    assert all(grown.values()), f"the use writes no rows of some tables: {grown}"
    # With those of the last use, which nothing has deleted yet.
    bound = {table: grown[table] * (ceil(kept / STEP) + 1) for table, kept in year.bounded.items()}
    assert {table: number for table, number in left.items() if number > bound[table] + before[table]} == {}


async def test_tables_of_the_jobs_stop_growing(migrated_database: Callable[[str], str]) -> None:
    """They are the same in each database."""
    dsn = migrated_database("agency_sync")
    (year,) = (year for year in YEARS if year.package == "agency_sync")
    async with Database.open(dsn, pool=2) as database, opened_jobs(dsn) as store:
        with psycopg.connect(dsn, autocommit=True, options="-c search_path=jobs") as administrator:
            for step in range(STEPS):
                await year.use(database)
                assert count_rows(administrator, {"procrastinate_jobs", "procrastinate_events"}) == ONE_JOB
                await run_jobs(store, step)
                age_rows(administrator, JOBS, STEP.days)
            left = count_rows(administrator, JOBS)
    # The last run of the periodic task, and the worker that died last.
    assert left == {
        "procrastinate_jobs": 0,
        "procrastinate_events": 0,
        "procrastinate_periodic_defers": 1,
        "procrastinate_workers": 1,
    }


@pytest.mark.parametrize("year", YEARS, ids=lambda year: year.package)
def test_every_table_has_an_age_or_is_kept_for_good(year: Year, migrated_database: Callable[[str], str]) -> None:
    with psycopg.connect(migrated_database(year.package)) as connection:
        names = {
            name
            for (name,) in connection.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema IN ('public', 'jobs') "
                "AND table_type = 'BASE TABLE' AND table_name NOT LIKE 'alembic_version%'"
            )
        }
    assert names == {*year.bounded, *year.kept, *JOBS}
    assert not year.kept & year.bounded.keys()
    # The page says the same to whoever runs the service.
    named = read_page(year.package.replace("_", "-"))
    assert named.keys() == {*year.bounded, *year.kept}
    assert {table for table, kept in named.items() if kept == "for good"} == year.kept
    assert read_page("every service").keys() == JOBS


# What the rows of the other tables refer to.
FEW = {"trust_path", "contacts"}
FRESH_ROWS = 20_000
# Rows that are not too old yet, by service: SQL with the number of the row as `n`.
FRESH: Mapping[str, Mapping[str, str]] = {
    "certificate_registry": {
        "trust_path": "sha256('path'), 'ca', '{}', '{}', '{}', now()",
        "card": "sha256(n::text::bytea), sha256(n::text::bytea), '', '{}', 'ca', 'CN', '', '1', null, null, null, "
        "null, now(), now(), 'good', null, now(), null, now(), sha256('path')",
        "challenge": "sha256(n::text::bytea), '', '', '{}', now()",
        "card_session": "sha256(n::text::bytea), '', '', '', sha256(n::text::bytea), 'sole', false, now(), now()",
        "notice": "gen_random_uuid(), 'registration', gen_random_uuid(), null, null, null, null, null, 1, now(), now()",
        "request_outcome": "'', 'register', gen_random_uuid(), null, null, null, null, null, now()",
    },
    "qualification_registry": {
        "search_counts": "'card', sha256(n::text::bytea), 1, now() + interval '1 hour'",
        "roster_file_pieces": "n + 100, 1, ''",
        "undecided_lines": "n + 100, 1, '', '', '[]', ''",
        "roster_lines": "n / 50 + 100, 0, 1, n::text, '㈱例', null, null, null, null, null, null, null, null, "
        "null, null, null, null, 1, '[]', ''",
    },
    "contact_notification": {
        "abandoned_requests": "sha256(n::text::bytea), gen_random_uuid(), now()",
        "contacts": "gen_random_uuid(), '', '', '', '', '', '', ''",
        "staged_registrations": "sha256(n::text::bytea), '00000000-0000-0000-0000-000000000001', sha256(''), '', '', "
        "'', '{}', (SELECT contact_id FROM contacts LIMIT 1), null, '', false, 'active', now(), gen_random_uuid()",
        "notices": "gen_random_uuid(), 'registration', sha256(n::text::bytea), "
        "'00000000-0000-0000-0000-000000000001', gen_random_uuid(), '', '', '', '', now(), '', null, null, null, null, "
        "null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, "
        "'written', '[]', now()",
    },
    "agency_sync": {
        "feed_entries": "'fresh', '', 1, n, '', now(), '', 'good', '', gen_random_uuid(), null, null, '[]', "
        "null, null, 0, 0",
    },
}


@pytest.mark.parametrize("package", FRESH)
async def test_purge_reads_no_table_from_end_to_end(package: str, migrated_database: Callable[[str], str]) -> None:
    dsn = migrated_database(package)
    (year,) = (year for year in YEARS if year.package == package)
    # With one connection, whose counts all are known at the end.
    async with Database.open(dsn, pool=1) as database:
        await year.use(database)
        with psycopg.connect(dsn, autocommit=True) as administrator:
            old = count_rows(administrator, year.bounded)
            age_rows(administrator, year.bounded, days=400)
            for table, columns in FRESH[package].items():
                rows = 1 if table in FEW else FRESH_ROWS
                statement = f"INSERT INTO {table} SELECT {columns} FROM generate_series(1, {rows}) n"  # noqa: S608
                administrator.execute(statement.encode())
            administrator.execute("ANALYZE")
            full = count_rows(administrator, year.bounded)
            # What this session read is known before, too.
            administrator.execute("SELECT pg_stat_force_next_flush()")
            administrator.execute("SELECT 1")
        before = await count_scans(database)
        await year.purge(database)
        after = await count_scans(database)
        with psycopg.connect(dsn) as administrator:
            assert count_rows(administrator, year.bounded) == {table: full[table] - old[table] for table in full}
    large = FRESH[package].keys() - FEW
    assert {table: after[table] - before[table] for table in large if after[table] > before[table]} == {}


def read_page(service: str) -> Mapping[str, str]:
    """Returns for how long the page says that a table's rows are kept, by table of a service."""
    section = PAGE.partition(f"\n## {service}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|", section, re.MULTILINE))


def count_rows(administrator: psycopg.Connection, tables: Collection[str]) -> Mapping[str, int]:
    """Returns how many rows the tables have."""
    counts = [
        sql.SQL("SELECT {}, count(*) FROM {}").format(sql.Literal(table), sql.Identifier(table))
        for table in sorted(tables)
    ]
    return dict(administrator.execute(sql.SQL(" UNION ALL ").join(counts)).fetchall())


def age_rows(administrator: psycopg.Connection, tables: Collection[str], days: int) -> None:
    """Makes every instant in these tables so many days older, as if the database's clock had gone on."""
    columns = administrator.execute(
        "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns "
        "WHERE data_type = 'timestamp with time zone' AND table_name = ANY(%s) GROUP BY 1",
        [list(tables)],
    )
    for table, names in columns.fetchall():
        changes = [
            sql.SQL("{0} = {0} - make_interval(days => {1})").format(sql.Identifier(name), days) for name in names
        ]
        administrator.execute(sql.SQL("UPDATE {} SET {}").format(sql.Identifier(table), sql.SQL(", ").join(changes)))


async def count_scans(database: Database) -> Mapping[str, int]:
    """Returns how often each table was read from end to end."""
    async with database.read() as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        await connection.execute("SELECT 1")
        cursor = await connection.execute("SELECT relname, seq_scan FROM pg_stat_user_tables")
        return dict(await cursor.fetchall())


@asynccontextmanager
async def opened_jobs(dsn: str) -> AsyncIterator[JobStore]:
    """The jobs of a database, as a worker sees them."""
    connector = JobConnector(dsn, None)
    async with procrastinate.App(connector=connector).open_async():
        yield JobStore(connector, [PROPAGATIONS_QUEUE, "expiry"])


async def run_jobs(store: JobStore, step: int) -> None:
    """Runs all waiting jobs and one periodic task with success, by a worker that then dies."""
    await store.defer_periodic("delete_expired", "expiry", 1_700_000_000 + step)
    await store.join()
    for queue, alarm in store.alarms.items():
        alarm.ring()
        while (job := await store.fetch_job([queue], store.worker_id)) is not None:
            await store.finish_job(job, Status.SUCCEEDED, delete_job=True)
