"""qualification-registry as processes with their settings, which may be killed at any time."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typing_extensions import override

from operator_command.instance_certificates import InstanceCertificates, issue_instance_certificates
from qualification_registry.operations.bidder_events import enqueue_states
from refusals import Refusal
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from tests.support.example_profile import WORKS
from tests.support.in_process import Authority, KnownOfficers, serving
from tests.support.officers import record_in_database
from tests.support.peers.certificate_registry import CertificateRegistryPeer
from tests.support.rosters import corporate_number
from tests.support.services.example_rosters import WITHOUT_IDS, roster, row
from tests.support.services.qualification_process import process_settings
from tests.support.services.qualification_registry import NAME
from tests.support.services.roster_officer import WITH_IDS, Officer, roster_officer
from toroku.certificate.v1 import certificate_registry_pb2
from toroku.certificate.v1.certificate_registry_pb2_grpc import add_CertificateRegistryServicer_to_server
from toroku.qualification.v1 import qualification_registry_pb2

SECONDS = 60
# Megabytes. It was 45 without giving memory back, and is 16 to 27 by how far the reading is ahead.
MOST_GROWTH = 36
LINES = [row(f"{1000000000 + number}", f"株式会社例示{number}") for number in range(3_000)]


@pytest.fixture
def certificates(tmp_path: Path) -> InstanceCertificates:
    return issue_instance_certificates(
        tmp_path / "certificates",
        instance="example",
        services=[NAME, "certificate-registry"],
        agencies=[],
        officers=["prefecture/hanako"],
        now=datetime.now(UTC),
    )


@pytest.fixture
def settings(
    tmp_path: Path, certificates: InstanceCertificates, migrated_database: Callable[[str], str]
) -> dict[str, str]:
    return process_settings(tmp_path, certificates, migrated_database("qualification_registry"), listeners=["AGENCY"])


@asynccontextmanager
async def running(command: str, settings: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs a process of the service, which is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "qualification_registry", command),
        env=os.environ | settings,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def officer(certificates: InstanceCertificates, settings: dict[str, str]) -> AsyncIterator[Officer]:
    own = certificates.officers["prefecture/hanako"]
    files = CertificateFiles(own.certificate, own.private_key, certificates.services[NAME].authority)
    async with roster_officer("prefecture/hanako", files, settings["TOROKU_AGENCY_LISTEN"]) as officer:
        await record_in_database(settings["TOROKU_DATABASE"], officer.person.report("roster"))
        yield officer


async def wait_for_answer(officer: Officer) -> None:
    """Waits until the service answers."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                await officer.commit("none")
            except Refusal as refusal:
                if refusal.reason == "ROSTER_PREVIEW_UNKNOWN":
                    return
                await asyncio.sleep(0.05)


def rows(settings: dict[str, str], query: str) -> list[tuple[object, ...]]:
    """Returns the rows of a query."""
    with psycopg.connect(settings["TOROKU_DATABASE"]) as connection:
        return connection.execute(query.encode()).fetchall()


def read_memory(pid: int) -> int:
    """Returns the megabytes that a process has of its own, without what it maps of files (proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("RssAnon"))


@pytest.mark.requirement("QUA-12")
async def test_import_is_complete_or_absent_after_a_kill(settings: dict[str, str], officer: Officer) -> None:
    content = roster(*LINES)
    async with running("serve", settings) as killed:
        await wait_for_answer(officer)
        header = qualification_registry_pb2.PreviewRosterRequest(
            header=qualification_registry_pb2.RosterHeader(mapping=WITH_IDS)
        )

        async def send_without_end() -> AsyncIterator[qualification_registry_pb2.PreviewRosterRequest]:
            yield header
            yield qualification_registry_pb2.PreviewRosterRequest(content=content)
            # However late the kill is, the preview is not complete before it.
            await asyncio.Event().wait()

        preview_call = officer.asynchronous.PreviewRoster(send_without_end())
        assert (await anext(aiter(preview_call))).progress.step == "receive"
        killed.kill()
        await killed.wait()
    async with running("serve", settings) as killed:
        await wait_for_answer(officer)
        assert rows(settings, "SELECT count(*) FROM roster_lines") == [(0,)]
        preview = await officer.preview(content)
        commit_call = officer.asynchronous.CommitRoster(
            await officer.sign(
                "CommitRoster", qualification_registry_pb2.CommitRosterRequest(import_id=preview.import_id)
            )
        )
        assert (await anext(aiter(commit_call))).HasField("progress")
        killed.kill()
        await killed.wait()
    async with running("serve", settings):
        await wait_for_answer(officer)
        # The commit happened once, or not at all and can be repeated.
        commit = await officer.commit(preview.import_id)
        assert (commit.roster_version, commit.new) == (1, 3_000)
        assert rows(settings, "SELECT count(*), count(DISTINCT bidder_id) FROM roster_lines") == [(3_000, 3_000)]
        assert rows(settings, "SELECT count(*) FROM bidders") == [(3_000,)]
        assert rows(settings, "SELECT count(*) FROM history_entry") == [(1,)]


async def test_memory_of_an_import_is_given_back(settings: dict[str, str], officer: Officer) -> None:
    """A large import leaves the process as it found it, however much of its memory lies between what stays in use."""
    async with running("serve", settings) as process:
        await wait_for_answer(officer)
        small = roster(*LINES)
        large = roster(
            *(
                row("", f"株式会社{'例' * 20}{number}", corporate_number=corporate_number(number))
                for number in range(40_000)
            )
        )
        await officer.import_roster(small)
        await officer.preview(small, WITHOUT_IDS)
        before = read_memory(process.pid)
        for _ in range(2):
            assert (await officer.preview(large, WITHOUT_IDS)).new == 40_000
        await officer.import_roster(small)
        assert read_memory(process.pid) - before < MOST_GROWTH


async def test_job_of_a_killed_worker_is_run_by_the_next_worker(
    settings: dict[str, str], certificates: InstanceCertificates
) -> None:
    bidder_ids = [f"{1000000000 + number}" for number in range(600)]
    async with (
        Database.open(settings["TOROKU_DATABASE"], pool=1) as database,
        database.transaction() as connection,
    ):
        await enqueue_states(connection, WORKS, bidder_ids)
    certificate_registry = CertificateRegistryPeer()
    waiting = "SELECT status::text FROM jobs.procrastinate_jobs WHERE task_name = 'send_bidder_states'"
    async with running("worker", settings) as killed, asyncio.timeout(SECONDS):
        # certificate-registry is not running, so that the job is retried.
        while rows(settings, "SELECT 1 FROM jobs.procrastinate_jobs WHERE attempts > 0") == []:
            await asyncio.sleep(0.05)
        killed.kill()
    assert rows(settings, waiting) != []
    services = {
        certificate_registry_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]: partial(
            add_CertificateRegistryServicer_to_server, certificate_registry
        )
    }
    authority = _InstanceAuthority(certificates)
    async with serving(authority, "certificate-registry", services, instance="example") as address:
        fresh = settings | {"TOROKU_CERTIFICATE_REGISTRY_ENDPOINT": address}
        async with running("worker", fresh), asyncio.timeout(SECONDS):
            while {state.bidder_id for state in certificate_registry.recorded_bidders} != set(bidder_ids):
                await asyncio.sleep(0.05)


async def test_service_exits_cleanly_on_sigterm(settings: dict[str, str], officer: Officer) -> None:
    async with running("serve", settings) as process:
        await wait_for_answer(officer)
        process.terminate()
        async with asyncio.timeout(SECONDS):
            assert await process.wait() == 0


async def test_error_about_a_wrong_proof_key_does_not_show_the_key(settings: dict[str, str], tmp_path: Path) -> None:
    key = tmp_path / "wrong.key"
    key.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    async with running("serve", settings | {"TOROKU_BIDDER_PROOF_KEY": str(key)}) as process:
        _, log = await process.communicate()
        assert process.returncode != 0
        assert b"Ed25519" in log
        assert b"c2VjcmV0" not in log


async def test_service_does_not_start_with_a_key_that_it_could_not_verify_with(
    settings: dict[str, str], tmp_path: Path
) -> None:
    keys = tmp_path / "other.pub"
    other = Ed25519PrivateKey.generate().public_key()
    keys.write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    async with running("serve", settings | {"TOROKU_BIDDER_PROOF_PUBLIC_KEYS": str(keys)}) as process:
        _, log = await process.communicate()
        assert process.returncode == 1
        assert f"{keys} does not contain the public key of {settings['TOROKU_BIDDER_PROOF_KEY']}" in log.decode()
        assert b"Traceback" not in log


class _InstanceAuthority(Authority):
    """The CA of this instance's certificates, for a fake peer."""

    def __init__(self, certificates: InstanceCertificates) -> None:
        self._certificates = certificates
        self.callers = certificates.callers
        self.trusted = certificates.officer_clients_authorities
        self.known = KnownOfficers()

    @override
    def service(self, name: str, lifetime: timedelta | None = None) -> CertificateFiles:
        assert lifetime is None, "these certificates are issued already"
        own = self._certificates.services[name]
        return CertificateFiles(own.certificate, own.private_key, own.authority)
