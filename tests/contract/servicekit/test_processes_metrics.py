"""Every process of a service serves metrics, logs JSON, and stops on request."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from http.client import HTTPSConnection
from pathlib import Path

import grpc
import pytest
import yaml

from history.entries import Chain
from history.reading import find_newest_head
from operator_command.instance_certificates import InstanceCertificates, issue_instance_certificates
from operator_command.topology import find_service
from refusals.status import from_rpc_error
from servicekit.database import Database
from servicekit.release import VERSION
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from simulators.crl_server import crl_server
from simulators.instance_overlay import NEVER_CLOSED, card_authority
from tests.support.example_profile import PREFECTURE, WORKS, example_profile
from tests.support.history import get_newest_head, write_entries
from tests.support.scrape import Scrape, find_secrets, free_address
from tests.support.scraped_process import SECONDS, ScrapedProcess, ahead_by, connect_without_tls, scraped_process
from tests.support.waiting import wait_until
from toroku.frontdoor.v1 import entry_pb2, entry_pb2_grpc, registration_pb2, registration_pb2_grpc

SERVICES = ("front-door", "certificate-registry", "user-lookup", "agency-sync", "portal")
OF_ALL = {"toroku_build_info", "toroku_own_certificate_expires_timestamp_seconds"}
OF_CALLS = {"toroku_calls_total", *(f"toroku_call_seconds_{part}" for part in ("bucket", "count", "sum"))}
OF_CONNECTIONS = {"toroku_connections", "toroku_most_connections"}
OF_JUDGEMENTS = {"toroku_judgements_admitted", "toroku_judgement_processes_replaced_total"}
OF_DATABASES = {"toroku_database_read_timestamp_seconds", "toroku_clock_difference_seconds"}
OF_JOBS = OF_DATABASES | {
    *("toroku_jobs_waiting", "toroku_jobs_failing", "toroku_jobs_peer_away", "toroku_job_runs_total"),
    *(f"toroku_job_seconds_{part}" for part in ("bucket", "count", "sum")),
}
OF_LISTS = {
    "toroku_cards_not_trusted",
    *(f"toroku_crl_{what}" for what in ("lists", "age_seconds", "expires_timestamp_seconds", "fetch_failures")),
}
OF_HISTORY = {"toroku_history_oldest_unsealed_seconds"}
# Present only while a job waits, as scheduled jobs do for a moment.
NOW_AND_THEN = {"toroku_jobs_oldest_waiting_seconds"}
# Of servers that officers call.
OF_OFFICERS = OF_ALL | OF_CALLS | OF_CONNECTIONS | OF_DATABASES | {"toroku_broken_glass_calls_total"}


@pytest.fixture
def certificates(tmp_path: Path) -> InstanceCertificates:
    return issue_instance_certificates(
        tmp_path / "certificates",
        instance="example",
        services=SERVICES,
        agencies=[],
        officers=[],
        now=datetime.now(UTC),
    )


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Path]:
    """A profile with one CA, whose list can be fetched."""
    ca = CertificateAuthority.create(key=new_ec_key())
    with crl_server(ca.crl) as url:
        content = example_profile(opening_hours=NEVER_CLOSED, card_authorities=[card_authority(ca, (url,))])
        file = tmp_path / "example.yaml"
        file.write_text(yaml.safe_dump(content.model_dump(mode="json"), allow_unicode=True), "utf-8")
        yield file


def settings_of(name: str, profile: Path, certificates: InstanceCertificates, **further: object) -> dict[str, str]:
    own = certificates.services[name]
    found = {
        "PROFILE": profile,
        "CERTIFICATE": own.certificate,
        "PRIVATE_KEY": own.private_key,
        "SERVICES_CA": own.authority,
        # Nothing listens at these addresses.
        "QUALIFICATION_REGISTRY_ENDPOINT": free_address(),
        "CERTIFICATE_REGISTRY_ENDPOINT": free_address(),
        "CONTACT_NOTIFICATION_ENDPOINT": free_address(),
        "AGENCY_SYNC_ENDPOINT": free_address(),
        **further,
    }
    return {f"TOROKU_{key}": str(value) for key, value in found.items()}


async def shown_when(process: ScrapedProcess, wanted: Callable[[Scrape], bool]) -> Scrape:
    """The metrics as soon as they are accepted."""
    async with asyncio.timeout(SECONDS):
        while not wanted(found := await process.scrape()):
            await asyncio.sleep(0.1)
    return found


def _looked(found: Scrape) -> bool:
    """Whether a process has read its metrics from the database."""
    return all(found.samples.get("toroku_database_read_timestamp_seconds", {}).values())


@pytest.mark.parametrize(
    ("name", "command", "expected"),
    [
        ("certificate-registry", "serve", OF_OFFICERS | OF_JUDGEMENTS),
        ("user-lookup", "serve-lookup", OF_ALL | OF_CALLS | OF_CONNECTIONS | OF_DATABASES),
        ("agency-sync", "serve", OF_OFFICERS),
        ("agency-sync", "worker", OF_ALL | OF_JOBS | {"toroku_propagations_postponed"}),
    ],
)
async def test_process_has_exactly_the_documented_metrics(
    name: str,
    command: str,
    expected: set[str],
    profile: Path,
    certificates: InstanceCertificates,
    migrated_database: Callable[[str], str],
) -> None:
    package = find_service(name).package
    settings = settings_of(
        name,
        profile,
        certificates,
        DATABASE=migrated_database(package),
        INTERNAL_LISTEN=free_address(),
        BIDDER_PROOF_PUBLIC_KEYS=certificates.bidder_proof_public,
        MAILED_SECRET_KEY=certificates.mailed_secret_key,
        OFFICER_PROOF_KEY=certificates.officer_proof_private,
        ACT_PROOF_KEY=certificates.act_proof_private,
        FEED_KEY=certificates.feed_private,
    )
    async with scraped_process(package, command, settings) as process:
        found = await shown_when(process, lambda found: expected <= set(found.labels()) and _looked(found))
        if command != "worker":
            await process.wait_until_listening(settings["TOROKU_INTERNAL_LISTEN"])
            await connect_without_tls(settings["TOROKU_INTERNAL_LISTEN"])
        await process.stop()
    assert set(found.labels()) - NOW_AND_THEN == expected
    component = "worker" if command == "worker" else "server"
    assert found.value("toroku_build_info", service=name, component=component, version=VERSION) == 1
    assert found.by_label("toroku_own_certificate_expires_timestamp_seconds", "use").keys() == {"service"}
    assert all(record["service"] == name for record in process.log)


async def test_portal_counts_its_pages_without_their_addresses(
    profile: Path, certificates: InstanceCertificates, migrated_database: Callable[[str], str]
) -> None:
    address = free_address()
    settings = settings_of(
        "portal",
        profile,
        certificates,
        DATABASE=migrated_database("portal"),
        FRONT_DOOR_ENDPOINT=free_address(),
        PUBLIC_LISTEN=address,
        PUBLIC_CERTIFICATE=certificates.portal.certificate,
        PUBLIC_PRIVATE_KEY=certificates.portal.private_key,
        ORIGIN=f"https://{address}",
        DRAFT_KEY=certificates.draft_key,
    )
    async with scraped_process("portal", "serve", settings) as process:
        await process.wait_until_listening(address)
        trusted = ssl.create_default_context(cafile=str(certificates.public.authority))
        for path in ("/agencies/prefecture/works/menu", "/agencies/nowhere/works/menu"):
            await asyncio.to_thread(_read_page, address, path, trusted)
        await connect_without_tls(address)
        found = await shown_when(process, lambda found: set(found.labels()) >= OF_ALL | OF_CALLS and _looked(found))
        await process.stop()
    assert set(found.labels()) - NOW_AND_THEN == OF_ALL | OF_CALLS | OF_DATABASES
    menu = "GET /agencies/{agency}/{category}/menu"
    assert found.value("toroku_calls_total", method=menu, outcome="OK") == 1
    assert found.value("toroku_calls_total", method=menu, outcome="PORTAL_PAGE_UNKNOWN") == 1
    assert found.value("toroku_call_seconds_count", method=menu) == 2
    assert all(record["service"] == "portal" for record in process.log)


def _read_page(address: str, path: str, trusted: ssl.SSLContext) -> None:
    connection = HTTPSConnection("localhost", int(address.rpartition(":")[2]), context=trusted, timeout=SECONDS)
    connection.request("GET", path)
    connection.getresponse().read()
    connection.close()


async def has_head(database: Database) -> bool:
    async with database.read() as connection:
        return await find_newest_head(connection) is not None


async def test_worker_reads_its_metrics_periodically(
    profile: Path, certificates: InstanceCertificates, migrated_database: Callable[[str], str]
) -> None:
    """The list is fetched after the first reading; the next one finds it. The history is sealed beside."""
    dsn = migrated_database("certificate_registry")
    settings = settings_of(
        "certificate-registry",
        profile,
        certificates,
        DATABASE=dsn,
        BIDDER_PROOF_PUBLIC_KEYS=certificates.bidder_proof_public,
        HISTORY_KEY=certificates.history_private,
    )
    async with (
        Database.open(dsn, pool=1) as database,
        scraped_process("certificate_registry", "worker", settings) as process,
    ):
        await write_entries(database, [1])
        found = await shown_when(process, lambda found: "toroku_crl_age_seconds" in found.samples)
        await wait_until(lambda: has_head(database), seconds=SECONDS)
        head = await get_newest_head(database)
        await process.stop()
    assert set(found.labels()) - NOW_AND_THEN == OF_ALL | OF_JOBS | OF_LISTS | OF_HISTORY
    assert (head.chain, head.last_position) == (Chain("example", "certificate-registry").id, 1)
    assert found.value("toroku_crl_lists", authority="test-ca") == 1
    assert found.value("toroku_crl_fetch_failures", authority="test-ca") == 0
    assert found.value("toroku_job_runs_total", task="fetch_crls", outcome="OK") >= 1
    assert -60 < found.value("toroku_crl_age_seconds", authority="test-ca") < SECONDS


async def test_worker_whose_clock_is_a_month_ahead_says_so_and_fetches_lists_at_their_interval(
    profile: Path, certificates: InstanceCertificates, migrated_database: Callable[[str], str]
) -> None:
    dsn = migrated_database("certificate_registry")
    settings = settings_of(
        "certificate-registry",
        profile,
        certificates,
        DATABASE=dsn,
        BIDDER_PROOF_PUBLIC_KEYS=certificates.bidder_proof_public,
        HISTORY_KEY=certificates.history_private,
    )
    async with scraped_process("certificate_registry", "worker", settings | ahead_by("30d")) as process:
        found = await shown_when(
            process, lambda found: found.by_label("toroku_job_runs_total", "task").get("fetch_crls", 0) > 0
        )
        await process.stop()
    assert found.value("toroku_clock_difference_seconds") == pytest.approx(30 * 86400, abs=60)
    said = [record for record in process.log if "ahead of the database's" in record["message"]]
    assert [record["level"] for record in said] == ["ERROR"]
    async with Database.open(dsn, pool=1) as database, database.read() as connection:
        rows = await connection.execute(
            "SELECT failures, next_fetch_at BETWEEN now() AND now() + interval '1 hour' FROM crl_source"
        )
        assert await rows.fetchall() == [(0, True)]


async def test_front_door_shows_both_certificates_and_nothing_that_strangers_send(
    profile: Path, certificates: InstanceCertificates
) -> None:
    address = free_address()
    settings = settings_of(
        "front-door",
        profile,
        certificates,
        PUBLIC_LISTEN=address,
        PUBLIC_CERTIFICATE=certificates.public.certificate,
        PUBLIC_PRIVATE_KEY=certificates.public.private_key,
    )
    name, user, pin, token = "株式会社髙﨑建設", "1000000042", "864201", "c2Vzc2lvbi10b2tlbg"
    credentials = grpc.ssl_channel_credentials(certificates.public.authority.read_bytes())
    async with scraped_process("front_door", "serve", settings) as process:
        await process.wait_until_listening(address)
        async with grpc.aio.secure_channel(address, credentials) as channel:
            front_door = registration_pb2_grpc.RegistrationStub(channel)
            entry = entry_pb2_grpc.EntryStub(channel)
            await entry.DescribeInstance(entry_pb2.DescribeInstanceRequest(), wait_for_ready=True, timeout=SECONDS)
            begin = registration_pb2.BeginRegistrationRequest(agency=name, category=WORKS, certificate=pin.encode())
            find = registration_pb2.FindBidderRequest(
                session_token=token, agency=PREFECTURE, category=WORKS, name=name, bidder_id=user, password=pin
            )
            await connect_without_tls(address)
            reasons = {
                await _reason(front_door.BeginRegistration(begin, timeout=SECONDS)),
                await _reason(front_door.FindBidder(find, timeout=SECONDS)),
            }
        found = await process.scrape()
        await process.stop()
    assert set(found.labels()) == OF_ALL | OF_CALLS | OF_CONNECTIONS
    assert reasons <= set(found.by_label("toroku_calls_total", "outcome"))
    assert found.by_label("toroku_own_certificate_expires_timestamp_seconds", "use").keys() == {"service", "public"}
    for written in (found.text, process.log_text):
        assert find_secrets(written, [name, user, pin, token, "髙﨑"]) == []


async def _reason(call: Awaitable[object]) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return from_rpc_error(refused.value).reason
