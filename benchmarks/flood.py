"""ResolveUser while strangers flood the front door, side by side with ResolveUser on the quiet instance.

The flood begins registrations with valid certificates of a trusted CA and no card, as many as are answered. Two cores
are enough, because what is compared has a core that the flood's work and the load generator never use:

- LOOKUP_CORE: user-lookup, and all of PostgreSQL, so that what the flood costs the database counts against lookups;
- FLOOD_CORE: front-door, certificate-registry and the flood's generators with a lower priority, and the generator of
  lookups with the usual one. It stands for other machines, so the flood must not slow it down.

So the flood gets what the generator of lookups leaves of one core; how much that was is printed.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from benchmarks import h2load
from benchmarks.process_costs import DATABASE_SERVER, read_cpu
from benchmarks.resolve_user import METHOD as RESOLVE
from benchmarks.resolve_user import ROUNDS, fill, read_counts, resolve
from benchmarks.results import Measured, write_aim
from operator_command.launcher.instance import Instance, running_instance
from simulators.certificate_authorities import CertificateAuthority
from simulators.crl_server import crl_server
from simulators.instance_overlay import card_authority, write_overlay
from toroku.frontdoor.v1.registration_pb2 import BeginRegistrationRequest
from toroku.frontdoor.v1.registration_pb2_grpc import RegistrationStub

ROOT = Path(__file__).parents[1]
BEGIN = "/toroku.frontdoor.v1.Registration/BeginRegistration"
LOOKUP_CORE, FLOOD_CORE = 0, 1
# A third of the usual weight (sched(7)): the generator of lookups is served first, and the flood is not starved.
FLOOD_NICENESS = 5
# Answers lookups, and has LOOKUP_CORE.
LOOKUP = "user-lookup"
# One process of the flood for each certificate: in all 500 calls at a time.
CERTIFICATES, CLIENTS, STREAMS = 4, 5, 25
CALLS = 10_000
# What lookups keep of their quiet calls/s, and the longest p99, of the quiet one.
LEAST_RATE, MOST_P99 = 0.7, 2.0
# Seconds until the worker has fetched the CA's list, and until the flood has filled all queues.
PATIENCE, BEFORE = 60.0, 2.0


@dataclass(frozen=True, slots=True)
class Run:
    """A measurement: the load, its seconds, and the CPU seconds of each process meanwhile."""

    load: h2load.Load
    seconds: float
    cpu: Mapping[str, float]


async def measure() -> Measured:
    """Prints calls per second and p99, quiet and flooded, their ratios, CPU of each process, and the flood's rates."""
    print("durable database (fsync on)")
    cores = os.sched_getaffinity(0)
    if not {LOOKUP_CORE, FLOOD_CORE} <= cores:
        raise RuntimeError(f"this benchmark needs the cores {LOOKUP_CORE} and {FLOOD_CORE}")
    # Also of every process that it starts.
    os.sched_setaffinity(0, {FLOOD_CORE})
    try:
        with tempfile.TemporaryDirectory(prefix="toroku-bench-") as folder:
            Path(folder).chmod(0o711)
            return await _measure(Path(folder))
    finally:
        os.sched_setaffinity(0, cores)


async def _measure(folder: Path) -> Measured:
    ca = CertificateAuthority.create()
    quiet: list[Run] = []
    flooded: list[Run] = []
    flood_seconds = 0.0
    with crl_server(ca.crl) as url:
        overlay = write_overlay(folder / "overlay.yaml", [card_authority(ca, (url,))])
        profile = ROOT / "profiles" / "saitama.yaml"
        async with running_instance(
            profile,
            folder / "state",
            overlay=overlay,
            durable=True,
            # Log-ins by certificate are not counted here: a stranger with many certificates is not stopped by that.
            further_settings={"TOROKU_CERTIFICATE_BURST": "1000000"},
            postgresql_settings={"shared_buffers": "1GB"},
        ) as instance:
            await asyncio.to_thread(fill, instance)
            agency = instance.profile.agencies[0]
            begin = [
                BeginRegistrationRequest(agency=agency.code, category="works", certificate=ca.issue().der)
                for _ in range(CERTIFICATES)
            ]
            begun = await _wait_until_begun(instance, begin[0])
            _place(instance)
            for round_number in range(ROUNDS + 1):
                # The order alternates, so that neither is always first; the first round only warms up.
                for runs in (quiet, flooded) if round_number % 2 else (flooded, quiet):
                    began = time.monotonic()
                    async with _flood(instance, begin if runs is flooded else []):
                        run = await _run(instance)
                    if runs is flooded:
                        flood_seconds += time.monotonic() - began
                    if round_number:
                        runs.append(run)
            logs = {name: instance.services[name].server.log for name in (LOOKUP, "front-door")}
    figures = _print(quiet, flooded)
    answered = read_counts(logs["front-door"], BEGIN)
    answered["OK"] = answered.get("OK", 0) - begun
    rates = ", ".join(f"{outcome} {count / flood_seconds:.0f}/s" for outcome, count in sorted(answered.items()))
    print(f"the flood over {flood_seconds:.0f} s: {rates}")
    print(f"  {CERTIFICATES * CLIENTS * STREAMS} calls at a time; CANCELLED are those that the end of a run cut off")
    looked_up = read_counts(logs[LOOKUP], RESOLVE)
    if looked_up != {"OK": CALLS * 2 * (ROUNDS + 1)}:
        raise RuntimeError(f"not every lookup was answered: {looked_up}")
    return Measured(figures)


async def _wait_until_begun(instance: Instance, request: BeginRegistrationRequest) -> int:
    """Waits until a registration can be begun, so until the CA's list is there; returns how many were."""
    trusted = grpc.ssl_channel_credentials(instance.certificates.public.authority.read_bytes())
    async with asyncio.timeout(PATIENCE), grpc.aio.secure_channel(instance.front_door, trusted) as channel:
        while True:
            try:
                await RegistrationStub(channel).BeginRegistration(request)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.2)
            else:
                return 1


def _place(instance: Instance) -> None:
    for name, running in instance.services.items():
        for process in running.processes:
            is_lookup = process is running.server and name == LOOKUP
            _pin(process.pid, LOOKUP_CORE if is_lookup else FLOOD_CORE, 0 if is_lookup else FLOOD_NICENESS)
    for pid in (instance.postgresql.pid, *_list_children(instance.postgresql.pid)):
        _pin(pid, LOOKUP_CORE, 0)


def _pin(pid: int, core: int, niceness: int) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})
        os.setpriority(os.PRIO_PROCESS, int(task.name), niceness)
    # Where the kernel groups processes by session (sched(7)), niceness counts within the group only.
    autogroup = Path(f"/proc/{pid}/autogroup")
    if autogroup.exists():
        autogroup.write_text(str(niceness))


@asynccontextmanager
async def _flood(instance: Instance, requests: Sequence[BeginRegistrationRequest]) -> AsyncIterator[None]:
    async with h2load.flood(
        instance.front_door, BEGIN, requests, clients=CLIENTS, streams=STREAMS, niceness=FLOOD_NICENESS
    ):
        if requests:
            await asyncio.sleep(BEFORE)
        yield


async def _run(instance: Instance) -> Run:
    before, began = _read_all_cpu(instance), time.monotonic()
    load = await resolve(instance, instance.addresses.of(LOOKUP, "agency"), clients=8, streams=8, calls=CALLS)
    seconds, after = time.monotonic() - began, _read_all_cpu(instance)
    return Run(load, seconds, {name: after[name] - before[name] for name in after})


def _read_all_cpu(instance: Instance) -> dict[str, float]:
    """Returns the CPU seconds so far of each server and of PostgreSQL, each with all its processes."""
    servers = {name: running.server.pid for name, running in instance.services.items()}
    return {name: read_cpu(pid) for name, pid in (servers | {DATABASE_SERVER: instance.postgresql.pid}).items()}


def _list_children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in children.split()]


def _print(quiet: Sequence[Run], flooded: Sequence[Run]) -> Mapping[str, float]:
    figures: dict[str, float] = {}
    print(f"core {LOOKUP_CORE}: {LOOKUP}, PostgreSQL; core {FLOOD_CORE}: h2load, and all else at nice {FLOOD_NICENESS}")
    for name, runs in (("quiet", quiet), ("flooded", flooded)):
        rates, p50, p99 = zip(*((run.load.calls_per_second, run.load.p50, run.load.p99) for run in runs), strict=True)
        print(
            f"  {name:<8}{statistics.median(rates):7.0f} calls/s ({min(rates):.0f} to {max(rates):.0f})"
            f"  p50 {statistics.median(p50):6.2f} ms  p99 {statistics.median(p99):6.2f} ms"
            f" ({min(p99):.2f} to {max(p99):.2f})"
        )
        per_call = {
            who: statistics.median(run.cpu[who] / run.load.calls for run in runs) for who in (LOOKUP, DATABASE_SERVER)
        }
        figures[f"{name}: calls/s"], figures[f"{name}: p99 ms"] = statistics.median(rates), statistics.median(p99)
        shares = {who: statistics.median(run.cpu[who] / run.seconds for run in runs) for who in runs[0].cpu}
        print("    CPU per lookup: " + ", ".join(f"{who} {cpu * 1e6:.0f} µs" for who, cpu in per_call.items()))
        print("    CPU in cores: " + ", ".join(f"{who} {share:.2f}" for who, share in shares.items()))
    kept = [one.load.calls_per_second / other.load.calls_per_second for one, other in zip(flooded, quiet, strict=True)]
    later = [one.load.p99 / other.load.p99 for one, other in zip(flooded, quiet, strict=True)]
    for what, ratios, aim, most in (("calls/s", kept, LEAST_RATE, False), ("p99", later, MOST_P99, True)):
        figures[f"ratio of {what}"] = ratio = statistics.median(ratios)
        print(write_aim(f"ratio of {what} ({min(ratios):.2f} to {max(ratios):.2f})", ratio, aim, most=most))
    return figures
