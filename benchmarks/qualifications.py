"""How long after an import the other services know where its bidders are qualified, and what log-ins lose meanwhile."""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psycopg

from benchmarks.registration_instance import CATEGORY, MAPPING, write_profile
from benchmarks.results import Measured, write_aim
from instance_profile.base import OPERATOR
from operator_command.instance_certificates import OFFICER
from operator_command.launcher.instance import Instance, running_instance
from tests.support.rosters import write_roster
from tests.support.running_instance import QUALIFICATION_REGISTRY, channel_to, import_roster, officer_at
from toroku.certificate.v1 import user_lookup_pb2
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupStub

if TYPE_CHECKING:
    from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupAsyncStub

BIDDERS, AGENCIES = 30_000, 60
# Log-ins at a time, and seconds for which they are counted before the import.
AT_A_TIME, BEFORE = 8, 5.0
INTERVAL = 0.1
# Where each consumer keeps the states.
TABLES = {"certificate-registry": "bidder_state", "agency-sync": "bidder_states"}
# Seconds, and of the log-ins before.
MOST_SECONDS, LEAST_LOG_INS = 60.0, 2 / 3


@dataclass(slots=True)
class LogIns:
    """Calls of ResolveUser without end, by an e-bidding system."""

    lookup: "UserLookupAsyncStub"
    agency: str
    count: int = 0

    async def go_on(self) -> None:
        """Asks until the task is cancelled."""
        request = user_lookup_pb2.ResolveUserRequest(
            agency=self.agency, category=CATEGORY, certificate_sha256=b"c" * 32, possession_verified=True
        )
        while True:
            await self.lookup.ResolveUser(request)
            self.count += 1

    async def measure_rate(self, wait: Callable[[], "asyncio.Future[None]"]) -> tuple[float, float]:
        """Returns the calls a second until what is waited for has ended, and how long that was."""
        began, before = time.perf_counter(), self.count
        await wait()
        seconds = time.perf_counter() - began
        return (self.count - before) / seconds, seconds


async def measure() -> Measured:
    """Prints the seconds from the commit until both consumers have all states, and the log-ins before and meanwhile."""
    print(f"durable database (fsync on); {BIDDERS:,} bidders, each at {AGENCIES} agencies")
    with TemporaryDirectory(prefix="toroku-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        profile = write_profile(folder / "profile.yaml", AGENCIES)
        async with running_instance(profile, folder / "state", durable=True) as instance:
            mapping = instance.profile.mapping(MAPPING)
            roster = write_roster(folder / "roster.csv", instance.profile, mapping, BIDDERS, everywhere=True)
            agency = instance.profile.agencies[-1].code
            identity = instance.certificates.agencies[agency]
            async with channel_to(instance, identity, "user-lookup") as channel, asyncio.TaskGroup() as tasks:
                log_ins = LogIns(UserLookupStub(channel), agency)
                going_on = [tasks.create_task(log_ins.go_on()) for _ in range(AT_A_TIME)]
                usual, _ = await log_ins.measure_rate(lambda: asyncio.ensure_future(asyncio.sleep(BEFORE)))
                await _import(instance, roster)
                meanwhile, seconds = await log_ins.measure_rate(lambda: asyncio.ensure_future(_wait_for_all(instance)))
                for task in going_on:
                    task.cancel()
    print(f"log-ins: {usual:,.0f}/s before, {meanwhile:,.0f}/s meanwhile, {AT_A_TIME} at a time")
    print(write_aim("seconds from the commit to both consumers' last state", seconds, MOST_SECONDS, unit=" s"))
    print(write_aim("log-ins meanwhile, of those before", meanwhile / usual, LEAST_LOG_INS, most=False))
    return Measured({"seconds": seconds, "log-ins/s": usual, "log-ins/s meanwhile": meanwhile})


async def _import(instance: Instance, roster: Path) -> None:
    officer = officer_at(instance, f"{OPERATOR}/{OFFICER}", QUALIFICATION_REGISTRY)
    async with officer.channel:
        await import_roster(officer, roster, MAPPING)


async def _wait_for_all(instance: Instance) -> None:
    """Waits until both consumers keep the state of each bidder."""
    with ExitStack() as stack:
        looks = [
            (
                stack.enter_context(psycopg.connect(instance.services[service].database or "", autocommit=True)),
                f"SELECT count(*) FROM {table}",  # noqa: S608  # constants
            )
            for service, table in TABLES.items()
        ]
        while min(connection.execute(count).fetchone()[0] for connection, count in looks) < BIDDERS:  # type: ignore[index]
            await asyncio.sleep(INTERVAL)
