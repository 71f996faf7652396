"""A step of an operation that is interrupted within its transaction, for tests that kill processes.

A table that the step writes to is locked, so that it waits; the process is killed, the lock is released.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg

from operator_command.launcher.processes import Process
from refusals import Refusal
from tests.support.running_instance import RunningInstance

SETTLED = 60.0
# Reasons that a caller may get while a service is down; any other reason would be damage.
TRANSIENT = {"PEER_UNREACHABLE", "PEER_FAILED", "CHALLENGE_USED"}
SERVICES = ("front-door", "qualification-registry", "certificate-registry", "contact-notification", "agency-sync")
# The front door has no state and no worker.
PROCESSES = ("front-door", *(f"{service}{kind}" for service in SERVICES[1:] for kind in ("", " worker")))


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an operation, and the service's table for which it waits."""

    name: str
    service: str
    table: str


@asynccontextmanager
async def held_in_transaction(
    instance: RunningInstance, step: Step, action: Callable[[], Awaitable[object]]
) -> AsyncIterator["asyncio.Future[object]"]:
    """Runs the step until it waits for the locked table; releases the lock at the end of the block."""
    dsn = instance.launched.services[step.service].database
    assert dsn is not None
    async with (
        await psycopg.AsyncConnection.connect(dsn) as holder,
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as watcher,
    ):
        await holder.execute(f"LOCK TABLE {step.table} IN ACCESS EXCLUSIVE MODE")
        running = asyncio.ensure_future(action())
        async with asyncio.timeout(20):
            while not await _is_waiting_for(watcher, step.table):
                await asyncio.sleep(0.01)
        yield running


async def _is_waiting_for(watcher: "psycopg.AsyncConnection[tuple[object, ...]]", table: str) -> bool:
    query = "SELECT 1 FROM pg_locks WHERE relation = to_regclass(%s) AND NOT granted LIMIT 1"
    return await (await watcher.execute(query, [f"public.{table}"])).fetchone() is not None


def processes_of(instance: RunningInstance, service: str) -> list[Process]:
    """Returns the processes of a service: its server, and its worker where it has one."""
    return [process for process in instance.launched.processes if process.name in (service, f"{service} worker")]


def process_of(instance: RunningInstance, name: str) -> Process:
    """Returns a process of the instance by its name."""
    return next(process for process in instance.launched.processes if process.name == name)


async def count_rows(
    instance: RunningInstance, service: str, table: str, certificate_sha256: bytes, where: str = "true"
) -> int:
    """Counts the rows of a card in a service's table."""
    dsn = instance.launched.services[service].database
    assert dsn is not None
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        query = f"SELECT count(*) FROM {table} WHERE certificate_sha256 = %s AND {where}"  # noqa: S608  # table names are those of the tests
        row = await (await connection.execute(query, [certificate_sha256])).fetchone()
    assert row is not None
    return int(row[0])


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits until the condition holds; raises TimeoutError after a minute."""
    async with asyncio.timeout(SETTLED):
        while not await condition():
            await asyncio.sleep(0.1)


async def repeat_while_away(action: Callable[[], Awaitable[object]]) -> None:
    """Repeats what a person does after a lost answer, until no service is away; raises TimeoutError after a minute.

    Raises every refusal but those of TRANSIENT.
    """
    async with asyncio.timeout(SETTLED):
        while True:
            try:
                await action()
            except Refusal as refusal:
                if refusal.reason not in TRANSIENT:
                    raise
            else:
                return
            await asyncio.sleep(0.2)
