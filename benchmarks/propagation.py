"""Propagation in certificate-registry, and the messages that it causes: one batch, a night of one agency, and a night.

The night is all cards at all agencies, batch by batch, against a bare `INSERT … SELECT` of the same rows into a table
of the same shape.
"""

import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.resolve_user import FILL
from benchmarks.results import Measured, write_aim
from certificate_registry.convert import registry as convert
from certificate_registry.domain.card_state import MOST_STATES, CardKey
from certificate_registry.operations.propagation import RegistrationPropagation
from certificate_registry.settings import SERVICE
from certificate_registry.store import card_states
from history.entries import Chain
from operator_command.launcher.postgresql import running_postgresql
from operator_command.launcher.processes import build_python_command, run_to_end
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.identity import Caller, Kind

CARDS, AGENCIES = 30_000, 60
# A batch of agency-sync.
BATCH = 500
# Of the bare statement's rate.
LEAST_RATE = 0.3
BARE = "INSERT INTO bare SELECT * FROM registration WHERE origin = 'propagation'"


async def measure() -> Measured:
    """Prints wall time and this process's CPU of each propagation, and of what the worker sends of it."""
    print("durable database (fsync on)")
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        with running_postgresql(Path(folder) / "postgresql", durable=True) as server:
            server.provide_role("bench")
            dsn = server.provide_database("bench", "bench")
            await run_to_end(
                "migrate",
                build_python_command("certificate_registry", "migrate"),
                settings={"TOROKU_DATABASE": dsn},
                log=Path(folder) / "migrate.log",
            )
            sources = _fill(dsn)
            async with Database.open(dsn, pool=2) as database:
                operation = RegistrationPropagation(database=database, chain=Chain("bench", SERVICE), clock=read_time)
                figures |= await _run(operation, sources[:BATCH], AGENCIES)
                figures |= await _run(operation, sources, 1)
                figures |= await _run_night(operation, sources, dsn)
    return Measured(figures)


def _fill(dsn: str) -> Sequence[str]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement, {"cards": CARDS, "agencies": 1, "agency": "first"})
        connection.execute("VACUUM ANALYZE")
        return [str(row[0]) for row in connection.execute("SELECT registration_id FROM request_outcome ORDER BY 1")]


async def _run(operation: RegistrationPropagation, sources: Sequence[str], agencies: int) -> Mapping[str, float]:
    name = f"{len(sources):,} cards × {agencies} agencies"
    began, cpu = time.perf_counter(), time.process_time()
    registrations = await _propagate(operation, sources, [f"{name} {number}" for number in range(agencies)])
    figures = _print(name, f"{registrations:,} registrations", began, cpu)
    async with operation.database.read() as connection:
        rows = await connection.execute(
            "SELECT certificate_sha256, category FROM request_outcome ORDER BY registration_id LIMIT %s",
            [min(len(sources), MOST_STATES)],
        )
        keys = [CardKey(*row) for row in await rows.fetchall()]
    began, cpu = time.perf_counter(), time.process_time()
    async with operation.database.read() as connection:
        states = await card_states.read_states(connection, keys)
    size = sum(convert.write_card_state(state).ByteSize() for state in states)
    return figures | _print(f"{name}, one message", f"{len(states)} states, {size / 1e6:.1f} MB", began, cpu)


async def _run_night(operation: RegistrationPropagation, sources: Sequence[str], dsn: str) -> Mapping[str, float]:
    agencies = [f"night-{number}" for number in range(AGENCIES)]
    began, cpu, made, longest = time.perf_counter(), time.process_time(), 0, 0.0
    for start in range(0, len(sources), BATCH):
        batch_began = time.perf_counter()
        made += await _propagate(operation, sources[start : start + BATCH], agencies)
        longest = max(longest, time.perf_counter() - batch_began)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = _print("night", f"{made:,} registrations in batches of {BATCH} cards", began, cpu)
    print(
        f"longest batch, for which a stop of one of its cards waits: {longest:.2f} s; peak memory here: {peak:.0f} MB"
    )
    with psycopg.connect(dsn, autocommit=True) as connection:
        ratio = made / seconds / measure_bare(connection)
    print(write_aim("rows/s of a night, of bare", ratio, LEAST_RATE, most=False))
    return {**figures, "night: ratio": ratio, "night: longest batch s": longest, "night: peak MB": peak}


def measure_bare(connection: psycopg.Connection[Any]) -> float:
    """Prints and returns the rows a second of a bare statement that copies what propagation made."""
    connection.execute("CREATE TABLE bare (LIKE registration INCLUDING ALL)")
    began = time.perf_counter()
    rows = connection.execute(BARE).rowcount
    seconds = time.perf_counter() - began
    print(f"bare INSERT … SELECT of the same rows: {rows:,} rows, {seconds:.2f} s")
    return rows / seconds


async def _propagate(operation: RegistrationPropagation, sources: Sequence[str], agencies: Sequence[str]) -> int:
    """Returns how many registrations were made."""
    requested = dict.fromkeys(sources, agencies)
    results = await operation.propagate(requested, caller=Caller(Kind.SERVICE, "agency-sync"))
    return len(results)


def _print(name: str, what: str, began: float, cpu: float) -> dict[str, float]:
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    print(f"{name}: {what}, {seconds:.2f} s, {used:.2f} s of CPU here")
    return {f"{name}: s": seconds, f"{name}: CPU s": used}
