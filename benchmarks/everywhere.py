"""How long after its receipt a registration is good everywhere: at the last of sixty agencies, and at a follower's.

Registrations begin at a steady rate, whether those before have ended or not. Each is followed by who stands for the
agency's system: a reader of its feed, and one who asks ResolveUser again and again. Then states of cards at all
agencies are played in, at the rate of many more registrations than this machine could make beside it.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

from benchmarks.operation_runs import SAMPLING
from benchmarks.registration_instance import CATEGORY, RegistrationInstance, registration_instance
from benchmarks.results import Measured, write_aim
from tests.support.contractor import Contractor
from tests.support.running_instance import channel_to
from toroku.agencysync.v1 import agency_sync_pb2, feed_pb2
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub
from toroku.agencysync.v1.feed_pb2_grpc import FeedStub
from toroku.certificate.v1 import card_pb2, card_state_pb2, user_lookup_pb2
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupStub
from toroku.event.v1.version_pb2 import Version
from toroku.qualification.v1 import bidder_pb2

if TYPE_CHECKING:
    from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncAsyncStub
    from toroku.agencysync.v1.feed_pb2_grpc import FeedAsyncStub
    from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupAsyncStub

AGENCIES = 60
# Registrations a second, and how many.
RATES = {1: 30, 8: 120}
# States of cards a second that are played in, and how many.
PLAYED_RATE, PLAYED = 20, 400
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
        """Follows the feed until the task is cancelled, stream after stream, each of which the server ends."""
        request = feed_pb2.StreamChangesRequest(agency=self.agency, category=CATEGORY, subscriber="bench")
        while True:
            async for part in self.feed.StreamChanges(request):
                for change in part.changes:
                    self.arrived.setdefault(change.certificate_sha256, time.perf_counter())
                    request.after.CopyFrom(change.position)
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
                figures |= _print(f"{rate}/s, ResolveUser good", [each.good for each in reached])
                figures |= _print(f"{rate}/s, in the feed", [each.in_feed for each in reached])
                await instance.wait_until_idle()
            in_feed = await _play_in(instance, reader)
            figures |= _print(f"{PLAYED_RATE}/s played in, in the feed", in_feed)
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


async def _play_in(instance: RegistrationInstance, reader: Reader) -> Sequence[float]:
    """Tells agency-sync of cards at all agencies, as certificate-registry does.

    Returns the seconds from each call until the feed of the last agency had brought the card.
    """
    launched = instance.launched
    identity = launched.certificates.services["certificate-registry"]
    agencies = [agency.code for agency in launched.profile.agencies]
    began, told = time.perf_counter(), dict[bytes, float]()

    async def tell(registry: "AgencySyncAsyncStub", number: int) -> None:
        state = _make_state(number, agencies)
        told[state.certificate_sha256] = time.perf_counter()
        await registry.RecordCardStates(agency_sync_pb2.RecordCardStatesRequest(card_states=[state]))

    async with channel_to(launched, identity, "agency-sync", listener="internal") as channel:
        async with asyncio.TaskGroup() as tasks:
            for number in range(PLAYED):
                await asyncio.sleep(max(0.0, began + number / PLAYED_RATE - time.perf_counter()))
                tasks.create_task(tell(AgencySyncStub(channel), number))
        async with asyncio.timeout(PATIENCE):
            while not told.keys() <= reader.arrived.keys():
                await asyncio.sleep(INTERVAL)
    return [reader.arrived[card] - at for card, at in told.items()]


def _make_state(number: int, agencies: Sequence[str]) -> card_state_pb2.CardState:
    """Returns the state of a card that is registered at all agencies."""
    state = card_state_pb2.CardState(
        certificate_sha256=sha256(f"played in {number}".encode()).digest(),
        category=CATEGORY,
        version=Version(epoch=1, number=1),
        bidder_id=f"{2_000_000_000 + number}",
        binding=card_state_pb2.BINDING_STATE_LIVE,
        proven=bidder_pb2.Proven(
            password=True,
            company=bidder_pb2.COMPANY_COMPARISON_SAME,
            holder=bidder_pb2.HOLDER_COMPARISON_CONTRACT_PARTY,
        ),
        certificate=card_state_pb2.CertificateStanding(state=card_state_pb2.CertificateStanding.STATE_TRUSTED),
    )
    state.certificate.not_before.GetCurrentTime()
    state.certificate.not_after.FromSeconds(int(time.time()) + 86_400 * 365)
    for agency in agencies:
        registration = state.registrations.add(
            registration_id=str(uuid4()),
            agency=agency,
            state=card_state_pb2.REGISTRATION_STATE_GOOD,
            # Made by propagation, so that nothing is propagated from it.
            origin=card_pb2.REGISTRATION_ORIGIN_PROPAGATION,
        )
        registration.registered_at.GetCurrentTime()
    return state


def _print(name: str, seconds: Sequence[float]) -> dict[str, float]:
    """Prints a line and the aim, for the last agency."""
    p50, p99 = statistics.median(seconds), sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * 0.99))]
    print(f"{name} at the last agency: p50 {p50:.2f} s, p99 {p99:.2f} s ({len(seconds)} cards)")
    print(write_aim(f"p99 {name}", p99, MOST_P99, unit=" s"), flush=True)
    return {f"{name}: p50 s": p50, f"{name}: p99 s": p99}
