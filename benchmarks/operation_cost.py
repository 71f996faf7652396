"""A whole operation, from challenge to receipt and with all jobs that follow, beside what it must cost.

On a durable database, with tracing as in service, at few or at many agencies, of which the bidder is qualified at all.
Each instance is timed, then its services end and the operation's floor is run in the same server; a second instance
counts statements, transactions and calls. Fails where an operation does more than the floor's list.
"""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.floor.cost import Cost
from benchmarks.floor.entries import Floor
from benchmarks.floor_comparison import Counted, list_excess, sum_up
from benchmarks.floor_run import run_floor
from benchmarks.floors import FLOORS
from benchmarks.operation_runs import (
    SAMPLING,
    Timed,
    count_operations,
    measure_rest,
    running,
    time_operations,
)
from benchmarks.operations import Operation
from benchmarks.results import Measured, write_aim

# Operations at a time, and how many in all.
COUNTS = {1: 32, 16: 160}
FLOOR_COUNT = 160
# Statements of which a fault shows the most frequent.
MOST_SHOWN = 12
# Of the floor's rate, and of the CPU at the fewest agencies.
LEAST_RATE, MOST_GROWTH = 0.45, 1.25


@dataclass(slots=True)
class Result:
    """What was measured at one number of agencies, by operations at a time."""

    agencies: int
    counted: Counted
    timed: dict[int, Timed] = field(default_factory=dict)
    floor: dict[int, Mapping[str, Cost]] = field(default_factory=dict)

    def floor_of(self, concurrency: int) -> Cost:
        """Returns the cost of all parts of the floor together."""
        return sum(self.floor[concurrency].values(), Cost(0, 0))


async def measure(operation: Operation) -> Measured:
    """Prints what an operation costs and does, its floor, and the aims."""
    print(f"durable database (fsync on), tracing at {SAMPLING:.0%}; CPU of all services, their workers and PostgreSQL")
    floor = FLOORS[operation.name]
    must = sum_up(floor)
    results = []
    for agencies in operation.agencies:
        result = await _measure(operation, agencies)
        results.append(result)
        print(f"\n{agencies} agencies", flush=True)
        _print(result, must)
    print()
    print("\n".join(_write_aims(operation, results)))
    faults = dict.fromkeys(fault for result in results for fault in _list_faults(result, floor, must))
    return Measured(dict(_list_figures(results)), tuple(faults))


async def _measure(operation: Operation, agencies: int) -> Result:
    result = Result(agencies, await count_operations(operation, agencies))
    bidders = sum(COUNTS.values())
    async with running(operation, agencies, bidders) as instance:
        rest = await measure_rest(instance)
        for concurrency, count in COUNTS.items():
            result.timed[concurrency] = await time_operations(instance, operation, rest, concurrency, count)
        await instance.end_services()
        with TemporaryDirectory(prefix="toroku-bench-") as folder:
            for concurrency in COUNTS:
                result.floor[concurrency] = await run_floor(
                    instance.launched,
                    Path(folder),
                    operation.name,
                    agencies=agencies,
                    bidders=bidders,
                    concurrency=concurrency,
                    operations=FLOOR_COUNT,
                )
    return result


def _print(result: Result, must: Counted) -> None:
    for concurrency, timed in result.timed.items():
        least = result.floor_of(concurrency)
        print(
            f"{concurrency:>2} at a time: p50 {_median(timed):.2f} s, p99 {_last(timed):.2f} s, "
            f"{1 / timed.seconds:.1f}/s where the floor is {1 / least.seconds:.1f}/s, {timed.wal / 1000:.0f} kB of WAL"
        )
        print(
            f"    CPU {timed.total_cpu * 1000:.0f} ms where the floor is {least.cpu * 1000:.0f} ms "
            f"(ratio {least.cpu / timed.total_cpu:.2f}); what is at rest meanwhile {timed.cpu_at_rest * 1000:.0f} ms"
        )
    most = max(result.timed)
    for name, seconds in sorted(result.timed[most].cpu.items(), key=lambda item: -item[1]):
        print(f"      {seconds * 1000:6.1f} ms  {name}")
    for name, cost in sorted(result.floor[most].items(), key=lambda item: -item[1].cpu):
        print(f"      {cost.cpu * 1000:6.1f} ms  floor: {name}")
    totals = must.list_totals()
    for name, number in result.counted.list_totals().items():
        print(f"    {name:<24} {number:6.1f}, must {totals[name]:.0f}")


def _write_aims(operation: Operation, results: list[Result]) -> Iterator[str]:
    for result in results:
        most = max(result.timed)
        timed, least = result.timed[most], result.floor_of(most)
        at = f"at {result.agencies} agencies"
        yield write_aim(f"rate {at}, of the floor's", least.seconds / timed.seconds, LEAST_RATE, most=False)
        yield write_aim(f"CPU of the floor {at}, of ours", least.cpu / timed.total_cpu, LEAST_RATE, most=False)
        if operation.most_cpu is not None:
            yield write_aim(f"CPU {at}", timed.total_cpu * 1000, operation.most_cpu, unit=" ms")
        if operation.most_p50 is not None:
            yield write_aim(f"p50 with {most} at a time {at}", _median(timed), operation.most_p50, unit=" s")
    if len(results) == 1:
        return
    cpu = [result.timed[max(result.timed)].total_cpu for result in results]
    yield write_aim(
        f"CPU at {results[-1].agencies} agencies, of that at {results[0].agencies}", cpu[-1] / cpu[0], MOST_GROWTH
    )


def _list_faults(result: Result, floor: Floor, must: Counted) -> Iterator[str]:
    excess = list(list_excess(floor.operation, result.counted, must))
    yield from (f"at {result.agencies} agencies {sentence}" for sentence in excess)
    if any("statements in" in sentence for sentence in excess):
        shown = sorted(result.counted.texts.items(), key=lambda item: -item[1])[:MOST_SHOWN]
        print(f"    most frequent at {result.agencies} agencies:")
        for executed, times in shown:
            print(f"    {times:6.1f}  {executed.database}: {executed.text[:90]}")


def _list_figures(results: list[Result]) -> Iterator[tuple[str, float]]:
    for result in results:
        at = f"{result.agencies} agencies"
        for concurrency, timed in result.timed.items():
            where, least = f"{at}, {concurrency} at a time", result.floor_of(concurrency)
            yield f"{where}: p50 s", _median(timed)
            yield f"{where}: p99 s", _last(timed)
            yield f"{where}: per s", 1 / timed.seconds
            yield f"{where}: floor per s", 1 / least.seconds
            yield f"{where}: CPU ms", timed.total_cpu * 1000
            yield f"{where}: floor CPU ms", least.cpu * 1000
            yield f"{where}: WAL bytes", timed.wal
        for name, number in result.counted.list_totals().items():
            yield f"{at}: {name}", number


def _median(timed: Timed) -> float:
    return statistics.median(timed.durations)


def _last(timed: Timed) -> float:
    return timed.durations[len(timed.durations) * 99 // 100]
