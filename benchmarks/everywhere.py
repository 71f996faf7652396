"""How long after its receipt a registration is good everywhere: at the last of sixty agencies, and at a follower's.

Registrations begin at a steady rate, whether those before have ended or not. Each is followed by who stands for the
agency's system: a reader of its feed, and one who asks ResolveUser again and again.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.operation_runs import SAMPLING
from benchmarks.registration_instance import CATEGORY, RegistrationInstance, registration_instance
from benchmarks.results import Measured, write_aim
from tests.support.contractor import Contractor
from tests.support.running_instance import channel_to
from toroku.agencysync.v1 import feed_pb2
from toroku.agencysync.v1.feed_pb2_grpc import FeedStub
from toroku.certificate.v1 import user_lookup_pb2
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupStub

if TYPE_CHECKING:
    from toroku.agencysync.v1.feed_pb2_grpc import FeedAsyncStub
    from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupAsyncStub

AGENCIES = 60
# Registrations a second, and how many.
RATES = {1: 30, 8: 120}
WARM_UP = 8
# Seconds until a registration must have arrived, and between two questions.
PATIENCE, INTERVAL = 120.0, 0.01
GOOD = user_lookup_pb2.ResolveUserResponse.VERDICT_GOOD
# Seconds from the receipt, for 99 of 100.
MOST_P99 = 1.0


@dataclass(slots=True)
class Reader:
    """A system of an agency: what its feed brought, and when."""

    agency: str
    feed: "FeedAsyncStub"
    lookup: "UserLookupAsyncStub"
    arrived: dict[bytes, float] = field(default_factory=dict)
    has_all: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self) -> None:
        """Follows the feed until the task is cancelled."""
        request = feed_pb2.StreamChangesRequest(agency=self.agency, category=CATEGORY, subscriber="bench")
        async for part in self.feed.StreamChanges(request):
            for change in part.changes:
                self.arrived.setdefault(change.certificate_sha256, time.perf_counter())
            if part.HasField("heartbeat"):
                self.has_all.set()

    async def wait_until_good(self, contractor: Contractor) -> float:
        """Asks until a contractor's card is good at the agency, and returns when it was."""
        request = user_lookup_pb2.ResolveUserRequest(
            agency=self.agency,
            category=CATEGORY,
            certificate_sha256=contractor.card.sha256,
            possession_verified=True,
        )
        async with asyncio.timeout(PATIENCE):
            while (await self.lookup.ResolveUser(request)).verdict != GOOD:
                await asyncio.sleep(INTERVAL)
        return time.perf_counter()

    async def wait_until_arrived(self, contractor: Contractor) -> float:
        """Returns when the feed brought a contractor's card."""
        async with asyncio.timeout(PATIENCE):
            while contractor.card.sha256 not in self.arrived:
                await asyncio.sleep(INTERVAL)
        return self.arrived[contractor.card.sha256]


@dataclass(frozen=True, slots=True)
class Reached:
    """Seconds from the receipt: until ResolveUser was good at the last agency, and until its feed had brought it."""

    good: float
    in_feed: float


async def measure() -> Measured:
    """Prints the seconds at each rate, and the aims."""
    print(f"durable database (fsync on), tracing at {SAMPLING:.0%}, {AGENCIES} agencies; seconds from the receipt")
    figures: dict[str, float] = {}
    with TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        async with (
            registration_instance(
                Path(folder),
                agencies=AGENCIES,
                bidders=sum(RATES.values()) + WARM_UP,
                trace_sampling=SAMPLING,
            ) as instance,
            asyncio.TaskGroup() as tasks,
        ):
            reader = _open_reader(instance)
            following = tasks.create_task(reader.follow())
            await reader.has_all.wait()
            await _register_at(1_000, instance, reader, WARM_UP)
            await instance.wait_until_idle()
            for rate, count in RATES.items():
                reached = await _register_at(rate, instance, reader, count)
                figures |= _print(rate, reached)
                await instance.wait_until_idle()
            following.cancel()
    return Measured(figures)


def _open_reader(instance: RegistrationInstance) -> Reader:
    launched = instance.launched
    agency = launched.profile.agencies[-1].code
    identity = launched.certificates.agencies[agency]
    return Reader(
        agency,
        FeedStub(channel_to(launched, identity, "agency-sync")),
        UserLookupStub(channel_to(launched, identity, "user-lookup")),
    )


async def _register_at(rate: float, instance: RegistrationInstance, reader: Reader, count: int) -> Sequence[Reached]:
    """Begins registrations at a rate; returns what became of each when all have arrived."""
    contractors = [instance.contractor() for _ in range(count)]
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        registrations = []
        for number, contractor in enumerate(contractors):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            registrations.append(tasks.create_task(_register(contractor, reader)))
    return [task.result() for task in registrations]


async def _register(contractor: Contractor, reader: Reader) -> Reached:
    await contractor.whole()
    receipt = time.perf_counter()
    good, in_feed = await asyncio.gather(reader.wait_until_good(contractor), reader.wait_until_arrived(contractor))
    return Reached(good - receipt, in_feed - receipt)


def _print(rate: float, reached: Sequence[Reached]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for what, seconds in (
        ("ResolveUser good", [each.good for each in reached]),
        ("in the feed", [each.in_feed for each in reached]),
    ):
        p50, p99 = statistics.median(seconds), sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * 0.99))]
        name = f"{rate}/s, {what}"
        figures |= {f"{name}: p50 s": p50, f"{name}: p99 s": p99}
        print(f"{name} at the last agency: p50 {p50:.2f} s, p99 {p99:.2f} s ({len(seconds)} registrations)")
        print(write_aim(f"p99 {name}", p99, MOST_P99, unit=" s"), flush=True)
    return figures
