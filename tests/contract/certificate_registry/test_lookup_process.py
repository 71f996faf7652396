"""Lookups have processes of their own: what these need, what they may do, and that the registry's answer none."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import psycopg
import pytest
import yaml

from certificate_registry.store.lookup import SESSION
from operator_command.instance_certificates import Identity, InstanceCertificates, issue_instance_certificates
from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from operator_command.launcher.processes import build_environment, build_python_command, make_health_check
from refusals.status import from_rpc_error
from servicekit.credentials import CertificateFiles, create_channel_credentials
from servicekit.database import Database
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, WORKS, example_profile
from tests.support.scrape import free_address
from tests.support.scraped_process import SECONDS, ScrapedProcess, scraped_process
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.waiting import wait_until
from toroku.certificate.v1 import user_lookup_pb2
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupStub

Answer = user_lookup_pb2.ResolveUserResponse
PACKAGE = "certificate_registry"
NAMES = ("certificate-registry", "user-lookup", "front-door")
READER = "reads_lookups"


@pytest.fixture
def certificates(tmp_path: Path) -> InstanceCertificates:
    return issue_instance_certificates(
        tmp_path / "certificates",
        instance="example",
        services=NAMES,
        agencies=[PREFECTURE],
        officers=[],
        now=datetime.now(UTC),
    )


@pytest.fixture
def settings(tmp_path: Path, certificates: InstanceCertificates) -> dict[str, str]:
    """All that a process of lookups needs, but for its database."""
    profile = tmp_path / "example.yaml"
    profile.write_text(yaml.safe_dump(example_profile().model_dump(mode="json"), allow_unicode=True), "utf-8")
    return listening(certificates, "user-lookup", "INTERNAL", "AGENCY") | {"TOROKU_PROFILE": str(profile)}


@pytest.fixture
def reader(postgresql: EmbeddedPostgreSQL) -> Iterator[Callable[[str], str]]:
    """A function that returns the address of a database for a role that may only read it."""
    postgresql.provide_role(READER)
    yield lambda dsn: postgresql.allow_reading(dsn.partition("@/")[2].partition("?")[0], READER)
    with postgresql.connect() as administrator:
        for (name,) in administrator.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall():
            administrator.execute(f'REVOKE ALL ON DATABASE "{name}" FROM {READER}'.encode())
        administrator.execute(f"DROP ROLE {READER}".encode())


def listening(certificates: InstanceCertificates, name: str, *listeners: str) -> dict[str, str]:
    own = certificates.services[name]
    values = {
        "CERTIFICATE": own.certificate,
        "PRIVATE_KEY": own.private_key,
        "SERVICES_CA": own.authority,
        "AGENCY_CLIENTS_CA": certificates.agency_clients_authorities,
        "CALLERS": certificates.callers,
    } | {f"{listener}_LISTEN": free_address() for listener in (*listeners, "HEALTH")}
    return {f"TOROKU_{key}": str(value) for key, value in values.items()}


@asynccontextmanager
async def looking_up(settings: dict[str, str], dsn: str) -> AsyncIterator[ScrapedProcess]:
    """Runs a process of lookups, ready."""
    async with scraped_process(PACKAGE, "serve-lookup", settings | {"TOROKU_DATABASE": dsn}) as process:
        await wait_until(make_health_check(settings["TOROKU_HEALTH_LISTEN"]), seconds=SECONDS)
        yield process


async def resolve(
    address: str,
    caller: Identity,
    authority: Path,
    visit: Visit,
    *,
    agency: str = PREFECTURE,
    name: str = "user-lookup",
) -> Answer | str:
    """The answer to a caller that expects the service of this name; a reason, or the code where no service refused."""
    files = CertificateFiles(caller.certificate, caller.private_key, authority)
    options = (("grpc.ssl_target_name_override", name),)
    request = user_lookup_pb2.ResolveUserRequest(
        agency=agency, category=WORKS, certificate_sha256=visit.card.sha256, possession_verified=True
    )
    async with grpc.aio.secure_channel(address, create_channel_credentials(files), options) as channel:
        try:
            answer: Answer = await UserLookupStub(channel).ResolveUser(request, timeout=SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNIMPLEMENTED):
                return error.code().name
            return from_rpc_error(error).reason
    return answer


@pytest.mark.requirement("SYN-08")
async def test_process_of_lookups_answers_agencies_and_services(
    registry: RunningCertificateRegistry, settings: dict[str, str], certificates: InstanceCertificates
) -> None:
    visit, _ = await registry.register_new()
    services_ca = certificates.services["user-lookup"].authority
    agency, internal = settings["TOROKU_AGENCY_LISTEN"], settings["TOROKU_INTERNAL_LISTEN"]
    system, front_door = certificates.agencies[PREFECTURE], certificates.services["front-door"]
    async with looking_up(settings, registry.dsn) as process:
        for address, caller in ((agency, system), (internal, front_door)):
            answer = await resolve(address, caller, services_ca, visit)
            assert isinstance(answer, Answer)
            assert (answer.verdict, answer.bidder_id) == (Answer.VERDICT_GOOD, BIDDER)
        assert await resolve(agency, system, services_ca, visit, agency=CITY) == "AGENCY_NOT_OWN"
        # Its certificate has its own name, and no other.
        assert await resolve(agency, system, services_ca, visit, name="certificate-registry") == "UNAVAILABLE"
        # The registry's own identity may ask nothing here.
        registrys = certificates.services["certificate-registry"]
        assert await resolve(internal, registrys, services_ca, visit) == "CALLER_NOT_ALLOWED"
        await process.stop()
    assert all(record["service"] == "user-lookup" for record in process.log)


async def test_role_that_may_only_read_is_enough_for_lookups(
    registry: RunningCertificateRegistry,
    settings: dict[str, str],
    certificates: InstanceCertificates,
    reader: Callable[[str], str],
) -> None:
    visit, _ = await registry.register_new()
    services_ca = certificates.services["user-lookup"].authority
    address, system = settings["TOROKU_AGENCY_LISTEN"], certificates.agencies[PREFECTURE]
    async with looking_up(settings, reader(registry.dsn)) as process:
        answer = await resolve(address, system, services_ca, visit)
        assert isinstance(answer, Answer)
        assert answer.verdict == Answer.VERDICT_GOOD
        await process.stop()


async def test_sessions_of_lookups_change_nothing_even_as_the_owner(registry: RunningCertificateRegistry) -> None:
    async with Database.open(registry.dsn, pool=1, session=SESSION) as database, database.read() as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await connection.execute("DELETE FROM registration")


async def test_process_of_lookups_waits_for_the_schema(settings: dict[str, str], database: str) -> None:
    """Another process migrates; this one is not ready until then, and says so."""
    is_ready = make_health_check(settings["TOROKU_HEALTH_LISTEN"])
    async with scraped_process(PACKAGE, "serve-lookup", settings | {"TOROKU_DATABASE": database}) as process:
        await process.wait_until_listening(settings["TOROKU_HEALTH_LISTEN"])
        assert not await is_ready()
        migrate = await asyncio.create_subprocess_exec(
            *build_python_command(PACKAGE, "migrate"), env=build_environment({"TOROKU_DATABASE": database})
        )
        assert await migrate.wait() == 0
        await wait_until(is_ready, seconds=SECONDS)
        await process.stop()
    assert any("is not at revision" in record["message"] for record in process.log)


async def test_process_of_the_registry_answers_no_lookup(
    registry: RunningCertificateRegistry, settings: dict[str, str], certificates: InstanceCertificates
) -> None:
    visit, _ = await registry.register_new()
    own = settings | listening(certificates, "certificate-registry", "INTERNAL")
    own |= {
        "TOROKU_DATABASE": registry.dsn,
        "TOROKU_BIDDER_PROOF_PUBLIC_KEYS": str(certificates.bidder_proof_public),
        "TOROKU_OFFICER_PROOF_KEY": str(certificates.officer_proof_private),
        "TOROKU_ACT_PROOF_KEY": str(certificates.act_proof_private),
        "TOROKU_MAILED_SECRET_KEY": str(certificates.mailed_secret_key),
        "TOROKU_QUALIFICATION_REGISTRY_ENDPOINT": free_address(),
        "TOROKU_CONTACT_NOTIFICATION_ENDPOINT": free_address(),
        "TOROKU_AGENCY_SYNC_ENDPOINT": free_address(),
    }
    front_door = certificates.services["front-door"]
    async with scraped_process(PACKAGE, "serve", own) as process:
        await wait_until(make_health_check(own["TOROKU_HEALTH_LISTEN"]), seconds=SECONDS)
        told = await resolve(
            own["TOROKU_INTERNAL_LISTEN"], front_door, front_door.authority, visit, name="certificate-registry"
        )
        assert told == "UNIMPLEMENTED"
        await process.stop()
