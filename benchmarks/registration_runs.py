"""Runs of registrations with all jobs that follow them: timed as they are in service, or counted one by one."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.floor_comparison import Counted, count
from benchmarks.process_costs import list_processes, read_cpu
from benchmarks.registration_instance import RegistrationInstance, registration_instance
from benchmarks.statement_log import LOG_SETTINGS, count_statements

# As in service; the counted runs trace every call, because traces count calls, validations and verifications.
SAMPLING = 0.01
WARM_UP = 10
# So many that what a minute's clock asks for, and falls into them, is less than half a statement of each.
COUNTED = 24
# Seconds for which the instance is watched at rest, so that what it does then is not counted for registrations.
REST = 10.0
# Spans of one registration: a call of ours, a path validation, an argon2 verification.
_VALIDATION, _VERIFICATION = "validate certificate", "verify password"


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
    """Registrations at a time, the seconds of each in order, and what each cost with its jobs, beyond the rest."""

    concurrency: int
    durations: Sequence[float]
    # Seconds per registration until all queues were empty.
    seconds: float
    cpu: Mapping[str, float]
    # CPU seconds that the processes at rest would have used meanwhile, per registration.
    cpu_at_rest: float
    wal: float

    @property
    def total_cpu(self) -> float:
        """CPU seconds per registration of all services, their workers and the database server."""
        return sum(self.cpu.values())


@asynccontextmanager
async def running(
    agencies: int, bidders: int, *, trace_sampling: float = SAMPLING, settings: Mapping[str, str] | None = None
) -> AsyncIterator[RegistrationInstance]:
    """Runs an instance and registers until it is warm."""
    with TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        async with registration_instance(
            Path(folder),
            agencies=agencies,
            bidders=bidders + WARM_UP,
            trace_sampling=trace_sampling,
            postgresql_settings=settings,
        ) as instance:
            await _register(instance, 2, WARM_UP)
            yield instance


async def measure_rest(instance: RegistrationInstance) -> tuple[Look, Look]:
    """Returns two looks at the idle instance."""
    before = _look(instance)
    await asyncio.sleep(REST)
    return before, _look(instance)


async def time_registrations(
    instance: RegistrationInstance, rest: tuple[Look, Look], concurrency: int, registrations: int
) -> Timed:
    """Registers so many contractors, `concurrency` at a time, and waits for the jobs."""
    before = _look(instance)
    durations = await _register(instance, concurrency, registrations)
    after = _look(instance)
    seconds = after.at - before.at
    idle = {name: _rate(rest, name) * seconds for name in after.cpu}
    return Timed(
        concurrency,
        sorted(durations),
        seconds / registrations,
        {name: max(after.cpu[name] - before.cpu[name] - idle[name], 0) / registrations for name in after.cpu},
        sum(idle.values()) / registrations,
        (after.wal - before.wal) / registrations,
    )


async def count_registrations(agencies: int) -> Counted:
    """Counts what a registration does, in an instance whose statements are all logged and whose calls are all traced.

    They are made one after the other, each when the jobs of the one before have ended.
    """
    traces = [number.to_bytes(16, "big") for number in range(1, COUNTED + 1)]
    async with running(agencies, COUNTED, trace_sampling=1, settings=LOG_SETTINGS) as instance:
        log = instance.launched.postgresql.log
        rest_from = log.stat().st_size
        rest = await measure_rest(instance)
        at_rest = count_statements(_read_from(log, rest_from)).per_second(REST)
        before, counted_from = _look(instance), log.stat().st_size
        for trace in traces:
            contractor = instance.contractor()
            contractor.traceparent = f"00-{trace.hex()}-0000000000000001-01"
            await contractor.whole()
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
    )


async def _register(instance: RegistrationInstance, concurrency: int, registrations: int) -> list[float]:
    waiting = iter([instance.contractor() for _ in range(registrations)])
    durations: list[float] = []

    async def register_one_by_one() -> None:
        for contractor in waiting:
            began = time.perf_counter()
            await contractor.whole()
            durations.append(time.perf_counter() - began)

    await asyncio.gather(*(register_one_by_one() for _ in range(concurrency)))
    await instance.wait_until_idle()
    return durations


def _look(instance: RegistrationInstance) -> Look:
    wal, transactions = instance.read_progress()
    cpu = {name: read_cpu(pid) for name, pid in list_processes(instance.launched).items()}
    return Look(time.monotonic(), cpu, wal, transactions)


def _rate(rest: tuple[Look, Look], name: str) -> float:
    before, after = rest
    return (after.cpu[name] - before.cpu[name]) / (after.at - before.at)


def _read_from(log: Path, position: int) -> str:
    with log.open("rb") as opened:
        opened.seek(position)
        return opened.read().decode(errors="replace")
