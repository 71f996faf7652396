"""Processes of a service whose database does not exist yet, stops, or loses all connections, as in a cluster."""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import grpc
import psycopg
import pytest
import yaml
from grpc_health.v1.health_pb2 import HealthCheckResponse

from operator_command.instance_certificates import issue_instance_certificates, locate_identity
from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from operator_command.launcher.processes import build_environment, build_python_command
from refusals import Refusal
from servicekit.clients import Peers
from servicekit.credentials import CertificateFiles
from tests.support.echo_service import read_health
from tests.support.example_profile import example_profile
from tests.support.infrastructure.pooler import running_pooler
from tests.support.waiting import wait_until
from toroku.certificate.v1.certificate_registry_pb2 import GetOutcomeRequest
from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryStub

SECONDS = 60.0
CALLER = "contact-notification"
ROLE = "certificate_registry"
LOSE_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


@pytest.fixture
def server() -> Iterator[EmbeddedPostgreSQL]:
    """A PostgreSQL server, not started yet, with the service's role and empty database."""
    folder = Path(tempfile.mkdtemp(prefix="toroku-away-"))
    folder.chmod(0o711)
    postgresql = EmbeddedPostgreSQL(folder / "postgresql", durable=False)
    postgresql.start()
    try:
        postgresql.wait_until_ready()
        postgresql.provide_role(ROLE)
        postgresql.provide_database(ROLE, ROLE)
        postgresql.stop()
        yield postgresql
    finally:
        postgresql.stop()
        shutil.rmtree(folder)


@pytest.fixture
def settings(tmp_path: Path, server: EmbeddedPostgreSQL) -> dict[str, str]:
    certificates = issue_instance_certificates(
        tmp_path / "certificates",
        instance="example",
        services=["certificate-registry", CALLER],
        agencies=[],
        officers=[],
        now=datetime.now(UTC),
    )
    profile = tmp_path / "example.yaml"
    profile.write_text(yaml.safe_dump(example_profile().model_dump(mode="json"), allow_unicode=True), "utf-8")
    own = certificates.services["certificate-registry"]
    found = {
        "PROFILE": profile,
        "DATABASE": server.dsn(ROLE, ROLE),
        "CERTIFICATE": own.certificate,
        "PRIVATE_KEY": own.private_key,
        "SERVICES_CA": own.authority,
        "BIDDER_PROOF_PUBLIC_KEYS": certificates.bidder_proof_public,
        "HISTORY_KEY": certificates.history_private,
        "MAILED_SECRET_KEY": certificates.mailed_secret_key,
        "INTERNAL_LISTEN": f"127.0.0.1:{free_port()}",
        "CONTACT_NOTIFICATION_ENDPOINT": "127.0.0.1:1",
        "AGENCY_SYNC_ENDPOINT": "127.0.0.1:1",
        "QUALIFICATION_REGISTRY_ENDPOINT": "127.0.0.1:1",
        "OFFICER_PROOF_KEY": certificates.officer_proof_private,
        "ACT_PROOF_KEY": certificates.act_proof_private,
    }
    return {f"TOROKU_{name}": str(value) for name, value in found.items()}


@dataclass(slots=True)
class Running:
    """A process of the service, its health port, and its log so far."""

    process: asyncio.subprocess.Process
    health: str
    lines: list[str] = field(default_factory=list)

    async def says(self, state: "HealthCheckResponse.ServingStatus.ValueType") -> None:
        """Waits until the health port reports the state."""

        async def holds() -> bool:
            assert self.process.returncode is None, "".join(self.lines)
            try:
                return bool(await read_health(self.health) == state)
            except grpc.aio.AioRpcError:
                return False

        try:
            await wait_until(holds, seconds=SECONDS)
        except TimeoutError:
            pytest.fail("".join(self.lines))

    async def logs(self, text: str) -> None:
        """Waits until a line of the log contains the text."""

        async def holds() -> bool:
            return any(text in line for line in self.lines)

        await wait_until(holds, seconds=SECONDS)

    async def probe(self) -> None:
        """Asks the health port again and again, as a platform does: readiness is judged when somebody asks."""
        while True:
            with suppress(grpc.aio.AioRpcError):
                await read_health(self.health)
            await asyncio.sleep(0.2)

    async def read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode())


@asynccontextmanager
async def running(command: str, settings: dict[str, str]) -> AsyncIterator[Running]:
    health = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        *build_python_command("certificate_registry", command),
        env=build_environment(settings | {"TOROKU_HEALTH_LISTEN": health}),
        stderr=asyncio.subprocess.PIPE,
    )
    found = Running(process, health)
    reading, probing = asyncio.create_task(found.read()), asyncio.create_task(found.probe())
    try:
        yield found
    finally:
        probing.cancel()
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


async def migrate(settings: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *build_python_command("certificate_registry", "migrate"), env=build_environment(settings)
    )
    assert await process.wait() == 0


async def start(server: EmbeddedPostgreSQL) -> None:
    # In this thread, because a process ends with the thread that started it.
    server.start()
    await asyncio.to_thread(server.wait_until_ready)


async def test_server_started_before_its_database_becomes_ready(
    server: EmbeddedPostgreSQL, settings: dict[str, str]
) -> None:
    async with running("serve", settings) as service:
        await service.says(HealthCheckResponse.NOT_SERVING)
        await service.logs("not ready: the database does not answer")
        await start(server)
        await service.logs("is not at revision 0001 yet")
        await service.says(HealthCheckResponse.NOT_SERVING)
        await migrate(settings)
        await service.says(HealthCheckResponse.SERVING)
        # Each cause is logged once, however often readiness is checked.
        assert sum("is not at revision 0001 yet" in line for line in service.lines) == 1
        service.process.terminate()
        assert await asyncio.wait_for(service.process.wait(), SECONDS) == 0


async def asked_for_an_outcome(settings: dict[str, str], tmp_path: Path) -> str:
    """The reason that a caller gets, or OK."""
    own = locate_identity(tmp_path / "certificates", "services", CALLER)
    files = CertificateFiles(own.certificate, own.private_key, own.authority)
    peers = Peers(files, {"certificate-registry": settings["TOROKU_INTERNAL_LISTEN"]})
    try:
        stub = peers.stub("certificate-registry", CertificateRegistryStub)
        await stub.GetOutcome(GetOutcomeRequest(request_id=str(uuid4()), certificate_sha256=bytes(32)))
    except Refusal as refusal:
        return refusal.reason
    finally:
        await peers.close()
    return "OK"


async def test_server_is_ready_again_when_its_database_returns(
    server: EmbeddedPostgreSQL, settings: dict[str, str], tmp_path: Path
) -> None:
    await start(server)
    await migrate(settings)
    async with running("serve", settings) as service:
        await service.says(HealthCheckResponse.SERVING)
        assert await asked_for_an_outcome(settings, tmp_path) == "OK"
        server.kill()
        assert await asked_for_an_outcome(settings, tmp_path) == "DATABASE_UNAVAILABLE"
        await service.says(HealthCheckResponse.NOT_SERVING)
        await start(server)
        await service.says(HealthCheckResponse.SERVING)
        assert await asked_for_an_outcome(settings, tmp_path) == "OK"
        with server.connect() as connection:
            connection.execute(LOSE_ALL, [ROLE])
        # No call fails: a connection is checked before it is used.
        asked = len(service.lines)
        await wait_until(lambda: asked_again(settings["TOROKU_DATABASE"]), seconds=SECONDS)
        await service.says(HealthCheckResponse.SERVING)
        assert service.lines[asked:] == []
        assert service.process.returncode is None
        assert "Traceback" not in "".join(service.lines)


async def test_pooled_server_is_ready_again_when_its_database_returns(
    server: EmbeddedPostgreSQL, settings: dict[str, str]
) -> None:
    await start(server)
    await migrate(settings)
    with running_pooler(settings["TOROKU_DATABASE"]) as pooler:
        pooled = settings | {"TOROKU_DATABASE": pooler.dsn, "TOROKU_DATABASE_POOLED": "true"}
        async with running("serve", pooled) as service:
            await service.says(HealthCheckResponse.SERVING)
            server.kill()
            await service.says(HealthCheckResponse.NOT_SERVING)
            await start(server)
            await service.says(HealthCheckResponse.SERVING)
            assert "Traceback" not in "".join(service.lines)


async def test_worker_waits_for_database_and_schema(server: EmbeddedPostgreSQL, settings: dict[str, str]) -> None:
    async with running("worker", settings) as worker:
        await worker.says(HealthCheckResponse.NOT_SERVING)
        await worker.logs("waiting: the database does not answer")
        await start(server)
        await worker.logs(
            "waiting: the database is not at revision 0001 yet: run `python -m certificate_registry migrate`"
        )
        await migrate(settings)
        await worker.says(HealthCheckResponse.SERVING)
        await wait_until(lambda: works(settings["TOROKU_DATABASE"]), seconds=SECONDS)
        assert "Traceback" not in "".join(worker.lines)
        worker.process.terminate()
        assert await asyncio.wait_for(worker.process.wait(), SECONDS) == 0


async def test_waiting_worker_ends_when_it_is_stopped(settings: dict[str, str]) -> None:
    async with running("worker", settings) as worker:
        await worker.logs("waiting: the database does not answer")
        worker.process.terminate()
        assert await asyncio.wait_for(worker.process.wait(), SECONDS) == 0


async def test_worker_survives_the_end_of_all_its_connections(
    server: EmbeddedPostgreSQL, settings: dict[str, str]
) -> None:
    await start(server)
    await migrate(settings)
    dsn = settings["TOROKU_DATABASE"]
    async with running("worker", settings) as worker:
        await wait_until(lambda: works(dsn), seconds=SECONDS)
        for _ in range(3):
            with server.connect() as connection:
                connection.execute(LOSE_ALL, [ROLE])
            await wait_until(lambda: works(dsn), seconds=SECONDS)
        await goes_on(worker, settings)


async def test_worker_goes_on_when_its_database_restarts(server: EmbeddedPostgreSQL, settings: dict[str, str]) -> None:
    await start(server)
    await migrate(settings)
    async with running("worker", settings) as worker:
        await wait_until(lambda: works(settings["TOROKU_DATABASE"]), seconds=SECONDS)
        server.kill()
        await worker.logs("not ready: the database does not answer")
        await start(server)
        await goes_on(worker, settings)


async def test_worker_goes_on_when_its_database_stayed_away(
    server: EmbeddedPostgreSQL, settings: dict[str, str]
) -> None:
    await start(server)
    await migrate(settings)
    async with running("worker", settings) as worker:
        await wait_until(lambda: works(settings["TOROKU_DATABASE"]), seconds=SECONDS)
        server.kill()
        # Its queries have waited as long as they may.
        await worker.logs("jobs are not run, because database certificate_registry at ")
        await worker.says(HealthCheckResponse.NOT_SERVING)
        await start(server)
        await goes_on(worker, settings)


async def asked_again(dsn: str) -> bool:
    """Whether the service has a new connection, on which it has checked its readiness."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        found = await connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND query LIKE '%alembic_version%'"
        )
        return await found.fetchone() is not None


async def goes_on(worker: Running, settings: dict[str, str]) -> None:
    """Asserts that the same process runs new jobs."""
    await wait_until(lambda: works(settings["TOROKU_DATABASE"]), seconds=SECONDS)
    assert worker.process.returncode is None, "".join(worker.lines)


async def works(dsn: str) -> bool:
    """Enqueues a job without work, and returns whether it is done soon."""
    defer = (
        "SELECT jobs.procrastinate_defer_jobs_v1(ARRAY[ROW('expiry', 'delete_sessions', 0, NULL, NULL, "
        "'{\"arguments\": {}}'::jsonb, NULL)::jobs.procrastinate_job_to_defer_v1])"
    )
    try:
        async with await psycopg.AsyncConnection.connect(
            dsn, autocommit=True, options="-c search_path=public,jobs"
        ) as connection:
            row = await (await connection.execute(defer)).fetchone()
            assert row is not None
            for _ in range(100):
                found = await connection.execute("SELECT 1 FROM procrastinate_jobs WHERE id = ANY (%s)", [row[0]])
                if await found.fetchone() is None:
                    return True
                await asyncio.sleep(0.05)
    except psycopg.OperationalError:
        pass
    return False


def free_port() -> int:
    with socket.socket() as attempt:
        attempt.bind(("127.0.0.1", 0))
        port: int = attempt.getsockname()[1]
        return port
