"""Runs the floor for real, in the same server as the registrations it is compared with: statements, work, calls."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks import bare_calls
from benchmarks.floor_statements import run_statements, write_script
from benchmarks.process_costs import read_cpu
from benchmarks.registration_floor import STEPS
from benchmarks.registration_floor.cost import Cost
from benchmarks.registration_floor.entries import DATABASES
from benchmarks.results import ROOT
from operator_command.launcher.instance import Instance
from operator_command.topology import HOST

_BARE = f"{HOST}:19444"
# The first user id of a made-up roster.
_FIRST_BIDDER = 1_000_000_001


async def run_floor(
    instance: Instance, folder: Path, *, agencies: int, bidders: int, concurrency: int, registrations: int
) -> Mapping[str, Cost]:
    """Returns the cost of each part of one registration's floor, where `concurrency` are made at a time.

    The services of the instance must have ended, so that the server is quiet.
    """
    databases = {running.service.identifier: running.database or "" for running in instance.services.values()}
    parts: dict[str, Cost] = {}
    for database in DATABASES:
        script = folder / f"{database}.pgbench"
        steps = [step for step in STEPS if step.database == database]
        script.write_text(write_script(steps, first_bidder=_FIRST_BIDDER, bidders=bidders), "utf-8")
        parts[f"statements of {database.replace('_', '-')}"] = await run_statements(
            instance.postgresql,
            databases[database],
            script,
            agencies=agencies,
            clients=concurrency,
            registrations=registrations,
        )
    parts["argon2, validation, signatures"] = await _work(registrations, min(concurrency, len(os.sched_getaffinity(0))))
    parts["bare calls"] = await _call(instance, registrations, concurrency)
    return parts


async def _work(registrations: int, processes: int) -> Cost:
    each = registrations // processes
    outputs = await asyncio.gather(*(_run("floor_work", str(each)) for _ in range(processes)))
    seconds, cpu = (list(numbers) for numbers in zip(*outputs, strict=True))
    return Cost(max(seconds) / (each * processes), sum(cpu) / (each * processes))


async def _call(instance: Instance, registrations: int, concurrency: int) -> Cost:
    certificates = instance.certificates.services
    server, client = (
        (str(identity.certificate), str(identity.private_key), str(identity.authority))
        for identity in (certificates[bare_calls.SERVER], certificates["front-door"])
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.bare_calls", "serve", _BARE, *server),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError("the server of the bare calls did not start")
        before = read_cpu(process.pid)
        seconds, cpu = await _run("bare_calls", "call", _BARE, *client, str(registrations), str(concurrency))
        return Cost(seconds / registrations, (cpu + read_cpu(process.pid) - before) / registrations)
    finally:
        process.terminate()
        await process.wait()


async def _run(module: str, *arguments: str) -> tuple[float, float]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"benchmarks.{module}", *arguments), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    written, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"benchmarks.{module} failed")
    seconds, cpu = map(float, written.split())
    return seconds, cpu
