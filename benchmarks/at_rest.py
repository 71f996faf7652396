"""The instance at rest: CPU and memory of each process, and what its start costs beside Python's imports.

Nobody probes the processes or reads their metrics: what that costs depends on who does. A gRPC server that does nothing
is watched beside them, because a processor that has just slept works slower, and how much depends on the machine.
"""

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from psycopg import sql

from benchmarks.process_costs import DATABASE_SERVER, Activity, list_processes, read_activities, read_cpu, read_memory
from benchmarks.results import Measured, write_aim
from benchmarks.statement_log import LOG_SETTINGS, StatementCounts, count_statements
from operator_command.launcher.instance import Instance, running_instance
from operator_command.launcher.processes import build_environment
from operator_command.topology import SERVICES

ROOT = Path(__file__).parents[1]
# Seconds until what follows a start is over, and for which the instance is watched then: the longest clock of a process
# at rest is a minute's.
SETTLED, WATCHED = 15.0, 60.0
BARE_SERVER = "a gRPC server without a service"
# The library's own threads, by the beginning of their names.
_OF_GRPC = ("event_engine", "lifeguard", "grpc_")
# Per cent of a core; megabytes resident; seconds of CPU beside the imports, migrations among them, for each process.
MOST_IDLE, MOST_FRONT_DOOR, MOST_MEMORY, MOST_START = 0.3, 75.0, 105.0, 0.5


async def measure() -> Measured:
    """Starts the instance twice, the second time with existing databases; prints time, CPU and memory."""
    figures: dict[str, float] = {}
    imports = _measure_imports()
    with tempfile.TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        for which in ("first start", "second start"):
            migrations = _read_ended_children()
            async with running_instance(ROOT / "profiles" / "saitama.yaml", Path(folder) / "state") as instance:
                started = {name: read_cpu(pid) for name, pid in list_processes(instance).items()}
                migrations = _read_ended_children() - migrations
                seconds = ", ".join(f"{step} {took:.1f}" for step, took in instance.timings.items())
                total = sum(started.values()) + migrations
                print(f"{which}: {max(instance.timings.values()):.1f} s ({seconds})")
                beside = total - sum(imports.values())
                print(
                    f"  CPU {total:.1f} s, of which migrations {migrations:.1f} s; "
                    f"{beside:.1f} s beside the imports of {len(imports)} processes"
                )
                print(write_aim("beside the imports, a process", beside / len(imports), MOST_START, unit=" s of CPU"))
                figures |= {
                    f"{which}: s": max(instance.timings.values()),
                    f"{which}: CPU s": total,
                    f"{which}: CPU s beside imports": beside,
                }
                if which == "second start":
                    figures |= await _watch(instance, started, imports)
    return Measured(figures)


async def _watch(instance: Instance, started: Mapping[str, float], imports: Mapping[str, float]) -> Mapping[str, float]:
    figures: dict[str, float] = {}
    processes = list_processes(instance)
    async with _running_bare_server() as bare:
        done = await _look_twice({**processes, BARE_SERVER: bare})
    idle = {name: sum(each.nanoseconds for each in parts.values()) / WATCHED / 1e7 for name, parts in done.items()}
    print(f"{'':<32} idle CPU   RSS MB   PSS MB   start CPU s, of which imports")
    for name, pid in processes.items():
        memory = read_memory(pid)
        print(
            f"{name:<32} {idle[name]:6.2f} % {memory.resident:8.1f} {memory.proportional:8.1f}"
            f" {started[name]:9.2f}" + (f" {imports[name]:9.2f}" if name in imports else "")
        )
        figures |= {
            f"{name}: idle % of a core": idle[name],
            f"{name}: RSS MB": memory.resident,
            f"{name}: PSS MB": memory.proportional,
            f"{name}: start CPU s": started[name],
        }
    print(f"{BARE_SERVER:<32} {idle[BARE_SERVER]:6.2f} %")
    figures["idle % of a core"] = sum(idle[name] for name in processes)
    for line in _describe(done):
        print(line)
    print(write_aim("idle CPU of the busiest process", max(idle[name] for name in processes), MOST_IDLE, unit=" %"))
    print(write_aim("front-door", figures["front-door: RSS MB"], MOST_FRONT_DOOR, unit=" MB"))
    ours = [name for name in processes if name not in (DATABASE_SERVER, "front-door")]
    print(write_aim("the largest service", max(figures[f"{name}: RSS MB"] for name in ours), MOST_MEMORY, unit=" MB"))
    statements = await _count_statements(instance)
    print(f"statements a second: {statements.total():.2f}; those of a minute by database:")
    for executed, count in sorted(statements.counts.items(), key=lambda each: (each[0].database, -each[1])):
        print(f"  {executed.database:<24} {count * 60:4.0f}  {executed.text[:90] or executed.kind}")
    return figures | {"statements a second": statements.total()}


@asynccontextmanager
async def _running_bare_server() -> AsyncIterator[int]:
    command = (sys.executable, "-m", "benchmarks.bare_server")
    server = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        await server.stdout.readline()
        yield server.pid
    finally:
        server.terminate()
        await server.wait()


async def _look_twice(processes: Mapping[str, int]) -> Mapping[str, Mapping[str, Activity]]:
    """Returns what each process does while it is watched, by what does it."""
    await asyncio.sleep(SETTLED)
    before = {name: read_activities(pid) for name, pid in processes.items()}
    await asyncio.sleep(WATCHED)
    done: dict[str, dict[str, Activity]] = {}
    for name, pid in processes.items():
        parts = done[name] = {}
        for thread, activity in read_activities(pid).items():
            part = "gRPC's threads" if thread.startswith(_OF_GRPC) else thread
            parts[part] = parts.get(part, Activity()) + activity - before[name].get(thread, Activity())
    return done


def _describe(done: Mapping[str, Mapping[str, Activity]]) -> Iterator[str]:
    yield "times a second on a processor, and per cent of a core:"
    for name, parts in done.items():
        busiest = sorted(parts.items(), key=lambda part: -part[1].nanoseconds)[:6]
        written = (
            f"{part.removeprefix('postgres: ')} {each.runs / WATCHED:.1f} ({each.nanoseconds / WATCHED / 1e7:.2f} %)"
            for part, each in busiest
            if each.runs
        )
        yield f"  {name:<32} {', '.join(written)}"


async def _count_statements(instance: Instance) -> StatementCounts:
    """Has PostgreSQL log all statements, which is not watched because it costs CPU; returns those of one second."""
    with instance.postgresql.connect() as connection:
        for name, value in LOG_SETTINGS.items():
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        connection.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(1)
    with instance.postgresql.log.open("rb") as log:
        log.seek(0, os.SEEK_END)
        await asyncio.sleep(WATCHED)
        return count_statements(log.read().decode(errors="replace")).per_second(WATCHED)


def _measure_imports() -> Mapping[str, float]:
    """Returns the CPU seconds of each process that ends at once, because its settings are missing."""
    imports: dict[str, float] = {}
    for service in SERVICES:
        commands = {service.name: service.command} | (
            {f"{service.name} worker": "worker"} if service.keeps_database else {}
        )
        for name, command in commands.items():
            before = _read_ended_children()
            ended = subprocess.run(
                [sys.executable, "-m", service.package, command], env=build_environment({}), capture_output=True
            )
            if ended.returncode != 1 or b"a setting is wrong" not in ended.stderr:
                raise RuntimeError(f"{name} did not end at its settings: {ended.stderr[-500:]!r}")
            imports[name] = _read_ended_children() - before
    return imports


def _read_ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
