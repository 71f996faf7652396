"""Runs the statements of the floor by pgbench, in the databases of an instance whose services have ended."""

import asyncio
import os
import re
import resource
from collections.abc import Sequence
from pathlib import Path

from benchmarks.floor.cost import Cost
from benchmarks.floor.entries import Step
from benchmarks.process_costs import read_cpu
from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from servicekit.database import SEARCH_PATH

# Operations of one client of pgbench.
_MOST = 1_000_000
_UNTIL_BACKENDS_END = 0.5
_SECONDS = re.compile(r"^latency average = ([0-9.]+) ms", re.MULTILINE)
_DONE = re.compile(r"^number of transactions actually processed: (\d+)/(\d+)", re.MULTILINE)


def write_script(steps: Sequence[Step], *, first_bidder: int, bidders: int) -> str:
    """Returns one operation's statements in one database as a script of pgbench."""
    # In the order of each client, so that an operation finds what the one before it left under the same number.
    lines = [
        r"\set done :done + 1",
        rf"\set n :first + :client_id * {_MOST} + :done",
        rf"\set bidder {first_bidder} + :n % {bidders}",
    ]
    for step in steps:
        lines.append(f"-- {step.name}")
        lines.extend(["BEGIN;"] if step.has_block else [])
        lines.extend(
            f"{statement.sql} \\gset" if statement.gets else f"{statement.sql};" for statement in step.statements
        )
        lines.extend(["COMMIT;"] if step.has_block else [])
    return "\n".join(lines) + "\n"


async def run_statements(
    server: EmbeddedPostgreSQL, dsn: str, script: Path, *, first: int, agencies: int, clients: int, operations: int
) -> Cost:
    """Runs a script for `operations` operations; returns the cost of each, of pgbench and server together.

    Their numbers come after `first`, and are the same for each run with as many clients and operations.

    Raises RuntimeError where pgbench failed: the list names what the schema no longer has.
    """
    used_before, server_before = _read_children(), read_cpu(server.pid)
    process = await asyncio.create_subprocess_exec(
        str(server.find_binaries() / "pgbench"),
        *("--no-vacuum", "--protocol=prepared", f"--file={script}", f"--define=agencies={agencies}"),
        *(f"--define=first={first}", "--define=done=0"),
        *(f"--client={clients}", f"--jobs={min(clients, os.cpu_count() or 1)}"),
        f"--transactions={operations // clients}",
        dsn,
        env=os.environ | {"PGOPTIONS": f"-c search_path={SEARCH_PATH}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    written, complaints = (output.decode(errors="replace") for output in await process.communicate())
    done = _DONE.search(written)
    if process.returncode or done is None or done[1] != done[2]:
        raise RuntimeError(f"the floor's statements failed in {script.stem}:\n{complaints.strip()[-2000:]}")
    count = int(done[1])
    latency = _SECONDS.search(written)
    assert latency is not None
    # Its backends end after pgbench, and are counted when the server has noticed.
    await asyncio.sleep(_UNTIL_BACKENDS_END)
    cpu = _read_children() - used_before + read_cpu(server.pid) - server_before
    return Cost(float(latency[1]) / 1000 / clients, cpu / count)


def _read_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
