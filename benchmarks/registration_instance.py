"""An instance with as many agencies as wanted, whose bidders are qualified at all of them, and its empty queues."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psycopg
import yaml

from instance_profile.base import OPERATOR
from operator_command.instance_certificates import OFFICER
from operator_command.launcher.instance import Instance, running_instance
from simulators.certificate_authorities import CertificateAuthority
from simulators.crl_server import crl_server
from simulators.instance_overlay import card_authority, write_overlay
from tests.support.contractor import Contractor
from tests.support.infrastructure.trace_collector import CollectedSpans, trace_collector
from tests.support.rosters import write_roster
from tests.support.running_instance import PROFILE, QUALIFICATION_REGISTRY, import_roster, issue_passwords, officer_at

CATEGORY, MAPPING = "works", "saitama-standard"
# Seconds that the jobs of a run may take, and between two looks at the queues.
PATIENCE, POLL_INTERVAL = 300.0, 0.1
# A periodic job always waits for its time, under its name as queueing lock. Another one whose time has not come is a
# mail that waits until its act's entry is sealed.
_WAITING = """
    SELECT (SELECT count(*) FROM jobs.procrastinate_jobs WHERE status = 'doing' OR status = 'todo' AND (
            scheduled_at IS NULL OR scheduled_at <= now() OR (%(delayed)s AND queueing_lock IS NULL))),
        (SELECT last_value FROM jobs.procrastinate_jobs_id_seq)
"""
# Transactions are numbered when they first write, for all databases together.
_PROGRESS = """
    SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint
"""


@dataclass(slots=True)
class RegistrationInstance:
    """A running instance, and what a contractor needs to register there; every contractor is another bidder."""

    launched: Instance
    collected: CollectedSpans
    front_door: grpc.aio.Channel
    ca: CertificateAuthority
    # Company name and password by bidder id, of those that have not registered yet.
    bidders: dict[str, tuple[str, str]]
    _databases: Sequence[psycopg.Connection[tuple[Any, ...]]]

    def contractor(self) -> Contractor:
        """Returns a contractor with a new card at the first agency, whose bidder is qualified at all agencies."""
        bidder_id, (name, password) = self.bidders.popitem()
        return Contractor(
            channel=self.front_door,
            card=self.ca.issue(company=name),
            agency=self.launched.profile.agencies[0].code,
            category=CATEGORY,
            company_name=name,
            bidder_id=bidder_id,
            password=password,
        )

    async def end_services(self) -> None:
        """Ends all processes but the database server, so that nothing but a floor uses it."""
        await asyncio.gather(*(process.stop() for process in self.launched.processes))

    async def wait_until_idle(self, *, delayed: bool = True) -> float:
        """Waits until no queue of any service has a job, and two looks in a row have seen no new one.

        Jobs whose time has not come are waited for too if `delayed`. Returns when the first of the two looks began, by
        the monotonic clock: nothing was done after it.
        """
        previous: list[tuple[int, ...]] = []
        idle_since = 0.0
        async with asyncio.timeout(PATIENCE):
            while True:
                looked_at = time.monotonic()
                current = [self._look(connection, delayed) for connection in self._databases]
                if current == previous and not any(waiting for waiting, _ in current):
                    return idle_since
                previous, idle_since = current, looked_at
                await asyncio.sleep(POLL_INTERVAL)

    def read_progress(self) -> tuple[int, int]:
        """Returns the bytes of WAL, and the transactions that wrote something, since the server was initialised."""
        row = self._databases[0].execute(_PROGRESS).fetchone()
        assert row is not None
        return row[0], row[1]

    @staticmethod
    def _look(connection: psycopg.Connection[tuple[Any, ...]], delayed: bool) -> tuple[int, ...]:
        row = connection.execute(_WAITING, {"delayed": delayed}).fetchone()
        assert row is not None
        return row


@asynccontextmanager
async def registration_instance(
    folder: Path,
    *,
    agencies: int,
    bidders: int,
    trace_sampling: float,
    postgresql_settings: Mapping[str, str] | None = None,
) -> AsyncIterator[RegistrationInstance]:
    """Runs an instance on a durable database, with its files below `folder`."""
    root = CertificateAuthority.create()
    ca = CertificateAuthority.create("Toroku Test Issuing CA", parent=root)
    async with trace_collector() as collected:
        with crl_server(ca.crl) as url, crl_server(root.crl) as root_url, ExitStack() as connections:
            overlay = write_overlay(folder / "overlay.yaml", [card_authority(ca, (url, root_url))])
            async with running_instance(
                write_profile(folder / "profile.yaml", agencies),
                folder / "state",
                overlay=overlay,
                durable=True,
                further_settings={
                    "TOROKU_OTLP_ENDPOINT": collected.endpoint,
                    "TOROKU_TRACE_SAMPLING": str(trace_sampling),
                },
                postgresql_settings=postgresql_settings,
            ) as launched:
                passwords = await _import_bidders(launched, bidders, folder)
                databases: list[psycopg.Connection[tuple[Any, ...]]] = [
                    connections.enter_context(launched.postgresql.connect(running.service.identifier))
                    for running in launched.services.values()
                    if running.service.keeps_database
                ]
                trusted = grpc.ssl_channel_credentials(launched.certificates.public.authority.read_bytes())
                async with grpc.aio.secure_channel(launched.front_door, trusted) as front_door:
                    instance = RegistrationInstance(launched, collected, front_door, ca, passwords, databases)
                    await instance.wait_until_idle()
                    yield instance


def write_profile(file: Path, agencies: int) -> Path:
    """Writes the profile with its first agencies that offer the category, or with further ones like the last of them.

    An overlay could only add some: it has no way to take agencies away.
    """
    content: dict[str, Any] = yaml.safe_load(PROFILE.read_text("utf-8"))
    known = [agency for agency in content["agencies"] if CATEGORY in agency["categories"]][:agencies]
    further = [
        known[-1] | {"code": f"city-{number}", "name": {"ja": f"第{number}市", "en": f"City {number}"}}
        for number in range(len(known) + 1, agencies + 1)
    ]
    content |= {
        "agencies": known + further,
        # The others name agencies that may be left out.
        "roster_mappings": [mapping for mapping in content["roster_mappings"] if mapping["name"] == MAPPING],
    }
    file.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    return file


async def _import_bidders(launched: Instance, count: int, folder: Path) -> dict[str, tuple[str, str]]:
    mapping = launched.profile.mapping(MAPPING)
    file = write_roster(folder / "roster.csv", launched.profile, mapping, count, everywhere=True)
    officer = officer_at(launched, f"{OPERATOR}/{OFFICER}", QUALIFICATION_REGISTRY)
    async with officer.channel:
        await import_roster(officer, file, MAPPING)
        # A password counts at every agency.
        return await issue_passwords(officer, [launched.profile.agencies[0].code], CATEGORY)
