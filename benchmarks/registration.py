"""A whole registration, from challenge to receipt, with a card in software; and where its time is spent."""

import asyncio
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.support.infrastructure.trace_collector import CollectedSpans
from tests.support.running_instance import RunningInstance, instance_with_rosters

COUNTS = {1: 40, 16: 160}


async def measure() -> None:
    """Prints p50 and p99 with 1 and with 16 concurrent registrations, and the time of each span per registration."""
    bidders = {"works": ("saitama-standard", sum(COUNTS.values()) + 10)}
    with tempfile.TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        async with instance_with_rosters(Path(folder), bidders, trace_sampling=1) as instance:
            await _run(instance, 1, 10)
            for concurrency, count in COUNTS.items():
                instance.collected.spans.clear()
                durations = sorted(await _run(instance, concurrency, count))
                p50, p99 = statistics.median(durations), durations[len(durations) * 99 // 100]
                figures = f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, {count} registrations"
                print(f"{concurrency:>2} concurrent: {figures}")
            await asyncio.sleep(6)  # The services export their spans every five seconds.
            _print_spans(instance.collected, COUNTS[16])


async def _run(instance: RunningInstance, concurrency: int, count: int) -> list[float]:
    contractors = [instance.contractor() for _ in range(count)]
    waiting = iter(contractors)
    durations: list[float] = []

    async def register_one_by_one() -> None:
        for contractor in waiting:
            began = time.perf_counter()
            await contractor.whole()
            durations.append(time.perf_counter() - began)

    await asyncio.gather(*(register_one_by_one() for _ in range(concurrency)))
    return durations


def _print_spans(collected: CollectedSpans, registrations: int) -> None:
    seconds: dict[str, float] = defaultdict(float)
    for service, span in collected.spans:
        seconds[f"{service} {span.name}"] += (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    for name, total in sorted(seconds.items(), key=lambda item: -item[1])[:25]:
        print(f"  {total / registrations * 1000:7.1f} ms per registration  {name}")
