"""A whole instance on one machine: PostgreSQL, certificates, mail inbox, and each service as processes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from instance_profile import Profile, load_profile
from instance_profile.base import OPERATOR
from operator_command.instance_certificates import (
    OFFICER,
    InstanceCertificates,
    issue_instance_certificates,
    list_default_officers,
)
from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from operator_command.launcher.processes import (
    Process,
    build_python_command,
    make_health_check,
    make_port_check,
    run_to_end,
)
from operator_command.launcher.unprivileged_user import require_own_folder
from operator_command.officer.preparation import REGISTRY, prepare_officer
from operator_command.topology import (
    SERVICES,
    Addresses,
    Service,
    build_settings,
    build_worker_settings,
    choose_addresses,
    find_service,
    write_profile_files,
)


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service's processes, database and settings. Without a database of its own it has no worker (None).

    `database` is the address with which the service reads or writes; None if it does neither.
    """

    service: Service
    server: Process
    worker: Process | None
    database: str | None
    settings: Mapping[str, str]

    @property
    def processes(self) -> tuple[Process, ...]:
        """The service's processes, the server first."""
        return (self.server, self.worker) if self.worker is not None else (self.server,)


@dataclass(frozen=True, slots=True)
class Instance:
    """A running instance. Every path is absolute; every endpoint is `host:port`."""

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
    # Seconds from the start to the end of each step, in order.
    timings: Mapping[str, float]

    @property
    def front_door(self) -> str:
        """The endpoint of contractors' card agents: TLS with a certificate of the instance's public CA."""
        return self.addresses.of("front-door", "public")

    @property
    def processes(self) -> tuple[Process, ...]:
        """All processes that have to keep running."""
        return (*(process for running in self.services.values() for process in running.processes), self.inbox_process)


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
    migrating: str = "servicekit.migrate_together",
    prepares_officers: bool = True,
) -> AsyncIterator[Instance]:
    """Starts an instance in the folder `state`, yields it when all services serve, and stops it at the end.

    `durable=False` is for tests: a crash of the machine may lose the databases. `services` that read the database of
    another one need that one among them. `further_settings` are environment variables for every service; `migrating` is
    the module that migrates their databases. Unless `prepares_officers` is false, the officer of the first agency and
    the operator's are officers then.

    Raises
    ------
    Refusal (STATE_IN_USE, POSTGRESQL_NOT_STARTED, SERVICE_NOT_STARTED, DATABASE_USER_CANNOT_REACH,
    STATE_OF_ANOTHER_USER) and ProfileError.
    """
    start = time.monotonic()
    timings: dict[str, float] = {}
    profile, state = profile.absolute(), state.absolute()
    overlay = overlay.absolute() if overlay is not None else None
    instance_profile = load_profile(profile, overlay)
    agencies = tuple(agency.code for agency in instance_profile.agencies)
    # Other users may traverse the folder, because PostgreSQL's has to; the folders inside are closed.
    state.mkdir(mode=0o711, parents=True, exist_ok=True)
    require_own_folder(state)
    inbox, logs = state / "inbox", state / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    postgresql = EmbeddedPostgreSQL(state / "postgresql", durable=durable, settings=postgresql_settings)
    # This also takes the lock on the state folder: only one launcher gets past this line.
    postgresql.start()
    processes: list[Process] = []
    try:
        certificates = issue_instance_certificates(
            state / "certificates",
            instance=instance_profile.id,
            services=[service.name for service in services],
            agencies=agencies,
            officers=list_default_officers(agencies),
            now=datetime.now(UTC),
        )
        addresses = choose_addresses(state)
        write_profile_files(state, profile, overlay)
        inbox_process = _make_inbox_process(inbox, addresses, logs)
        inbox_process.start()
        processes.append(inbox_process)
        timings["certificates"] = time.monotonic() - start
        await asyncio.to_thread(postgresql.wait_until_ready)
        timings["PostgreSQL"] = time.monotonic() - start

        databases = await asyncio.to_thread(_provide_databases, postgresql, services)
        migrated = asyncio.Event()

        async def migrate() -> None:
            await _migrate(migrating, services, databases, further_settings or {}, logs)
            migrated.set()
            timings["migrations"] = time.monotonic() - start

        async def launch(service: Service) -> RunningService:
            database = databases[service.name]
            settings = build_settings(
                service,
                profile=profile,
                overlay=overlay,
                addresses=addresses,
                certificates=certificates,
                database=database,
                further=further_settings or {},
            )
            running = _make_running_service(service, settings, database, addresses, certificates, logs)
            if database is not None:
                await migrated.wait()
            for process in running.processes:
                process.start()
                processes.append(process)
            for process in running.processes:
                await process.wait_until_ready()
            timings[service.name] = time.monotonic() - start
            return running

        running_services = await _run_all(migrate(), (launch(service) for service in services))
        await inbox_process.wait_until_ready()
        if prepares_officers:
            await _prepare_officers(state, agencies[0], [service.name for service in services])
        timings["officers"] = time.monotonic() - start
        instance = Instance(
            profile=instance_profile,
            profile_file=profile,
            overlay=overlay,
            state=state,
            addresses=addresses,
            certificates=certificates,
            postgresql=postgresql,
            services={running.service.name: running for running in running_services},
            inbox=inbox,
            inbox_process=inbox_process,
            timings=timings,
        )
        yield instance
    finally:
        await asyncio.gather(*(process.stop() for process in processes))
        postgresql.stop()


async def _prepare_officers(state: Path, agency: str, services: Sequence[str]) -> None:
    """Makes the officer of an agency, and the operator's, what they are in a trial."""
    if REGISTRY not in services:
        return
    officers = (f"{agency}/{OFFICER}", f"{OPERATOR}/{OFFICER}")
    await asyncio.gather(
        *(asyncio.to_thread(prepare_officer, state, officer, services=services) for officer in officers)
    )


async def _run_all(
    migration: Coroutine[None, None, None], launches: Iterable[Coroutine[None, None, RunningService]]
) -> list[RunningService]:
    """Runs all concurrently; if one fails, the others are cancelled and its exception is raised without a group."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(migration)
            tasks = [group.create_task(launch) for launch in launches]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def _provide_databases(postgresql: EmbeddedPostgreSQL, services: Sequence[Service]) -> dict[str, str | None]:
    """Returns the address of each service's database by the service's name; None for one without."""
    databases: dict[str, str | None] = dict.fromkeys((service.name for service in services), None)
    for service in services:
        if service.keeps_database:
            postgresql.provide_role(service.identifier)
            databases[service.name] = postgresql.provide_database(service.identifier, service.identifier)
    for service in services:
        if service.reads_database_of:
            postgresql.provide_role(service.identifier)
            read = find_service(service.reads_database_of).identifier
            databases[service.name] = postgresql.allow_reading(read, service.identifier)
    return databases


async def _migrate(
    module: str,
    services: Sequence[Service],
    databases: Mapping[str, str | None],
    further: Mapping[str, str],
    logs: Path,
) -> None:
    """Migrates all databases in one process: to import what it needs takes longer than its work."""
    addresses = {service.package: databases[service.name] for service in services if service.keeps_database}
    if addresses:
        command = build_python_command(module, "migrate")
        settings = {**further, "TOROKU_DATABASES": json.dumps(addresses)}
        await run_to_end("migrations", command, settings=settings, log=logs / "migrations.log")


def _make_inbox_process(folder: Path, addresses: Addresses, logs: Path) -> Process:
    host, port = addresses.inbox
    return Process(
        "inbox",
        build_python_command("operator_command.launcher.inbox", str(folder), f"{host}:{port}", addresses.inbox_page),
        environment={},
        log=logs / "inbox.log",
        ready=make_port_check(addresses.inbox_page),
    )


def _make_running_service(
    service: Service,
    settings: Mapping[str, str],
    database: str | None,
    addresses: Addresses,
    certificates: InstanceCertificates,
    logs: Path,
) -> RunningService:
    server = Process(
        service.name,
        build_python_command(service.package, service.command),
        environment=settings,
        log=logs / f"{service.name}.log",
        ready=make_health_check(addresses.of(service.name, "health")),
    )
    worker = None
    if service.keeps_database:
        worker = Process(
            f"{service.name} worker",
            build_python_command(service.package, "worker"),
            environment=build_worker_settings(service, settings, addresses, certificates),
            log=logs / f"{service.name}-worker.log",
            ready=make_health_check(addresses.of(service.name, "worker")),
        )
    return RunningService(service, server, worker, database, settings)
