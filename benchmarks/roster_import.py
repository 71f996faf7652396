"""The import of a roster of 200,000 bidders against a bare COPY of the same file, in the same database server.

Ours is what an officer does, over gRPC with mTLS: preview and commit, first into an empty registry, then again with a
file in which one bidder of a hundred is gone and one is new. Bare is the file as it is into a table of texts.
"""

import asyncio
import csv
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from operator_command.launcher.instance import OFFICER, Instance, running_instance
from servicekit.database import connection_settings
from tests.support.rosters import write_roster
from tests.support.running_instance import PIECE, PROFILE, channel_to, import_roster
from toroku.qualification.v1.service_pb2_grpc import QualificationRegistryStub

if TYPE_CHECKING:
    from toroku.qualification.v1.service_pb2_grpc import QualificationRegistryAsyncStub

MAPPING = "saitama-standard"
ROWS, ROUNDS = 200_000, 5
# What an import writes. Who was told of new bidders is not among it, so that each round tells it again.
TABLES = "rosters, roster_imports, roster_file_pieces, grade_kinds, roster_lines, undecided_lines, bidders"
# What happened before a message of each step came; pieces are received while others are on their way.
STEPS = {
    "receive": "receive",
    "read": "read, check, compare, write lines",
    "compare": "read, check, compare, write lines",
    "write": "find who is gone",
    "preview": "keep the preview",
    "begin to commit": "commit",
    "commit": "commit",
}


@dataclass(slots=True)
class Stopwatch:
    """Seconds of each step of one import."""

    steps: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _last: float = field(default_factory=time.perf_counter)

    def record(self, step: str) -> None:
        """Counts the time since the message before."""
        now = time.perf_counter()
        self.steps[STEPS[step]] += now - self._last
        self._last = now

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return sum(self.steps.values())


async def measure() -> None:
    """Prints rows per second of each, their ratios, and where the time of an import goes."""
    with tempfile.TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        async with running_instance(PROFILE, Path(folder) / "state") as instance:
            mapping = instance.profile.mapping(MAPPING)
            first = write_roster(Path(folder) / "first.csv", instance.profile, mapping, ROWS)
            again = write_roster(Path(folder) / "again.csv", instance.profile, mapping, ROWS, first=1 + ROWS // 100)
            print(f"{ROWS:,} rows, {first.stat().st_size / 1e6:.0f} MB")
            bare: list[float] = []
            imports: dict[str, list[Stopwatch]] = {"into an empty registry": [], "again, 1 % of it new": []}
            for round_number in range(ROUNDS + 1):
                copied = await _copied(instance, first)
                watches = await _imported(instance, first, again)
                # The first round only warms up.
                if round_number:
                    bare.append(copied)
                    for found, watch in zip(imports.values(), watches, strict=True):
                        found.append(watch)
    _print(bare, imports)


def _print(bare: list[float], imports: dict[str, list[Stopwatch]]) -> None:
    print(f"bare COPY {_rates(bare)}")
    for name, watches in imports.items():
        took = [watch.seconds for watch in watches]
        ratios = [one / other for one, other in zip(bare, took, strict=True)]
        print(f"import {name}: {_rates(took)}")
        # The fastest of each tell the most on a machine that has other things to do.
        fastest = min(bare) / min(took)
        print(
            f"  ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}),"
            f" of the fastest of each {fastest:.2f}"
        )
        for step in watches[0].steps:
            share = statistics.median(watch.steps[step] / watch.seconds for watch in watches)
            print(f"  {step:<34} {share:4.0%}")


def _rates(took: list[float]) -> str:
    median, fastest, slowest = (ROWS / seconds for seconds in (statistics.median(took), min(took), max(took)))
    return f"{median:7,.0f} rows/s ({slowest:,.0f} to {fastest:,.0f})"


async def _imported(instance: Instance, first: Path, again: Path) -> list[Stopwatch]:
    """Imports one file after the other into a registry that is emptied before."""
    with _connected(instance) as connection:
        connection.execute(f"TRUNCATE {TABLES}")
    officer = instance.certificates.officers[f"{instance.profile.agencies[0].code}/{OFFICER}"]
    watches = []
    async with channel_to(instance, officer, "qualification-registry") as channel:
        registry: QualificationRegistryAsyncStub = QualificationRegistryStub(channel)
        for file in (first, again):
            watch = Stopwatch()
            await import_roster(registry, file, MAPPING, on_step=watch.record)
            watches.append(watch)
            # The worker tells of new bidders meanwhile; what is measured next is to have the machine for itself.
            await _until_all_is_told(instance)
    return watches


async def _until_all_is_told(instance: Instance) -> None:
    async with asyncio.timeout(120):
        while await asyncio.to_thread(_jobs, instance):
            await asyncio.sleep(0.1)


def _jobs(instance: Instance) -> int:
    with _connected(instance) as connection:
        row = connection.execute("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')").fetchone()
    assert row is not None
    return int(row[0])


async def _copied(instance: Instance, file: Path) -> float:
    return await asyncio.to_thread(_copy, instance, file)


def _copy(instance: Instance, file: Path) -> float:
    """Seconds of a COPY with its commit."""
    with file.open(encoding="utf-8-sig", newline="") as opened:
        columns = next(csv.reader(opened))
    table = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(column)) for column in columns)
    with _connected(instance) as connection:
        connection.execute(sql.SQL("CREATE TABLE bare_copy ({})").format(table))
        try:
            began = time.perf_counter()
            with (
                file.open("rb") as opened_again,
                connection.cursor().copy("COPY bare_copy FROM STDIN (FORMAT csv, HEADER)") as copy,
            ):
                while piece := opened_again.read(PIECE):
                    copy.write(piece)
            took = time.perf_counter() - began
            row = connection.execute("SELECT count(*) FROM bare_copy").fetchone()
            if row != (ROWS,):
                raise RuntimeError(f"COPY brought {row} rows")
            return took
        finally:
            connection.execute("DROP TABLE bare_copy")


def _connected(instance: Instance) -> psycopg.Connection:
    dsn = instance.services["qualification-registry"].database or ""
    return psycopg.connect(dsn, autocommit=True, **connection_settings(dsn))
