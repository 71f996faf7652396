"""A whole instance on one machine: PostgreSQL, certificates, inbox, and every service as its own processes."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from instance_profile import Profile, load_profile
from operator_command.instance_certificates import InstanceCertificates, issue_instance_certificates
from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from operator_command.launcher.processes import Process, accepting, python, run_to_end, serving
from operator_command.topology import SERVICES, Addresses, Service, choose_addresses, settings, worker_settings

# What one officer of every agency may do on one machine.
OFFICER = "officer"
OFFICER_ROLES = ("roster", "password", "registration")


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service's processes and where it is reached. `worker` and `database` are None where it keeps no database."""

    service: Service
    server: Process
    worker: Process | None
    database: str | None
    settings: Mapping[str, str]

    @property
    def processes(self) -> tuple[Process, ...]:
        """Its processes, the server first."""
        return (self.server, self.worker) if self.worker is not None else (self.server,)


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance that runs. Every path is absolute; every endpoint is `host:port`."""

    profile: Profile
    profile_file: Path
    overlay: Path | None
    state: Path
    addresses: Addresses
    certificates: InstanceCertificates
    postgresql: EmbeddedPostgreSQL
    services: Mapping[str, RunningService]
    inbox: Path
    inbox_process: Process
    # Seconds from the begin to each step, in the order of the steps.
    timings: Mapping[str, float]

    @property
    def front_door(self) -> str:
        """Where contractors' card agents call: TLS with the certificate of the public CA."""
        return self.addresses.of("front-door", "public")

    @property
    def processes(self) -> tuple[Process, ...]:
        """Everything that has to go on running."""
        return (*(process for found in self.services.values() for process in found.processes), self.inbox_process)


@asynccontextmanager
async def running_instance(
    profile: Path,
    state: Path,
    *,
    overlay: Path | None = None,
    durable: bool = True,
    services: Sequence[Service] = SERVICES,
    further_settings: Mapping[str, str] | None = None,
    postgresql_settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Instance]:
    """Starts everything in `state` (made where it is missing), gives it when all of it serves, and stops it at the end.

    `durable=False` is for tests: a crash of the machine may lose the databases. `further_settings` are environment
    variables for every service. Raises Refusal (STATE_IN_USE, POSTGRESQL_NOT_STARTED, SERVICE_NOT_STARTED,
    DATABASE_USER_CANNOT_REACH) and ProfileError.
    """
    began = time.monotonic()
    timings: dict[str, float] = {}
    profile, state = profile.absolute(), state.absolute()
    overlay = overlay.absolute() if overlay is not None else None
    read = load_profile(profile, overlay)
    agencies = tuple(agency.code for agency in read.agencies)
    # Others may pass through, because PostgreSQL's user has to; what is inside is closed on its own.
    state.mkdir(mode=0o711, parents=True, exist_ok=True)
    inbox, logs = state / "inbox", state / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    postgresql = EmbeddedPostgreSQL(state / "postgresql", durable=durable, settings=postgresql_settings)
    # It holds the lock on the state too: whoever gets past this line is alone here.
    postgresql.start()
    started: list[Process] = []
    try:
        certificates = issue_instance_certificates(
            state / "certificates",
            instance=read.id,
            services=[service.name for service in services],
            agencies=agencies,
            officers={f"{agency}/{OFFICER}": OFFICER_ROLES for agency in agencies},
            now=datetime.now(UTC),
        )
        addresses = choose_addresses(state)
        inbox_process = _inbox(inbox, addresses, logs)
        inbox_process.start()
        started.append(inbox_process)
        timings["certificates"] = time.monotonic() - began
        await asyncio.to_thread(postgresql.wait_until_ready)
        timings["PostgreSQL"] = time.monotonic() - began

        async def launch(service: Service) -> RunningService:
            database = await asyncio.to_thread(_provide_database, postgresql, service)
            own = settings(
                service,
                profile=profile,
                overlay=overlay,
                addresses=addresses,
                certificates=certificates,
                database=database,
                further=further_settings or {},
            )
            found = _running_service(service, own, database, addresses, logs)
            if service.keeps_database:
                migrate = python(service.package, "migrate")
                await run_to_end(f"{service.name} migrate", migrate, settings=own, log=found.server.log)
            for process in found.processes:
                process.start()
                started.append(process)
            for process in found.processes:
                await process.wait_until_ready()
            timings[service.name] = time.monotonic() - began
            return found

        running = await _together(launch(service) for service in services)
        await inbox_process.wait_until_ready()
        instance = Instance(
            profile=read,
            profile_file=profile,
            overlay=overlay,
            state=state,
            addresses=addresses,
            certificates=certificates,
            postgresql=postgresql,
            services={found.service.name: found for found in running},
            inbox=inbox,
            inbox_process=inbox_process,
            timings=timings,
        )
        yield instance
    finally:
        await asyncio.gather(*(process.stop() for process in started))
        postgresql.stop()


async def _together(launches: Iterable[Coroutine[None, None, RunningService]]) -> list[RunningService]:
    """Runs all at once; where one fails the others are ended, and the first failure is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(launch) for launch in launches]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def _provide_database(postgresql: EmbeddedPostgreSQL, service: Service) -> str | None:
    if not service.keeps_database:
        return None
    postgresql.provide_role(service.identifier)
    return postgresql.provide_database(service.identifier, service.identifier)


def _inbox(folder: Path, addresses: Addresses, logs: Path) -> Process:
    host, port = addresses.inbox
    return Process(
        "inbox",
        python("operator_command.launcher.inbox", str(folder), f"{host}:{port}", addresses.inbox_page),
        environment={},
        log=logs / "inbox.log",
        ready=accepting(addresses.inbox_page),
    )


def _running_service(
    service: Service, own: Mapping[str, str], database: str | None, addresses: Addresses, logs: Path
) -> RunningService:
    server = Process(
        service.name,
        python(service.package, "serve"),
        environment=own,
        log=logs / f"{service.name}.log",
        ready=serving(addresses.of(service.name, "health")),
    )
    worker = None
    if service.keeps_database:
        worker = Process(
            f"{service.name} worker",
            python(service.package, "worker"),
            environment=worker_settings(service, own, addresses),
            log=logs / f"{service.name}-worker.log",
            ready=serving(addresses.of(service.name, "worker")),
        )
    return RunningService(service, server, worker, database, own)
