"""Servers behind a real PgBouncer in transaction mode, with fewer connections than callers."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from opentelemetry.sdk.trace import TracerProvider

from certificate_registry.domain.verdict import LookupKey, Verdict
from certificate_registry.operations.resolve_user import MOST_KEYS, BatchedLookups
from certificate_registry.store.lookup import SESSION, resolve
from refusals import Refusal
from servicekit import job_run, jobs, migrations, schema
from servicekit.database import Database
from servicekit.exceptions import CommandFailed
from servicekit.settings import MigrationSettings
from servicekit.telemetry import Telemetry
from tests.support.example_profile import BIDDER
from tests.support.infrastructure.pooler import MOST_CONNECTIONS, Pooler, running_pooler
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.services.example_rosters import roster, row
from tests.support.services.qualification_registry import running_qualification_registry
from tests.support.services.running_certificate_registry import running_certificate_registry
from toroku.certificate.v1 import user_lookup_pb2

CALLERS = 32


@pytest.fixture
def pooler(migrated_database: Callable[[str], str]) -> Iterator[Pooler]:
    with running_pooler(migrated_database("certificate_registry")) as running:
        yield running


@pytest.fixture
async def registry(pooler: Pooler, tmp_path: Path) -> AsyncIterator[RunningCertificateRegistry]:
    async with running_certificate_registry(pooler.dsn, tmp_path, pooled=True) as opened:
        yield opened


async def test_registration_through_the_pooler_enqueues_its_jobs(registry: RunningCertificateRegistry) -> None:
    visits = await asyncio.gather(
        *(registry.register_new(bidder_id=f"1000000{number:03}") for number in range(CALLERS // 4))
    )
    assert len({visit.card.sha256 for visit, _ in visits}) == CALLERS // 4
    assert (await registry.jobs_waiting()).count("deliver_card_state") == 2 * len(visits)
    await registry.run_jobs()
    assert len(registry.contact_notification.card_states) == len(registry.agency_sync.card_states) == len(visits)


async def test_concurrent_lookups_share_the_connections_of_the_pooler(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    stranger = Visit(registry.card())
    verdicts = set()
    for _ in range(5):
        asked = [visit if number % 3 else stranger for number in range(CALLERS)]
        answers = await asyncio.gather(*(registry.resolve(each) for each in asked))
        assert [answer.bidder_id for answer in answers] == [BIDDER if each is visit else "" for each in asked]
        verdicts |= {answer.verdict for answer in answers}
    assert verdicts == {
        user_lookup_pb2.ResolveUserResponse.VERDICT_GOOD,
        user_lookup_pb2.ResolveUserResponse.VERDICT_NOT_REGISTERED,
    }
    # The callers shared the few connections that the pooler opens.
    found = await registry.rows("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid > 0")
    assert found[0][0] <= MOST_CONNECTIONS


async def test_pooled_sessions_keep_no_state(registry: RunningCertificateRegistry, pooler: Pooler) -> None:
    visit, _ = await registry.register_new()
    async with Database.open(pooler.dsn, pool=4, pooled=True, session=SESSION) as database:
        lookups = BatchedLookups(database, most_queries=4)
        key = LookupKey(visit.agency, visit.category, visit.card.sha256)
        for _ in range(10):
            answers = await asyncio.gather(*(lookups.look_up(key) for _ in range(CALLERS)))
            assert {answer.verdict for answer in answers} == {Verdict.GOOD}
    for _ in range(2 * MOST_CONNECTIONS):
        assert await registry.rows("SELECT count(*) FROM pg_prepared_statements") == [(0,)]
        assert await registry.rows("SELECT current_setting('search_path')") == [('"$user", public',)]
        assert await registry.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


async def test_lookup_is_prepared_without_a_pooler(migrated_database: Callable[[str], str]) -> None:
    key = LookupKey("nowhere", "works", bytes(32))
    dsn = migrated_database("certificate_registry")
    async with Database.open(dsn, pool=1, session=SESSION) as database, database.read() as connection:
        for count in (1, 1, 2, 3, MOST_KEYS):
            assert len(await resolve(connection, [key] * count)) == count
        found = await connection.execute(
            "SELECT generic_plans, custom_plans, current_setting('plan_cache_mode') FROM pg_prepared_statements "
            "WHERE statement LIKE '%AS verdict%' ORDER BY 1",
            prepare=False,
        )
        # One statement for one key and one for any number, each planned once.
        assert await found.fetchall() == [(2, 0, "force_generic_plan"), (3, 0, "force_generic_plan")]


async def test_roster_is_imported_through_the_pooler(migrated_database: Callable[[str], str], tmp_path: Path) -> None:
    with running_pooler(migrated_database("qualification_registry")) as running:
        async with running_qualification_registry(running.dsn, tmp_path, pooled=True) as registry:
            lines = [row(f"{1000000000 + number}", f"株式会社例示{number}") for number in range(3_000)]
            done = await registry.officer.import_roster(roster(*lines))
            assert (done.roster_version, done.new) == (1, 3_000)
            again = await registry.officer.import_roster(roster(*lines[:2_000]))
            assert (again.roster_version, again.gone) == (2, 1_000)
            await (await registry.appoint("prefecture/taro")).suspend("1000000001")
            await registry.send_events()
            told = Counter(state.bidder_id for state in registry.certificate_registry.recorded_bidders)
            # Of the new bidders, of those that left, and twice of the one that was stopped.
            assert (len(told), told["1000000001"], told.total()) == (3_000, 3, 3_000 + 1_000 + 2)
            letters = await registry.officer.issue("1000000001")
            with pytest.raises(Refusal, match="BIDDER_SUSPENDED"):
                await registry.find("1000000001", "株式会社例示1", letters["1000000001"].password)


async def test_readiness_is_checked_through_the_pooler(pooler: Pooler) -> None:
    async with Database.open(pooler.dsn, pooled=True) as database:
        ready = schema.ready(database, "certificate_registry")
        assert all(await asyncio.gather(*(ready() for _ in range(CALLERS))))


async def test_pooler_refuses_a_server_without_the_setting(pooler: Pooler) -> None:
    """The setting has an effect: the pooler refuses a connection with the settings for a direct one."""
    async with Database.open(pooler.dsn, pooled=False) as database:
        with pytest.raises(Exception, match="unsupported startup parameter"):
            async with database.read() as connection:
                await connection.execute("SELECT 1")


@pytest.mark.parametrize("command", ["worker", "migrate", "migrate-after"])
def test_worker_and_migrations_refuse_the_pooled_setting(command: str, pooler: Pooler, tmp_path: Path) -> None:
    unused = str(tmp_path / "unused")
    settings = {
        "TOROKU_DATABASE": pooler.dsn,
        "TOROKU_DATABASE_POOLED": "true",
        **{
            f"TOROKU_{name}": unused
            for name in (
                *("PROFILE", "CERTIFICATE", "PRIVATE_KEY", "SERVICES_CA", "BIDDER_PROOF_PUBLIC_KEYS"),
                "HISTORY_KEY",
            )
        },
        "TOROKU_CONTACT_NOTIFICATION_ENDPOINT": "127.0.0.1:1",
        "TOROKU_AGENCY_SYNC_ENDPOINT": "127.0.0.1:1",
        "TOROKU_QUALIFICATION_REGISTRY_ENDPOINT": "127.0.0.1:1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "certificate_registry", command],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert "TOROKU_DATABASE_POOLED is true" in lines[-1]
    assert "direct address" in lines[-1]
    assert len(lines) == 1


def test_migration_reports_that_a_pooler_refuses_it(pooler: Pooler) -> None:
    with pytest.raises(CommandFailed, match="this is a PgBouncer"):
        migrations.migrate(MigrationSettings(database=pooler.dsn), "certificate_registry")


async def test_migration_and_worker_detect_a_pooler_that_accepts_them(database: str) -> None:
    with running_pooler(database, ignores="options") as running:
        with pytest.raises(CommandFailed, match="the address leads to a connection pooler"):
            await asyncio.to_thread(migrations.migrate, MigrationSettings(database=running.dsn), "certificate_registry")
        with pytest.raises(CommandFailed, match="the address leads to a connection pooler"):
            await job_run.run(
                jobs.Work(),
                running.dsn,
                telemetry=Telemetry(TracerProvider(), 0),
                concurrency={"events": 1},
                stop=asyncio.get_running_loop().create_future(),
            )
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
