"""The password of a database's role is changed while calls and jobs are under way: nothing has to be restarted."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
import yaml

from operator_command.instance_certificates import issue_instance_certificates
from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from operator_command.launcher.processes import make_health_check
from refusals.status import from_rpc_error
from servicekit import migrations
from servicekit.credentials import CertificateFiles, create_channel_credentials
from servicekit.settings import MigrationSettings
from tests.support.example_profile import PREFECTURE, WORKS, example_profile
from tests.support.scrape import find_secrets, free_address
from tests.support.scraped_process import SECONDS, ScrapedProcess, scraped_process
from tests.support.waiting import wait_until
from toroku.certificate.v1.certificate_registry_pb2 import GetOutcomeRequest
from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryStub
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserRequest
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupStub

PACKAGE = "certificate_registry"
ROLE = "changes_its_password"
COMMANDS = {"serve": "certificate-registry", "serve-lookup": "user-lookup", "worker": "certificate-registry"}
# The longest time from the moment when file and server agree to the first good answer, in seconds.
MOST_SECONDS = 5.0
CHANGE = "ALTER ROLE {} PASSWORD '{}'"
END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
ENQUEUE = (
    "SELECT jobs.procrastinate_defer_jobs_v1(ARRAY[ROW('expiry', 'delete_sessions', 0, NULL, NULL, "
    "'{\"arguments\": {}}'::jsonb, NULL)::jobs.procrastinate_job_to_defer_v1])"
)


class MountedSecret:
    """A file as the kubelet mounts it from a Secret: readable by the group, replaced through a link to its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self.file = folder / "password"
        self.file.symlink_to("..data/password")

    def write(self, password: str) -> None:
        """Replaces the content at one stroke."""
        version = self._folder / f"..{uuid4()}"
        version.mkdir()
        (version / "password").write_text(password)
        (version / "password").chmod(0o440)
        link = self._folder / "..data.new"
        link.symlink_to(version.name)
        link.replace(self._folder / "..data")


@dataclass(slots=True)
class Caller:
    """Calls again and again, and keeps each outcome, OK or a reason, with its instant."""

    call: Callable[[], Awaitable[Any]]
    outcomes: list[tuple[float, str]] = field(default_factory=list)

    async def go_on(self) -> None:
        """Calls until it is cancelled."""
        while True:
            try:
                await self.call()
                outcome = "OK"
            except grpc.aio.AioRpcError as error:
                outcome = from_rpc_error(error).reason
            self.outcomes.append((time.monotonic(), outcome))
            await asyncio.sleep(0.05)

    def has_since(self, outcome: str, instant: float) -> bool:
        """Returns whether a call had this outcome after the instant."""
        return any(at > instant and each == outcome for at, each in self.outcomes)


@pytest.fixture
def secret(tmp_path: Path) -> MountedSecret:
    return MountedSecret(tmp_path / "secret")


@pytest.fixture
def address(postgresql: EmbeddedPostgreSQL, secret: MountedSecret) -> Iterator[str]:
    """The address of a migrated database, without the password, which is in the file."""
    postgresql.provide_role(ROLE)
    dsn = postgresql.provide_database(ROLE, ROLE)
    password = dsn.partition(f"{ROLE}:")[2].partition("@")[0]
    secret.write(password)
    without = dsn.replace(f":{password}@", "@")
    migrations.migrate(MigrationSettings(database=without, database_password_file=secret.file), PACKAGE)
    yield without
    postgresql.drop_database(ROLE)
    with postgresql.connect() as administrator:
        administrator.execute(f"DROP ROLE {ROLE}".encode())


@pytest.fixture
async def processes(
    address: str, secret: MountedSecret, tmp_path: Path, callers: list[Caller]
) -> AsyncIterator[dict[str, tuple[ScrapedProcess, Callable[[], Awaitable[bool]]]]]:
    """Server, lookups and worker by their commands, each with its readiness; `callers` call the first two."""
    certificates = issue_instance_certificates(
        tmp_path / "certificates",
        instance="example",
        services=["certificate-registry", "user-lookup", "contact-notification", "front-door"],
        agencies=[],
        officers=[],
        now=datetime.now(UTC),
    )
    profile = tmp_path / "example.yaml"
    profile.write_text(yaml.safe_dump(example_profile().model_dump(mode="json"), allow_unicode=True), "utf-8")
    running: dict[str, tuple[ScrapedProcess, Callable[[], Awaitable[bool]]]] = {}
    async with AsyncExitStack() as stack:
        for command, name in COMMANDS.items():
            own = certificates.services[name]
            settings = {
                "PROFILE": profile,
                "DATABASE": address,
                "DATABASE_PASSWORD_FILE": secret.file,
                "CERTIFICATE": own.certificate,
                "PRIVATE_KEY": own.private_key,
                "SERVICES_CA": own.authority,
                "BIDDER_PROOF_PUBLIC_KEYS": certificates.bidder_proof_public,
                "HISTORY_KEY": certificates.history_private,
                "MAILED_SECRET_KEY": certificates.mailed_secret_key,
                "CONTACT_NOTIFICATION_ENDPOINT": "127.0.0.1:1",
                "AGENCY_SYNC_ENDPOINT": "127.0.0.1:1",
                "QUALIFICATION_REGISTRY_ENDPOINT": "127.0.0.1:1",
                "OFFICER_PROOF_KEY": certificates.officer_proof_private,
                "ACT_PROOF_KEY": certificates.act_proof_private,
                "HEALTH_LISTEN": free_address(),
                "INTERNAL_LISTEN": free_address(),
            }
            environment = {f"TOROKU_{setting}": str(value) for setting, value in settings.items()}
            process = await stack.enter_async_context(scraped_process(PACKAGE, command, environment))
            running[command] = process, make_health_check(str(settings["HEALTH_LISTEN"]))
            if command == "worker":
                continue
            caller = certificates.services["contact-notification" if command == "serve" else "front-door"]
            files = CertificateFiles(caller.certificate, caller.private_key, caller.authority)
            channel = await stack.enter_async_context(
                grpc.aio.secure_channel(
                    str(settings["INTERNAL_LISTEN"]),
                    create_channel_credentials(files),
                    (("grpc.ssl_target_name_override", name),),
                )
            )
            callers.append(Caller(ask_for_outcome(channel) if command == "serve" else look_up(channel)))
        await wait_until(lambda: hold(is_ready for _, is_ready in running.values()), seconds=SECONDS)
        yield running


@pytest.fixture
def callers() -> list[Caller]:
    return []


def ask_for_outcome(channel: grpc.aio.Channel) -> Callable[[], Awaitable[Any]]:
    request = GetOutcomeRequest(request_id=str(uuid4()), certificate_sha256=bytes(32))
    return lambda: CertificateRegistryStub(channel).GetOutcome(request, timeout=SECONDS)


def look_up(channel: grpc.aio.Channel) -> Callable[[], Awaitable[Any]]:
    request = ResolveUserRequest(
        agency=PREFECTURE, category=WORKS, certificate_sha256=bytes(32), possession_verified=True
    )
    return lambda: UserLookupStub(channel).ResolveUser(request, timeout=SECONDS)


async def hold(checks: Iterator[Callable[[], Awaitable[bool]]]) -> bool:
    return all([await check() for check in checks])


async def test_everything_goes_on_when_the_file_holds_the_changed_password(
    postgresql: EmbeddedPostgreSQL,
    secret: MountedSecret,
    address: str,
    callers: list[Caller],
    processes: dict[str, tuple[ScrapedProcess, Callable[[], Awaitable[bool]]]],
) -> None:
    checks = [is_ready for _, is_ready in processes.values()]
    calling = [asyncio.create_task(caller.go_on()) for caller in callers]
    served, lookups = callers

    async def are_answered(since: float, *outcomes: str) -> bool:
        return all(caller.has_since(outcome, since) for caller, outcome in zip(callers, outcomes, strict=True))

    await wait_until(lambda: are_answered(0, "OK", "OK"), seconds=SECONDS)
    password = secrets.token_urlsafe(24)
    with postgresql.connect(ROLE) as administrator:
        administrator.execute(CHANGE.format(ROLE, password).encode())
        administrator.execute(END_SESSIONS, [ROLE])
        changed_at = time.monotonic()
        # Refused with a reason that says to try again, and not ready, but alive.
        await wait_until(
            lambda: are_answered(changed_at, "DATABASE_UNAVAILABLE", "REGISTRY_UNAVAILABLE"), seconds=SECONDS
        )
        await wait_until(lambda: none_hold(checks), seconds=SECONDS)
        administrator.execute(f"SET search_path = jobs; {ENQUEUE}".encode())
        secret.write(password)
        agreed_at = time.monotonic()

        async def are_jobs_done() -> bool:
            row = administrator.execute(
                "SELECT count(*) FROM jobs.procrastinate_jobs WHERE task_name = 'delete_sessions'"
            ).fetchone()
            return row == (0,)

        await wait_until(lambda: are_answered(agreed_at, "OK", "OK"), seconds=SECONDS)
        await wait_until(lambda: hold(iter(checks)), seconds=SECONDS)
        await wait_until(are_jobs_done, seconds=SECONDS)
        assert time.monotonic() - agreed_at < MOST_SECONDS
    gone_on_at = time.monotonic()

    async def have_called_often() -> bool:
        return all(sum(at > gone_on_at for at, _ in caller.outcomes) >= 20 for caller in callers)

    await wait_until(have_called_often, seconds=SECONDS)
    for caller in callers:
        assert {outcome for at, outcome in caller.outcomes if at > gone_on_at} == {"OK"}
    for task in calling:
        task.cancel()
    await asyncio.gather(*calling, return_exceptions=True)
    for process, _ in processes.values():
        given = Path(f"/proc/{process.process.pid}")
        for shown in (given / "cmdline", given / "environ"):
            assert password not in shown.read_bytes().decode()
    await asyncio.gather(*(process.stop() for process, _ in processes.values()))
    for process, _ in processes.values():
        assert find_secrets(process.log_text, [password]) == []
        assert "Traceback" not in process.log_text
        assert "make its password and the one in TOROKU_DATABASE_PASSWORD_FILE" in process.log_text
    assert {outcome for _, outcome in served.outcomes} == {"OK", "DATABASE_UNAVAILABLE"}
    assert {outcome for _, outcome in lookups.outcomes} == {"OK", "REGISTRY_UNAVAILABLE"}


async def none_hold(checks: list[Callable[[], Awaitable[bool]]]) -> bool:
    return not any([await check() for check in checks])
