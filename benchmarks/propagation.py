"""Propagation in certificate-registry, and the messages that it causes: a night's cards at many agencies, or at one."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import psycopg

from benchmarks.resolve_user import FILL
from benchmarks.results import Measured
from certificate_registry.convert import registry as convert
from certificate_registry.domain.card_state import MOST_STATES, CardKey
from certificate_registry.domain.propagation import AgencyPropagation
from certificate_registry.operations.propagation import RegistrationPropagation
from certificate_registry.settings import SERVICE
from certificate_registry.store import card_states
from history.entries import Chain
from operator_command.launcher.postgresql import running_postgresql
from operator_command.launcher.processes import build_python_command, run_to_end
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.identity import Caller, Kind

CARDS = 30_000
# Cards and agencies of each run: a batch of agency-sync, and a night of one agency in one call.
RUNS = ((500, 60), (CARDS, 1))


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
                for cards, agencies in RUNS:
                    figures |= await _run(database, sources[:cards], agencies)
    return Measured(figures)


def _fill(dsn: str) -> Sequence[UUID]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement, {"cards": CARDS, "agencies": 1, "agency": "first"})
        connection.execute("VACUUM ANALYZE")
        return [row[0] for row in connection.execute("SELECT registration_id FROM request_outcome ORDER BY 1")]


async def _run(database: Database, sources: Sequence[UUID], agencies: int) -> dict[str, float]:
    operation = RegistrationPropagation(database=database, chain=Chain("bench", SERVICE), clock=read_time)
    requests = [AgencyPropagation(f"{len(sources)} cards, agency {number}", sources) for number in range(agencies)]
    began, cpu = time.perf_counter(), time.process_time()
    results = await operation.propagate(requests, caller=Caller(Kind.SERVICE, "agency-sync"))
    name = f"{len(sources):,} cards × {agencies} agencies"
    figures = _print(name, f"{len(results):,} registrations", began, cpu)
    async with database.read() as connection:
        rows = await connection.execute(
            "SELECT certificate_sha256, category FROM request_outcome ORDER BY registration_id LIMIT %s",
            [min(len(sources), MOST_STATES)],
        )
        keys = [CardKey(*row) for row in await rows.fetchall()]
    began, cpu = time.perf_counter(), time.process_time()
    async with database.read() as connection:
        states = await card_states.read_states(connection, keys)
    size = sum(convert.write_card_state(state).ByteSize() for state in states)
    return figures | _print(f"{name}, one message", f"{len(states)} states, {size / 1e6:.1f} MB", began, cpu)


def _print(name: str, what: str, began: float, cpu: float) -> dict[str, float]:
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    print(f"{name}: {what}, {seconds:.2f} s, {used:.2f} s of CPU here")
    return {f"{name}: s": seconds, f"{name}: CPU s": used}
