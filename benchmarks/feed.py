"""A subscriber that has half a million changes to catch up with, beside a bare stream of the same messages."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import grpc
import psycopg

from benchmarks.bare_process import running_bare
from benchmarks.process_costs import read_cpu, read_memory
from benchmarks.results import Measured
from operator_command.launcher.instance import Instance, running_instance
from tests.support.running_instance import channel_to
from toroku.agencysync.v1 import feed_pb2
from toroku.agencysync.v1.feed_pb2_grpc import FeedStub

if TYPE_CHECKING:
    from toroku.agencysync.v1.feed_pb2_grpc import FeedAsyncStub

ROOT = Path(__file__).parents[1]
SERVICE = "agency-sync"
BARE = "127.0.0.1:19444"
CHANGES = 500_000
# Changes of one message of ours.
TOGETHER = 500
CATEGORY = "works"
_COLUMNS = """
    agency, category, epoch, number, certificate_sha256, committed_at, bidder_id, state, reason, registration_id,
    certificate_not_before, certificate_not_after, qualified, card_contact_version, representative_contact_version
"""
FILL = (
    f"""
    INSERT INTO feed_entries ({_COLUMNS})
    SELECT %(agency)s, %(category)s, epoch.epoch, n, sha256(('card ' || n)::bytea), now(),
        (1000000000 + n)::text, 'good', '', gen_random_uuid(), now() - interval '1 day', now() + interval '2 years',
        '[[null, "2028-03-31T15:00:00+00:00"]]', 1, 1
    FROM generate_series(1, %(changes)s) AS n, epoch
    """,  # noqa: S608  # constants
    """
    INSERT INTO feed_heads (agency, category, epoch, number)
    SELECT %(agency)s, %(category)s, epoch.epoch, %(changes)s FROM epoch
    ON CONFLICT (agency, category) DO UPDATE SET epoch = excluded.epoch, number = excluded.number
    """,
)


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Seconds until the last change was there, the server's CPU seconds, and how much it grew (MiB)."""

    seconds: float
    cpu: float
    growth: float


async def measure() -> Measured:
    """Prints changes a second of both, the ratio, and what the server needs of memory."""
    with TemporaryDirectory(prefix="toroku-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        async with running_instance(ROOT / "profiles" / "saitama.yaml", folder / "state", durable=True) as instance:
            agency = instance.profile.agencies[0].code
            await asyncio.to_thread(_fill, instance, agency)
            identity = instance.certificates.agencies[agency]
            async with channel_to(instance, identity, SERVICE) as channel:
                ours = FeedStub(channel)
                message = await _read_one(ours, agency)
                caught_up = await _catch_up(ours, agency, instance.services[SERVICE].server.pid)
            (folder / "message").write_bytes(message.SerializeToString())
            times = str(CHANGES // TOGETHER)
            arguments = (str(folder / "message"), times, BARE)
            async with running_bare(instance, SERVICE, "benchmarks.bare_feed", *arguments) as pid:
                files = instance.certificates.services[SERVICE].authority.read_bytes()
                credentials = grpc.ssl_channel_credentials(
                    files, identity.private_key.read_bytes(), identity.certificate.read_bytes()
                )
                options = [("grpc.ssl_target_name_override", SERVICE)]
                async with grpc.aio.secure_channel(BARE, credentials, options=options) as channel:
                    bare = await _catch_up(FeedStub(channel), agency, pid)
    rate, bare_rate = CHANGES / caught_up.seconds, CHANGES / bare.seconds
    print(f"{CHANGES:,} changes of {len(message.SerializeToString()) / TOGETHER:.0f} bytes, {TOGETHER} a message")
    print(f"ours: {rate:,.0f}/s, {caught_up.cpu:.2f} s of CPU, {caught_up.growth:.1f} MiB more")
    print(f"bare: {bare_rate:,.0f}/s, {bare.cpu:.2f} s of CPU")
    print(f"ratio of the rates: {rate / bare_rate:.2f}")
    return Measured(
        {
            "changes/s": rate,
            "bare changes/s": bare_rate,
            "ratio": rate / bare_rate,
            "server's CPU s": caught_up.cpu,
            "server's growth MiB": caught_up.growth,
        }
    )


def _fill(instance: Instance, agency: str) -> None:
    dsn = instance.services[SERVICE].database
    assert dsn is not None
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement, {"agency": agency, "category": CATEGORY, "changes": CHANGES})
        connection.execute("VACUUM ANALYZE feed_entries")


async def _read_one(feed: "FeedAsyncStub", agency: str) -> feed_pb2.StreamChangesResponse:
    """Returns a message as the server sends it, which also warms it up."""
    async for part in feed.StreamChanges(_request(agency)):
        return part
    raise RuntimeError("the stream had no message")


async def _catch_up(feed: "FeedAsyncStub", agency: str, pid: int) -> CaughtUp:
    cpu, memory = read_cpu(pid), read_memory(pid).resident
    most, count = memory, 0
    began = time.perf_counter()
    async for part in feed.StreamChanges(_request(agency)):
        count += len(part.changes)
        if count % (100 * TOGETHER) == 0:
            most = max(most, read_memory(pid).resident)
        if count >= CHANGES:
            break
    return CaughtUp(time.perf_counter() - began, read_cpu(pid) - cpu, most - memory)


def _request(agency: str) -> feed_pb2.StreamChangesRequest:
    return feed_pb2.StreamChangesRequest(agency=agency, category=CATEGORY, subscriber="bench")
