"""The history: what an entry costs its writer, how fast entries are sealed, and how fast they are verified.

Verification is compared with bare SHA-256 of the same bytes: salts with details, and entries as canonical JSON.
"""

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.results import Measured, write_aim
from history.entries import SignedAct, StoredEntry, write_entry
from history.heads import SealedBatch
from history.reading import read_history
from history.tables import create_history
from history.verification import Verification, verify_history
from history.writing import write_history
from operator_command.launcher.postgresql import running_postgresql
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.signed_statement import SigningKey
from tests.support.history import CHAIN, make_entry, make_key, seal_all

ENTRIES, SINGLE, ROUNDS = 30_000, 500, 3
# As large as those of a registration: purpose, signature of RSA-2048, certificate.
ACT = SignedAct(b"p" * 900, "rsa-pss-sha256", b"s" * 256, b"c" * 1400)
MOST_CPU = 0.5e-3
LEAST_SEALED = 2_000


async def measure() -> Measured:
    """Prints the figures, with the aims for writing and sealing."""
    print("durable database (fsync on)")
    with tempfile.TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        with running_postgresql(Path(folder) / "postgresql", durable=True) as server:
            server.provide_role("bench")
            dsn = server.provide_database("bench", "bench")
            with psycopg.connect(dsn, autocommit=True) as connection:
                create_history(lambda statement: connection.execute(statement.encode()))
            async with Database.open(dsn, pool=1) as database:
                return await _measure(database, make_key())


async def _measure(database: Database, key: SigningKey) -> Measured:
    figures = {"CPU µs of an entry": await _measure_entry(database) * 1e6}
    sealed, written = [], []
    for _ in range(ROUNDS):
        # What the singly written left is sealed before.
        await seal_all(database, key)
        began = time.perf_counter()
        async with database.transaction() as connection:
            await write_history(connection, CHAIN, (make_entry(number, act=ACT) for number in range(ENTRIES)))
        written.append(ENTRIES / (time.perf_counter() - began))
        began = time.perf_counter()
        await seal_all(database, key)
        sealed.append(ENTRIES / (time.perf_counter() - began))
    figures |= {"written entries/s": statistics.median(written), "sealed entries/s": statistics.median(sealed)}
    figures |= await _measure_verification(database, key)
    cpu = figures["CPU µs of an entry"] / 1e6
    print(write_aim("CPU of one entry in a transaction", cpu * 1e3, MOST_CPU * 1e3, unit=" ms"))
    print(f"  {ENTRIES:,} entries in one transaction: {figures['written entries/s']:,.0f} entries/s")
    print(write_aim("sealed", figures["sealed entries/s"], LEAST_SEALED, unit=" entries/s", most=False))
    print(
        f"  verified {figures['verified entries/s']:,.0f} entries/s, with the database "
        f"{figures['read and verified entries/s']:,.0f}; bare SHA-256 of the same bytes "
        f"{figures['bare entries/s']:,.0f}, ratio {figures['ratio to bare']:.2f}"
    )
    return Measured(figures)


async def _measure_entry(database: Database) -> float:
    """Returns the CPU seconds of this process that an entry adds to a transaction."""
    entries = [make_entry(number, act=ACT) for number in range(SINGLE)]

    async def write_one(connection: Connection, number: int) -> None:
        await write_history(connection, CHAIN, [entries[number]])

    async def write_nothing(_connection: Connection, _number: int) -> None:
        pass

    differences = []
    for round_number in range(ROUNDS + 1):
        with_entry = await _time(database, write_one)
        without = await _time(database, write_nothing)
        if round_number:
            differences.append(with_entry - without)
    return statistics.median(differences)


async def _time(database: Database, work: Callable[[Connection, int], Awaitable[None]]) -> float:
    began = time.process_time()
    for number in range(SINGLE):
        async with database.transaction() as connection:
            await work(connection, number)
    return (time.process_time() - began) / SINGLE


async def _measure_verification(database: Database, key: SigningKey) -> dict[str, float]:
    keys = {key.key_id: key.public_key}
    items: list[SealedBatch | StoredEntry] = []
    began = time.perf_counter()
    verification = Verification(CHAIN, keys)
    findings: list[Any] = []
    async for portion in read_history(database):
        for item in portion:
            findings += verification.take(item)
        items += portion
    findings += verification.end()
    seconds = time.perf_counter() - began
    if findings:
        raise RuntimeError(f"the history is not what was sealed: {findings[:3]}")
    entries = [item for item in items if isinstance(item, StoredEntry)]
    hashed = [
        part
        for entry in entries
        for part in (
            (entry.salt or b"") + (entry.details or "").encode(),
            b"\x00" + write_entry(CHAIN, entry, entry.details_digest).encode(),
        )
    ]
    ours, bare = [], []
    for _ in range(ROUNDS):
        began = time.process_time()
        findings += verify_history(items, Verification(CHAIN, keys))
        ours.append(len(entries) / (time.process_time() - began))
        began = time.process_time()
        for part in hashed:
            sha256(part).digest()
        bare.append(len(entries) / (time.process_time() - began))
    return {
        "verified entries/s": statistics.median(ours),
        "read and verified entries/s": len(entries) / seconds,
        "bare entries/s": statistics.median(bare),
        "ratio to bare": statistics.median(one / other for one, other in zip(ours, bare, strict=True)),
    }
