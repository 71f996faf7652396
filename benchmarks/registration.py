"""A whole registration, from the challenge to the receipt, with a token in software; and where its time goes."""

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
    """Prints p50 and p99 at 1 and at 16 at a time, and the share of each span in a registration."""
    bidders = {"works": ("saitama-standard", sum(COUNTS.values()) + 10)}
    with tempfile.TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        async with instance_with_rosters(Path(folder), bidders, trace_sampling=1) as instance:
            await _run(instance, 1, 10)
            for at_a_time, count in COUNTS.items():
                instance.collected.spans.clear()
                took = sorted(await _run(instance, at_a_time, count))
                p50, p99 = statistics.median(took), took[len(took) * 99 // 100]
                print(
                    f"{at_a_time:>2} at a time: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, {count} registrations"
                )
            await asyncio.sleep(6)  # The services send their spans every five seconds.
            _print_spans(instance.collected, COUNTS[16])


async def _run(instance: RunningInstance, at_a_time: int, count: int) -> list[float]:
    contractors = [instance.contractor() for _ in range(count)]
    waiting = iter(contractors)
    took: list[float] = []

    async def one_after_the_other() -> None:
        for contractor in waiting:
            began = time.perf_counter()
            await contractor.whole()
            took.append(time.perf_counter() - began)

    await asyncio.gather(*(one_after_the_other() for _ in range(at_a_time)))
    return took


def _print_spans(collected: CollectedSpans, registrations: int) -> None:
    seconds: dict[str, float] = defaultdict(float)
    for service, span in collected.spans:
        seconds[f"{service} {span.name}"] += (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    for name, total in sorted(seconds.items(), key=lambda item: -item[1])[:25]:
        print(f"  {total / registrations * 1000:7.1f} ms a registration  {name}")
