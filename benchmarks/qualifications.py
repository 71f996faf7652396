"""How long after an import the other services know where its bidders are qualified, and what log-ins lose meanwhile."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from benchmarks.log_ins import AT_A_TIME, BEFORE, LEAST_LOG_INS, LogIns
from benchmarks.registration_instance import CATEGORY, MAPPING, write_profile
from benchmarks.results import Measured, write_aim
from instance_profile.base import OPERATOR
from operator_command.instance_certificates import OFFICER
from operator_command.launcher.instance import Instance, running_instance
from tests.support.rosters import write_roster
from tests.support.running_instance import QUALIFICATION_REGISTRY, channel_to, import_roster, officer_at
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupStub

BIDDERS, AGENCIES = 30_000, 60
INTERVAL = 0.1
# Where each consumer keeps the states.
TABLES = {"certificate-registry": "bidder_state", "agency-sync": "bidder_states"}
MOST_SECONDS = 60.0


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
                log_ins = LogIns(UserLookupStub(channel), agency, CATEGORY)
                going_on = tasks.create_task(log_ins.go_on())
                usual, _ = await log_ins.measure_rate(asyncio.sleep(BEFORE))
                await _import(instance, roster)
                meanwhile, seconds = await log_ins.measure_rate(_wait_for_all(instance))
                going_on.cancel()
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
