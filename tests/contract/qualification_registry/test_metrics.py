"""The age of rosters, and metrics and logs without personal data."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from operator_command.instance_certificates import InstanceCertificates, issue_instance_certificates
from qualification_registry.metrics import RosterMetrics
from qualification_registry.operations.bidder_events import enqueue_states
from refusals import Refusal
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.metrics import Metrics
from tests.support.example_profile import PREFECTURE, WORKS
from tests.support.in_process import calling
from tests.support.officers import record_in_database
from tests.support.scrape import Scrape, find_secrets, read_registry
from tests.support.scraped_process import SECONDS, ScrapedProcess, connect_without_tls, scraped_process
from tests.support.services.example_rosters import OTHER_WITHOUT_IDS, roster, roster_profile, row
from tests.support.services.qualification_process import process_settings
from tests.support.services.qualification_registry import (
    CARD,
    NAME,
    RunningQualificationRegistry,
    running_qualification_registry,
)
from tests.support.services.roster_officer import WITH_IDS, Officer, roster_officer
from toroku.qualification.v1 import qualification_registry_pb2
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

if TYPE_CHECKING:
    from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryAsyncStub

AGE = "toroku_roster_age_seconds"
FAILED_JOB = frozenset({"task": "send_bidder_states", "outcome": "PEER_UNREACHABLE"}.items())
COMPANY, ADDRESS, PERSON, TELEPHONE = "株式会社髙﨑建設", "埼玉県さいたま市浦和区高砂９", "髙﨑　紗也加", "048-123-4567"
BIDDER, CORPORATE_NUMBER, PIN = "1000000042", "7000012050002", "864201"
SECRETS = (COMPANY, ADDRESS, PERSON, TELEPHONE, BIDDER, CORPORATE_NUMBER, PIN, "髙﨑", "hanako")


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        yield running


async def scrape_ages(registry: RunningQualificationRegistry) -> Scrape:
    """Returns the metrics of the worker."""
    metrics = Metrics(NAME)
    roster_metrics = RosterMetrics(metrics, registry.profile)
    async with registry.database.read() as connection:
        await roster_metrics.look(connection)
    return read_registry(metrics.registry)


async def test_age_of_a_roster_counts_from_its_last_import(registry: RunningQualificationRegistry) -> None:
    assert (await scrape_ages(registry)).by_label(AGE, "roster") == {}
    now = registry.now[0] = datetime.now(UTC)
    registry.now[0] = now - timedelta(days=3)
    await registry.officer.import_roster(roster(row()))
    registry.now[0] = now - timedelta(days=2)
    await registry.officer.import_roster(roster(row(corporate_number=CORPORATE_NUMBER)), OTHER_WITHOUT_IDS)
    ages = await scrape_ages(registry)
    assert ages.labels()[AGE] == {frozenset({"roster", "category"})}
    days = {roster: age / 86_400 for roster, age in ages.by_label(AGE, "roster").items()}
    assert days == {WITH_IDS: pytest.approx(3, abs=0.01), OTHER_WITHOUT_IDS: pytest.approx(2, abs=0.01)}
    assert ages.value(AGE, roster=WITH_IDS, category=WORKS) > ages.value(AGE, roster=OTHER_WITHOUT_IDS, category=WORKS)
    # A preview does not change the age; a commit with nothing new does.
    registry.now[0] = now - timedelta(days=1)
    await registry.officer.preview(roster(row()))
    assert (await scrape_ages(registry)).by_label(AGE, "roster")[WITH_IDS] > 2.9 * 86_400
    await registry.officer.import_roster(roster(row()))
    assert (await scrape_ages(registry)).by_label(AGE, "roster")[WITH_IDS] < 1.1 * 86_400


async def test_roster_without_a_mapping_has_no_age(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(roster(row()))
    metrics = Metrics(NAME)
    roster_metrics = RosterMetrics(metrics, roster_profile(roster_mappings=[]))
    async with registry.database.read() as connection:
        await roster_metrics.look(connection)
    assert read_registry(metrics.registry).by_label(AGE, "roster") == {}


@pytest.fixture
def certificates(tmp_path: Path) -> InstanceCertificates:
    return issue_instance_certificates(
        tmp_path / "certificates",
        instance="example",
        services=[NAME, "front-door"],
        agencies=[],
        officers=[f"{PREFECTURE}/hanako"],
        now=datetime.now(UTC),
    )


@pytest.fixture
def settings(
    tmp_path: Path, certificates: InstanceCertificates, migrated_database: Callable[[str], str]
) -> dict[str, str]:
    return process_settings(
        tmp_path, certificates, migrated_database("qualification_registry"), listeners=["AGENCY", "INTERNAL"]
    )


@pytest.fixture
async def officer(certificates: InstanceCertificates, settings: dict[str, str]) -> AsyncIterator[Officer]:
    own = certificates.officers[f"{PREFECTURE}/hanako"]
    files = CertificateFiles(own.certificate, own.private_key, certificates.services[NAME].authority)
    async with roster_officer(f"{PREFECTURE}/hanako", files, settings["TOROKU_AGENCY_LISTEN"]) as officer:
        await record_in_database(settings["TOROKU_DATABASE"], officer.person.report("roster", "password"))
        yield officer


async def find(stub: "QualificationRegistryAsyncStub", password: str, **changes: str) -> None:
    """Searches as the front door does; ignores refusals."""
    entry = {"agency": PREFECTURE, "category": WORKS, "name": COMPANY, "bidder_id": BIDDER, "password": password}
    request = qualification_registry_pb2.FindBidderRequest(certificate_sha256=CARD, **(entry | changes))
    try:
        await stub.FindBidder(request)
    except Refusal:
        return


async def make_calls(officer: Officer, stub: "QualificationRegistryAsyncStub") -> list[str]:
    """Makes right and wrong calls of officers and contractors; returns the personal data and secrets in them."""
    content = roster(
        row(
            BIDDER,
            COMPANY,
            corporate_number=CORPORATE_NUMBER,
            address=ADDRESS,
            representative=PERSON,
            telephone=TELEPHONE,
        )
    )
    async with asyncio.timeout(SECONDS):
        await officer.import_roster(content)
        (letter,) = (await officer.issue()).values()
        wrong = roster(row(f"{COMPANY}{PERSON}", COMPANY, address=ADDRESS, agencies=PERSON))
        assert (await officer.preview(wrong)).error_count
        await find(stub, letter.password)
        # Values in a wrong field.
        for changes in ({"bidder_id": PERSON}, {"name": PIN}, {"agency": COMPANY}, {"category": f"{PERSON}\0"}):
            await find(stub, PIN, **changes)
    return [*SECRETS, letter.password]


async def test_metrics_and_logs_contain_no_personal_data(
    settings: dict[str, str], officer: Officer, certificates: InstanceCertificates
) -> None:
    front_door = certificates.services["front-door"]
    files = CertificateFiles(front_door.certificate, front_door.private_key, front_door.authority)
    address = settings["TOROKU_INTERNAL_LISTEN"]
    async with (
        scraped_process("qualification_registry", "serve", settings) as server,
        calling(files, qualification_registry=address) as peers,
    ):
        for listener in ("INTERNAL", "AGENCY"):
            await server.wait_until_listening(settings[f"TOROKU_{listener}_LISTEN"])
        secrets = await make_calls(officer, peers.stub(NAME, QualificationRegistryStub))
        await connect_without_tls(address)
        of_server = await server.scrape()
        outcomes = of_server.by_label("toroku_calls_total", "outcome")
        assert outcomes["OK"] >= 5
        async with (
            Database.open(settings["TOROKU_DATABASE"], pool=1) as database,
            database.transaction() as connection,
        ):
            await enqueue_states(connection, WORKS, [BIDDER])
        assert {"BIDDER_NOT_FOUND", "AGENCY_UNKNOWN"} <= set(outcomes)
        async with scraped_process("qualification_registry", "worker", settings) as worker:
            of_worker = await _wait_for_failed_job(worker)
            for process in (server, worker):
                await process.stop()
    for text in (of_server.text, of_worker.text, server.log_text, worker.log_text):
        assert find_secrets(text, secrets) == []
    assert {record["service"] for record in server.log + worker.log} == {NAME}
    # Every hour other jobs find their peers away, too.
    refused, *_ = [record["message"] for record in worker.log if "(send_bidder_states, " in record["message"]]
    assert re.match(
        r"job \d \(send_bidder_states, queue (states|bulk)_to_(certificate_registry|agency_sync)\) was refused after "
        "1 failed tries; it will be ",
        refused,
    )
    assert set(of_server.labels()) == {
        *("toroku_build_info", "toroku_own_certificate_expires_timestamp_seconds", "toroku_calls_total"),
        "toroku_broken_glass_calls_total",
        *("toroku_call_seconds_bucket", "toroku_call_seconds_count", "toroku_call_seconds_sum"),
        *("toroku_connections", "toroku_most_connections"),
        *("toroku_database_read_timestamp_seconds", "toroku_clock_difference_seconds"),
    }
    assert set(of_worker.labels()) == {
        *("toroku_build_info", "toroku_own_certificate_expires_timestamp_seconds"),
        *("toroku_jobs_failing", "toroku_jobs_peer_away"),
        *("toroku_jobs_waiting", "toroku_jobs_oldest_waiting_seconds", "toroku_job_runs_total"),
        *("toroku_job_seconds_bucket", "toroku_job_seconds_count", "toroku_job_seconds_sum"),
        *("toroku_database_read_timestamp_seconds", "toroku_clock_difference_seconds", AGE),
        "toroku_history_oldest_unsealed_seconds",
    }
    assert of_worker.value(AGE, roster=WITH_IDS, category=WORKS) < SECONDS
    assert of_worker.value("toroku_jobs_waiting", queue="states_to_certificate_registry") == 1


async def _wait_for_failed_job(worker: ScrapedProcess) -> Scrape:
    """Returns the metrics after a job failed: certificate-registry is not running, so that the job is retried."""
    async with asyncio.timeout(SECONDS):
        while True:
            scrape = await worker.scrape()
            if FAILED_JOB in scrape.samples["toroku_job_runs_total"] and AGE in scrape.samples:
                return scrape
            await asyncio.sleep(0.1)
