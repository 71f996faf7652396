"""Runs of an operation with all jobs that follow it: timed as it is in service, or counted one by one."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.floor_comparison import Counted, count
from benchmarks.operations import Doing, Operation
from benchmarks.process_costs import list_processes, read_cpu
from benchmarks.registration_instance import RegistrationInstance, registration_instance
from benchmarks.statement_log import LOG_SETTINGS, count_statements

# As in service; the counted runs trace every call, because traces count calls, validations and verifications.
SAMPLING = 0.01
WARM_UP = 10
# So many that what a minute's clock asks for, and falls into them, is less than half a statement of each.
COUNTED = 24
# Seconds for which the instance is watched at rest, so that what it does then is not counted for operations.
REST = 10.0
# Spans of one operation: a call of ours, a path validation, an argon2 verification.
_VALIDATION, _VERIFICATION = "validate certificate", "verify password"
# Of the statement that every batch of the history is sealed with.
_SEAL = "INSERT INTO history_head"


@dataclass(frozen=True, slots=True)
class Look:
    """What instance and database server have used until a moment: CPU seconds by process, WAL bytes, transactions."""

    at: float
    cpu: Mapping[str, float]
    wal: int
    # Numbered by PostgreSQL because they wrote something.
    writing_transactions: int


@dataclass(frozen=True, slots=True)
class Timed:
    """Operations at a time, the seconds of each in order, and what each cost with its jobs, beyond the rest."""

    concurrency: int
    durations: Sequence[float]
    # Seconds per operation until all queues were empty, but for what waited on purpose.
    seconds: float
    cpu: Mapping[str, float]
    # CPU seconds that the processes at rest would have used meanwhile, per operation.
    cpu_at_rest: float
    wal: float

    @property
    def total_cpu(self) -> float:
        """CPU seconds per operation of all services, their workers and the database server."""
        return sum(self.cpu.values())


@asynccontextmanager
async def running(
    operation: Operation,
    agencies: int,
    bidders: int,
    *,
    trace_sampling: float = SAMPLING,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[RegistrationInstance]:
    """Runs an instance that is warm, with bidders for so many operations."""
    with TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        async with registration_instance(
            Path(folder),
            agencies=agencies,
            bidders=bidders + WARM_UP,
            trace_sampling=trace_sampling,
            postgresql_settings=settings,
        ) as instance:
            await _do_all(instance, await operation.prepare(instance, [""] * WARM_UP), 2)
            await instance.wait_until_idle()
            yield instance


async def measure_rest(instance: RegistrationInstance) -> tuple[Look, Look]:
    """Returns two looks at the idle instance."""
    before = _look(instance)
    await asyncio.sleep(REST)
    return before, _look(instance)


async def time_operations(
    instance: RegistrationInstance, operation: Operation, rest: tuple[Look, Look], concurrency: int, operations: int
) -> Timed:
    """Does an operation so many times, each by another contractor, `concurrency` at a time; waits for the jobs."""
    prepared = await operation.prepare(instance, [""] * operations)
    before = _look(instance)
    durations, ended_at = await _do_all(instance, prepared, concurrency)
    at_once = _look(instance)
    # Mails wait for seconds until their entries are sealed, in which nobody is busy: they count by their work.
    await instance.wait_until_idle()
    after = _look(instance)
    used_at_once, used = (_list_used(rest, before, look) for look in (at_once, after))
    seconds = (ended_at - before.at) * sum(used.values()) / sum(used_at_once.values())
    return Timed(
        concurrency,
        sorted(durations),
        seconds / operations,
        {name: cpu / operations for name, cpu in used.items()},
        sum(_rate(rest, name) for name in used) * (after.at - before.at) / operations,
        (after.wal - before.wal) / operations,
    )


async def count_operations(operation: Operation, agencies: int) -> Counted:
    """Counts what an operation does, in an instance whose statements are all logged and whose calls are all traced.

    It is done by one contractor after the other, each when the jobs of the one before have ended, but for its mails.
    """
    traces = [number.to_bytes(16, "big") for number in range(1, COUNTED + 1)]
    async with running(operation, agencies, COUNTED, trace_sampling=1, settings=LOG_SETTINGS) as instance:
        headers = [f"00-{trace.hex()}-0000000000000001-01" for trace in traces]
        prepared = await operation.prepare(instance, headers)
        log = instance.launched.postgresql.log
        rest_from = log.stat().st_size
        rest = await measure_rest(instance)
        at_rest = count_statements(_read_from(log, rest_from)).per_second(REST)
        before, counted_from = _look(instance), log.stat().st_size
        for do in prepared:
            await do()
            await instance.wait_until_idle(delayed=False)
        await instance.wait_until_idle()
        after = _look(instance)
        executed = count_statements(_read_from(log, counted_from))
    # Spans are complete when the services have ended.
    spans = [span for trace in traces for _, span in instance.collected.of_trace(trace)]
    names = Counter(span.name for span in spans)
    seconds = after.at - before.at
    written_at_rest = (rest[1].writing_transactions - rest[0].writing_transactions) / REST
    written = after.writing_transactions - before.writing_transactions - written_at_rest * seconds
    calls = Counter(
        span.name.rpartition(".")[2]
        for span in spans
        if span.kind == Span.SPAN_KIND_SERVER and span.name.startswith("/")
    )
    return count(
        executed.per_run(COUNTED, seconds, at_rest),
        writing_transactions=written / COUNTED,
        calls={method: times / COUNTED for method, times in calls.items()},
        validations=names[_VALIDATION] / COUNTED,
        verifications=names[_VERIFICATION] / COUNTED,
        seals=executed.count_with(_SEAL) / COUNTED,
    )


async def _do_all(
    instance: RegistrationInstance, prepared: Iterable[Doing], concurrency: int
) -> tuple[list[float], float]:
    """Returns the seconds of each, and when the last one and its jobs had ended, by the monotonic clock."""
    waiting = iter(prepared)
    durations: list[float] = []

    async def do_one_by_one() -> None:
        for do in waiting:
            began = time.perf_counter()
            await do()
            durations.append(time.perf_counter() - began)

    await asyncio.gather(*(do_one_by_one() for _ in range(concurrency)))
    return durations, await instance.wait_until_idle(delayed=False)


def _look(instance: RegistrationInstance) -> Look:
    wal, transactions = instance.read_progress()
    cpu = {name: read_cpu(pid) for name, pid in list_processes(instance.launched).items()}
    return Look(time.monotonic(), cpu, wal, transactions)


def _list_used(rest: tuple[Look, Look], before: Look, after: Look) -> Mapping[str, float]:
    """Returns the CPU seconds of each process between two looks, beyond what it uses at rest."""
    seconds = after.at - before.at
    return {name: max(after.cpu[name] - before.cpu[name] - _rate(rest, name) * seconds, 0) for name in after.cpu}


def _rate(rest: tuple[Look, Look], name: str) -> float:
    before, after = rest
    return (after.cpu[name] - before.cpu[name]) / (after.at - before.at)


def _read_from(log: Path, position: int) -> str:
    with log.open("rb") as opened:
        opened.seek(position)
        return opened.read().decode(errors="replace")
