"""The import of a roster of 200,000 bidders, side by side with a bare COPY of the same file in the same server.

Ours is an officer's import over gRPC with mTLS: preview and commit, first into an empty registry, then again with a
file in which one bidder of a hundred is gone and one is new. Bare is the unchanged file into a table of texts.
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

from benchmarks.results import Measured, write_aim
from operator_command.instance_certificates import OFFICER
from operator_command.launcher.instance import Instance, running_instance
from servicekit.database import build_connection_settings
from tests.support.rosters import write_roster
from tests.support.running_instance import PIECE, PROFILE, QUALIFICATION_REGISTRY, import_roster, officer_at

if TYPE_CHECKING:
    pass

MAPPING = "saitama-standard"
ROWS, ROUNDS = 200_000, 5
LEAST_RATIO = 0.3
# The tables that an import writes; without the record of reported bidders, so that each round reports them again.
TABLES = (
    "rosters, roster_terms, roster_imports, roster_file_pieces, grade_kinds, roster_lines, undecided_lines, bidders,"
    " assigned_numbers"
)
# The work that precedes a message of each step; pieces are received while others are in transit.
STEPS = {
    "receive": "receive",
    "read": "read, check, compare, write lines",
    "compare": "read, check, compare, write lines",
    "write": "find removed bidders",
    "preview": "store the preview",
    "begin to commit": "commit",
    "commit": "commit",
}


@dataclass(slots=True)
class Stopwatch:
    """The seconds of each step of one import."""

    steps: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _last: float = field(default_factory=time.perf_counter)

    def record(self, step: str) -> None:
        """Adds the time since the previous message to a step."""
        now = time.perf_counter()
        self.steps[STEPS[step]] += now - self._last
        self._last = now

    @property
    def seconds(self) -> float:
        """Returns the seconds of all steps."""
        return sum(self.steps.values())


async def measure() -> Measured:
    """Prints rows per second of each, their ratios, and how the time of an import is divided."""
    print("durable database (fsync on)")
    with tempfile.TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        async with running_instance(PROFILE, Path(folder) / "state", durable=True) as instance:
            mapping = instance.profile.mapping(MAPPING)
            first = write_roster(Path(folder) / "first.csv", instance.profile, mapping, ROWS)
            again = write_roster(Path(folder) / "again.csv", instance.profile, mapping, ROWS, first=1 + ROWS // 100)
            print(f"{ROWS:,} rows, {first.stat().st_size / 1e6:.0f} MB")
            bare: list[float] = []
            imports: dict[str, list[Stopwatch]] = {"into an empty registry": [], "again, 1 % of it new": []}
            for round_number in range(ROUNDS + 1):
                copied = await _measure_copy(instance, first)
                watches = await _measure_imports(instance, first, again)
                # The first round only warms up.
                if round_number:
                    bare.append(copied)
                    for measured, watch in zip(imports.values(), watches, strict=True):
                        measured.append(watch)
    return Measured(_print(bare, imports))


def _print(bare: list[float], imports: dict[str, list[Stopwatch]]) -> dict[str, float]:
    figures = {"bare rows/s": ROWS / statistics.median(bare)}
    print(f"bare COPY {_rates(bare)}")
    for name, watches in imports.items():
        durations = [watch.seconds for watch in watches]
        ratios = [one / other for one, other in zip(bare, durations, strict=True)]
        print(f"import {name}: {_rates(durations)}")
        figures[f"import {name}: rows/s"] = ROWS / statistics.median(durations)
        figures[f"import {name}: ratio"] = statistics.median(ratios)
        # The fastest runs are the most comparable on a machine with other load.
        fastest = min(bare) / min(durations)
        print(
            f"  ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            f", of the fastest runs {fastest:.2f}"
        )
        print(write_aim("ratio", statistics.median(ratios), LEAST_RATIO, most=False))
        for step in watches[0].steps:
            share = statistics.median(watch.steps[step] / watch.seconds for watch in watches)
            print(f"  {step:<34} {share:4.0%}")
    return figures


def _rates(durations: list[float]) -> str:
    median, shortest, longest = statistics.median(durations), min(durations), max(durations)
    return f"{ROWS / median:7,.0f} rows/s ({ROWS / longest:,.0f} to {ROWS / shortest:,.0f})"


async def _measure_imports(instance: Instance, first: Path, again: Path) -> list[Stopwatch]:
    """Empties the registry, then imports both files one after the other."""
    with _connected(instance) as connection:
        connection.execute(f"TRUNCATE {TABLES}")
    officer = officer_at(instance, f"{instance.profile.agencies[0].code}/{OFFICER}", QUALIFICATION_REGISTRY)
    watches = []
    async with officer.channel:
        for file in (first, again):
            watch = Stopwatch()
            await import_roster(officer, file, MAPPING, on_step=watch.record)
            watches.append(watch)
            # The worker still reports new bidders; the next measurement must not share the machine with it.
            await _wait_for_jobs(instance)
    return watches


async def _wait_for_jobs(instance: Instance) -> None:
    async with asyncio.timeout(120):
        while await asyncio.to_thread(_count_jobs, instance):
            await asyncio.sleep(0.1)


def _count_jobs(instance: Instance) -> int:
    with _connected(instance) as connection:
        row = connection.execute("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')").fetchone()
    assert row is not None
    return int(row[0])


async def _measure_copy(instance: Instance, file: Path) -> float:
    return await asyncio.to_thread(_copy, instance, file)


def _copy(instance: Instance, file: Path) -> float:
    """Returns the seconds of a COPY with its commit."""
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
            seconds = time.perf_counter() - began
            row = connection.execute("SELECT count(*) FROM bare_copy").fetchone()
            if row != (ROWS,):
                raise RuntimeError(f"COPY wrote {row} rows")
            return seconds
        finally:
            connection.execute("DROP TABLE bare_copy")


def _connected(instance: Instance) -> psycopg.Connection:
    dsn = instance.services["qualification-registry"].database or ""
    return psycopg.connect(dsn, autocommit=True, **build_connection_settings(dsn))
