"""One SELECT by key through servicekit, side by side with the same one by bare psycopg: CPU of this process."""

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
from sqlalchemy import bindparam, column, select, table

from benchmarks.results import Measured, write_aim
from operator_command.launcher.postgresql import running_postgresql
from servicekit.database import Database
from servicekit.statements import Statement

ROWS, READS, ROUNDS = 10_000, 2_000, 7
MOST = 1.5
_NAMES = table("names", column("key"), column("name"))
_FIND = Statement(select(_NAMES.c.name).where(_NAMES.c.key == bindparam("key")))
_SAME = "SELECT name FROM names WHERE key = %(key)s"


async def measure() -> Measured:
    """Prints the CPU of both, and their ratio."""
    with tempfile.TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        with running_postgresql(Path(folder) / "postgresql", durable=False) as server:
            server.provide_role("bench")
            dsn = server.provide_database("bench", "bench")
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("CREATE TABLE names (key integer PRIMARY KEY, name text NOT NULL)")
                connection.execute("INSERT INTO names SELECT n, 'name ' || n FROM generate_series(1, %s) n", (ROWS,))
                connection.execute("ANALYZE names")
            print(f"{READS:,} reads a round; fsync is off, since neither side writes")
            return Measured(await _compare(dsn))


async def _compare(dsn: str) -> dict[str, float]:
    bare: list[float] = []
    ours: list[float] = []
    async with (
        Database.open(dsn, pool=1) as database,
        # The same connection for every read: no pool either.
        await psycopg.AsyncConnection.connect(dsn, autocommit=True, prepare_threshold=0) as bare_connection,
    ):

        async def read_bare(key: int) -> str:
            row = await (await bare_connection.execute(_SAME, {"key": key})).fetchone()
            assert row is not None
            return str(row[0])

        async def read_ours(key: int) -> str:
            async with database.read() as connection:
                return str(await connection.fetch_value(_FIND, key=key))

        for round_number in range(ROUNDS + 1):
            # The order alternates, so that neither is always first; the first round only warms up.
            for which, read in ((bare, read_bare), (ours, read_ours))[:: 1 if round_number % 2 else -1]:
                cpu = await _time(read)
                if round_number:
                    which.append(cpu)
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    figures = {
        "bare CPU µs": statistics.median(bare) * 1e6,
        "ours CPU µs": statistics.median(ours) * 1e6,
        "ratio": statistics.median(ratios),
    }
    print(f"  bare {figures['bare CPU µs']:.0f} µs, ours {figures['ours CPU µs']:.0f} µs of CPU here")
    print(write_aim(f"ratio ({min(ratios):.2f} to {max(ratios):.2f})", figures["ratio"], MOST))
    return figures


async def _time(read: Callable[[int], Awaitable[str]]) -> float:
    """Returns the CPU seconds of this process per read."""
    began = time.process_time()
    for number in range(READS):
        key = number * 7 % ROWS + 1
        if await read(key) != f"name {key}":
            raise RuntimeError("another row was read")
    return (time.process_time() - began) / READS
