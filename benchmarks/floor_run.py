"""Runs a floor for real, in the same server as the operations it is compared with: statements, work, calls."""

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks import bare_calls
from benchmarks.floor.cost import Cost
from benchmarks.floor.entries import Floor
from benchmarks.floor_statements import run_statements, write_script
from benchmarks.floors import FLOORS
from benchmarks.process_costs import read_cpu
from benchmarks.results import ROOT
from operator_command.launcher.instance import Instance
from operator_command.topology import HOST

_BARE = f"{HOST}:19444"
# The first user id of a made-up roster.
_FIRST_BIDDER = 1_000_000_001


async def run_floor(
    instance: Instance, folder: Path, name: str, *, agencies: int, bidders: int, concurrency: int, operations: int
) -> Mapping[str, Cost]:
    """Returns the cost of each part of the floor of an operation, where `concurrency` are made at a time.

    The services of the instance must have ended, so that the server is quiet.
    """
    databases = {running.service.identifier: running.database or "" for running in instance.services.values()}
    floor = FLOORS[name]
    # As different from those of any other run as instants are.
    first = time.time_ns()
    parts: dict[str, Cost] = {}

    async def run(done: Floor, database: str) -> Cost:
        script = folder / f"{database}.pgbench"
        steps = [step for step in done.steps if step.database == database]
        script.write_text(write_script(steps, first_bidder=_FIRST_BIDDER, bidders=bidders), "utf-8")
        return await run_statements(
            instance.postgresql,
            databases[database],
            script,
            first=first,
            agencies=agencies,
            clients=concurrency,
            operations=operations,
        )

    for database in dict.fromkeys(step.database for step in floor.steps):
        if floor.after is not None:
            await run(floor.after, database)
        parts[f"statements of {database.replace('_', '-')}"] = await run(floor, database)
    processes = min(concurrency, len(os.sched_getaffinity(0)))
    parts["argon2, validation, signatures"] = await _work(name, operations, processes)
    parts["bare calls"] = await _call(instance, name, operations, concurrency)
    return parts


async def _work(name: str, operations: int, processes: int) -> Cost:
    each = operations // processes
    outputs = await asyncio.gather(*(_run("floor_work", name, str(each)) for _ in range(processes)))
    seconds, cpu = (list(numbers) for numbers in zip(*outputs, strict=True))
    return Cost(max(seconds) / (each * processes), sum(cpu) / (each * processes))


async def _call(instance: Instance, name: str, operations: int, concurrency: int) -> Cost:
    certificates = instance.certificates.services
    server, client = (
        (str(identity.certificate), str(identity.private_key), str(identity.authority))
        for identity in (certificates[bare_calls.SERVER], certificates["front-door"])
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.bare_calls", "serve", name, _BARE, *server),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError("the server of the bare calls did not start")
        before = read_cpu(process.pid)
        seconds, cpu = await _run("bare_calls", "call", name, _BARE, *client, str(operations), str(concurrency))
        return Cost(seconds / operations, (cpu + read_cpu(process.pid) - before) / operations)
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
