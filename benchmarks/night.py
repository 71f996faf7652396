"""The night batch in a running instance: as fast as it goes, against a bare statement; and paced, beside calls.

What is filled in are the cards of one day, registered at the first agency of sixty, and their bidders, qualified at all
of them. The night begins with agency-sync's first claim and ends with certificate-registry's last commit.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import yaml

from benchmarks.log_ins import BEFORE, LEAST_LOG_INS, LogIns
from benchmarks.process_costs import read_memory
from benchmarks.propagation import LEAST_RATE, measure_bare
from benchmarks.registration_instance import CATEGORY, write_profile
from benchmarks.resolve_user import FILL
from benchmarks.results import Measured, write_aim
from operator_command.launcher.instance import Instance, running_instance
from tests.support.running_instance import channel_to
from toroku.agencysync.v1 import feed_pb2
from toroku.agencysync.v1.feed_pb2_grpc import FeedStub
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupStub

AGENCIES = 60
# Cards of the night as fast as it goes, and of the paced one.
CARDS, PACED_CARDS = 30_000, 10_000
# Seconds for a night or its feed at most, and between two looks.
PATIENCE, INTERVAL = 900.0, 0.2
REGISTRY, SYNC = "certificate-registry", "agency-sync"

_QUALIFY = "UPDATE bidder_state SET qualified_at = ARRAY['  ', %(codes)s, %(codes)s, '  ']"
_READ_SOURCES = "SELECT certificate_sha256, bidder_id, registration_id FROM registration ORDER BY bidder_id"
_FILL_SYNC = (
    """
    CREATE TEMP TABLE source (certificate_sha256 bytea, bidder_id text, registration_id uuid)
    """,
    """
    INSERT INTO card_states
    SELECT certificate_sha256, %(category)s, 1, 1, bidder_id, true, false, true, 'same', 'contract party', 'trusted',
        now() - interval '1 day', now() + interval '2 years', jsonb_build_object(%(agency)s::text, jsonb_build_object(
            'registration_id', registration_id, 'state', 'good', 'origin', 'contractor', 'registered_at', now()))
    FROM source
    """,
    """
    INSERT INTO bidder_states
    SELECT bidder_id, %(category)s, 1, 1, false, '{}', '[]', false, jsonb_build_array(jsonb_build_object(
        'begins', NULL, 'ends', NULL, 'agencies', %(agencies)s::jsonb)), '[]'
    FROM source
    """,
    "ANALYZE",
)
_OPEN = """
    INSERT INTO intentions (registration_id, certificate_sha256, category, agency, state, epoch, planned_at, made_at)
    SELECT registration_id, certificate_sha256, %(category)s, %(agency)s, 'open', 1, now() - interval '1 minute', now()
    FROM source
"""
_LEFT = "SELECT count(*) FILTER (WHERE state <> 'done'), min(run_began_at) FROM intentions"
_LAST_CHANGE = """
    SELECT (SELECT count(*) FROM registration WHERE origin = 'propagation'),
        (SELECT extract(epoch FROM max(registered_at)) FROM registration WHERE origin = 'propagation')
"""
_FEED = "SELECT sum(number) FROM feed_heads"


async def measure() -> Measured:
    """Prints the rate of the night against a bare statement, and what log-ins lose beside the paced night."""
    print("durable database (fsync on)")
    with TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        return Measured({**await _run_alone(Path(folder) / "alone"), **await _run_paced(Path(folder) / "paced")})


async def _run_alone(folder: Path) -> dict[str, float]:
    async with running_instance(
        _write_profile(folder), folder / "state", durable=True, further_settings={"TOROKU_NIGHT_SHARE": "1"}
    ) as instance:
        registry, sync = _connect(instance, REGISTRY), _connect(instance, SYNC)
        _fill(instance, registry, sync, CARDS)
        _open(instance, sync)
        peaks = await _wait_for_night(instance, sync)
        made, ended_at = _fetch(registry, _LAST_CHANGE)
        _, began_at = _fetch(sync, _LEFT)
        seconds = float(ended_at) - began_at.timestamp()
        bare = measure_bare(registry)
    print(f"{CARDS:,} cards × {AGENCIES} agencies: {made:,} registrations, {seconds:.1f} s")
    print("peak memory: " + ", ".join(f"{name} {peak:.0f} MiB" for name, peak in peaks.items()))
    print(write_aim("rows/s of a night, of bare", made / seconds / bare, LEAST_RATE, most=False))
    return {
        "night: s": seconds,
        "night: ratio": made / seconds / bare,
        **{f"night: peak MiB of {name}": peak for name, peak in peaks.items()},
    }


async def _run_paced(folder: Path) -> dict[str, float]:
    async with running_instance(_write_profile(folder), folder / "state", durable=True) as instance:
        registry, sync = _connect(instance, REGISTRY), _connect(instance, SYNC)
        _fill(instance, registry, sync, PACED_CARDS)
        agency = instance.profile.agencies[-1].code
        identity = instance.certificates.agencies[agency]
        arrived: set[bytes] = set()
        async with (
            channel_to(instance, identity, "user-lookup") as lookup,
            channel_to(instance, identity, SYNC) as feeds,
            asyncio.TaskGroup() as tasks,
        ):
            log_ins = LogIns(UserLookupStub(lookup), agency, CATEGORY)
            beside = [tasks.create_task(log_ins.go_on()), tasks.create_task(_follow(feeds, agency, arrived))]
            usual, _ = await log_ins.measure_rate(asyncio.sleep(BEFORE))
            _open(instance, sync)
            in_the_night, seconds = await log_ins.measure_rate(_wait_for_night(instance, sync))
            while_told, further = await log_ins.measure_rate(_wait_for_feed(sync, arrived))
            for task in beside:
                task.cancel()
    share = (in_the_night * seconds + while_told * further) / (seconds + further) / usual
    print(f"paced, {PACED_CARDS:,} cards: {seconds:.1f} s, and {further:.1f} s more until the last feed had all")
    print(f"log-ins: {usual:,.0f}/s before, {in_the_night:,.0f}/s in the night, {while_told:,.0f}/s until all was told")
    print(write_aim("log-ins meanwhile, of those before", share, LEAST_LOG_INS, most=False))
    return {"paced: s": seconds, "paced: s until the feed had all": further, "paced: log-ins' share": share}


def _write_profile(folder: Path) -> Path:
    folder.mkdir(mode=0o711)
    file = write_profile(folder / "profile.yaml", AGENCIES)
    content: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    file.write_text(yaml.safe_dump(content | {"propagation": "night", "propagation_at": "22:00"}, allow_unicode=True))
    return file


def _connect(instance: Instance, service: str) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(instance.services[service].database or "", autocommit=True)


def _fill(instance: Instance, registry: psycopg.Connection[Any], sync: psycopg.Connection[Any], cards: int) -> None:
    codes = [agency.code for agency in instance.profile.agencies]
    for statement in FILL:
        registry.execute(statement, {"cards": cards, "agencies": 1, "agency": codes[0]})
    registry.execute(_QUALIFY, {"codes": f" {' '.join(codes)} "})
    registry.execute("VACUUM ANALYZE")
    first, *others = _FILL_SYNC
    sync.execute(first)
    with sync.cursor().copy("COPY source FROM STDIN") as rows:
        for row in registry.execute(_READ_SOURCES):
            rows.write_row(row)
    values = {"category": CATEGORY, "agency": codes[0], "agencies": psycopg.types.json.Json(codes)}
    for statement in others:
        sync.execute(statement, values)


def _open(instance: Instance, sync: psycopg.Connection[Any]) -> None:
    sync.execute(_OPEN, {"category": CATEGORY, "agency": instance.profile.agencies[0].code})


async def _wait_for_night(instance: Instance, sync: psycopg.Connection[Any]) -> dict[str, float]:
    """Returns the most resident memory (MiB) that the two services' processes had, by name."""
    pids = {process.name: process.pid for name in (REGISTRY, SYNC) for process in instance.services[name].processes}
    peaks = dict.fromkeys(pids, 0.0)
    async with asyncio.timeout(PATIENCE):
        while _fetch(sync, _LEFT)[0]:
            peaks = {name: max(peaks[name], read_memory(pid).resident) for name, pid in pids.items()}
            await asyncio.sleep(INTERVAL)
    return peaks


async def _wait_for_feed(sync: psycopg.Connection[Any], arrived: set[bytes]) -> None:
    """Waits until every agency's feed has every card, and the subscriber of the last one too."""
    async with asyncio.timeout(PATIENCE):
        while (_fetch(sync, _FEED)[0] or 0) < PACED_CARDS * AGENCIES or len(arrived) < PACED_CARDS:
            await asyncio.sleep(INTERVAL)


async def _follow(channel: Any, agency: str, arrived: set[bytes]) -> None:
    request = feed_pb2.StreamChangesRequest(agency=agency, category=CATEGORY, subscriber="bench")
    while True:
        async for part in FeedStub(channel).StreamChanges(request):
            for change in part.changes:
                arrived.add(change.certificate_sha256)
                request.after.CopyFrom(change.position)


def _fetch(connection: psycopg.Connection[Any], statement: str) -> Sequence[Any]:
    row: Sequence[Any] | None = connection.execute(statement).fetchone()
    assert row is not None
    return row
