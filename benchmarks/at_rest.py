"""The instance at rest: CPU and memory of each process, and what its start costs beside Python's imports."""

import asyncio
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.process_costs import DATABASE_SERVER, list_processes, read_cpu, read_memory
from benchmarks.results import Measured, write_aim
from operator_command.launcher.instance import Instance, running_instance
from operator_command.launcher.processes import build_environment
from operator_command.topology import SERVICES

ROOT = Path(__file__).parents[1]
# Seconds until what follows a start is over, and for which the instance is watched then.
SETTLED, WATCHED = 10.0, 20.0
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
    await asyncio.sleep(SETTLED)
    before = {name: read_cpu(pid) for name, pid in processes.items()}
    await asyncio.sleep(WATCHED)
    idle = {name: (read_cpu(pid) - before[name]) / WATCHED * 100 for name, pid in processes.items()}
    print(f"{'':<30} idle CPU    RSS MB   PSS MB   start CPU s, of which imports")
    for name, pid in processes.items():
        memory = read_memory(pid)
        print(
            f"{name:<30} {idle[name]:6.2f} % {memory.resident:9.1f} {memory.proportional:8.1f}"
            f" {started[name]:9.2f}" + (f" {imports[name]:9.2f}" if name in imports else "")
        )
        figures |= {
            f"{name}: idle % of a core": idle[name],
            f"{name}: RSS MB": memory.resident,
            f"{name}: PSS MB": memory.proportional,
            f"{name}: start CPU s": started[name],
        }
    figures["idle % of a core"] = sum(idle.values())
    ours = [name for name in processes if name != DATABASE_SERVER]
    print(write_aim("idle CPU of the busiest process", max(idle[name] for name in ours), MOST_IDLE, unit=" %"))
    print(write_aim("front-door", figures["front-door: RSS MB"], MOST_FRONT_DOOR, unit=" MB"))
    largest = max(figures[f"{name}: RSS MB"] for name in ours if name != "front-door")
    print(write_aim("the largest service", largest, MOST_MEMORY, unit=" MB"))
    return figures


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
