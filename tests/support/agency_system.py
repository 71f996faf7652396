"""An agency's system beside a running agency-sync: what the SDK gives it, over its own connection and certificate."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.example_profile import PREFECTURE, WORKS
from tests.support.services.agency_sync import RunningAgencySync
from toroku.agencysync.v1.feed_pb2_grpc import FeedStub
from toroku_feed import Answer, Feed, LocalAnswers, SqliteStore, Subscriber, Trust, open_channel

if TYPE_CHECKING:
    from toroku.agencysync.v1.feed_pb2_grpc import FeedAsyncStub

INSTANCE = "example"
CHECKOUT = Path(__file__).parents[2]
# How the example system is started, and what it follows.
EXAMPLE_SYSTEM = (sys.executable, "-m", "simulators.agency_system")
EXAMPLE_FEED = ("--instance", INSTANCE, "--agency", PREFECTURE, "--category", WORKS)


def write_keys(folder: Path, *keys: Ed25519PublicKey) -> Path:
    """Writes a file with public keys, as the platform team gives it to agencies."""
    file = folder / "feed.pub"
    file.write_bytes(b"".join(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in keys))
    return file


@asynccontextmanager
async def example_system(sync: RunningAgencySync, copy: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The example system in a process that follows the prefecture's feed, and is killed at the end of the block."""
    files = sync.agency_files[PREFECTURE]
    assert files.trusted is not None
    process = await asyncio.create_subprocess_exec(
        *(*EXAMPLE_SYSTEM, "follow", "--copy", copy, *EXAMPLE_FEED, "--address", sync.agency_address),
        *("--keys", write_keys(copy.parent, sync.feed_key), "--ca", files.trusted),
        *("--certificate", files.certificate, "--key", files.private_key),
        stderr=asyncio.subprocess.DEVNULL,
        cwd=CHECKOUT,
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


@dataclass(slots=True)
class AgencySystem:
    """A subscriber with its copy; the instance's clock is its own."""

    sync: RunningAgencySync
    stub: "FeedAsyncStub"
    store: SqliteStore
    subscriber: Subscriber

    async def catch_up(self, agency: str = PREFECTURE) -> None:
        """Has the worker make a snapshot, as far as one is asked for, and reads to the head of the feed."""
        await self.sync.make_snapshot(agency)
        await self.subscriber.catch_up()

    async def judge(self, card: bytes, *, later: timedelta = timedelta()) -> Answer:
        """Whether a card is good by the copy, at the instance's time or later."""
        return await LocalAnswers(self.store).is_good(card, self.sync.now[0] + later)

    async def number(self) -> int:
        """The number of the last entry that is stored."""
        progress = await self.store.read_progress()
        return 0 if progress is None else progress.position.number


@asynccontextmanager
async def agency_system(
    sync: RunningAgencySync, file: Path, *, agency: str = PREFECTURE, key: Ed25519PublicKey | None = None
) -> AsyncIterator[AgencySystem]:
    """The system of an agency that follows its feed into a file."""
    feed = Feed(INSTANCE, agency, WORKS)
    files = sync.agency_files[agency]
    assert files.trusted is not None
    channel = open_channel(
        sync.agency_address, ca=files.trusted, certificate=files.certificate, private_key=files.private_key
    )
    stub = FeedStub(channel)
    store = SqliteStore(file, feed)
    subscriber = Subscriber(
        stub,
        store=store,
        trust=Trust(feed, [key or sync.feed_key]),
        name="e-bidding",
        clock=lambda: sync.now[0],
        first_pause=0.01,
        longest_pause=0.1,
    )
    try:
        yield AgencySystem(sync, stub, store, subscriber)
    finally:
        store.close()
        await channel.close(None)
