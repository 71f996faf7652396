"""Each service that certificate-registry's worker tells of cards is down, hung, slow and wrong, one at a time and under
load: what the worker has to tell the other one, and everything else that it does, keeps its pace.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy import text

from certificate_registry.adapters.agency_sync import AgencySync
from certificate_registry.adapters.contact_notification import ContactNotification
from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.commands.worker import CONCURRENCY
from certificate_registry.convert import registry as convert
from certificate_registry.domain.card_state import CardKey
from certificate_registry.jobs import create_work
from certificate_registry.operations.card_trust import CardTrust, enqueue_refresh
from certificate_registry.operations.deliveries import (
    AGENCY_SYNC,
    CONTACT_NOTIFICATION,
    Deliveries,
    deliver_state,
    deliver_states,
)
from certificate_registry.operations.expiry import ExpiredRecords
from certificate_registry.operations.notices import Notices
from certificate_registry.operations.officer_deliveries import OfficerDeliveries
from certificate_registry.operations.officer_notices import OfficerNotices
from certificate_registry.operations.revocation import RevocationListFetch
from certificate_registry.operations.revocation_request import enqueue_fetch
from certificate_registry.operations.suspension import CardSuspensions
from certificate_registry.settings import SERVICE
from history.entries import Chain
from servicekit import clients, job_run, jobs
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.statements import Statement
from servicekit.telemetry import Telemetry
from tests.support.example_profile import WORKS, example_profile
from tests.support.in_process import Authority, calling, serving
from tests.support.peers.agency_sync import AgencySyncPeer
from tests.support.peers.contact_notification import ContactNotificationPeer
from tests.support.waiting import wait_until
from toroku.agencysync.v1 import agency_sync_pb2
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub, add_AgencySyncServicer_to_server
from toroku.contact.v1 import contact_notification_pb2
from toroku.contact.v1.contact_notification_pb2_grpc import (
    ContactNotificationStub,
    add_ContactNotificationServicer_to_server,
)

# Events for each consumer, beside as many batches as a small propagation has.
EVENTS = 60
BATCHES = 3
# Seconds that a call may take, instead of 10: EVENTS / 4 of these in a row are what a hung peer costs a shared queue.
DEADLINE = 1.0
# Seconds in which the healthy consumer has to have all of it; without load it is half a second.
PACE = 6.0


COUNT_LEFT = Statement(
    text(
        "SELECT count(*) FROM jobs.procrastinate_jobs WHERE status IN ('todo', 'doing') "
        "AND args -> 'arguments' ->> 'consumer' IS NOT DISTINCT FROM CAST(:consumer AS text)"
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """The worker's database, and the two consumers with the calls that reached them."""

    database: Database
    peers: dict[str, ContactNotificationPeer | AgencySyncPeer]
    # Stops and starts the listener of a peer.
    stop: Callable[[str], Any]

    async def enqueue(self) -> None:
        """Enqueues what a busy minute has."""
        key = CardKey(sha256(b"card").digest(), WORKS)
        async with self.database.transaction() as connection:
            await jobs.enqueue_together(connection, [*deliver_state(key)] * EVENTS)
            await jobs.enqueue_together(connection, [*deliver_states([key, key])] * BATCHES)
            await enqueue_fetch(connection)
            await enqueue_refresh(connection)

    async def count_left(self, consumer: str | None) -> int:
        """Returns the number of jobs for a consumer that are not done, or of those for none."""
        async with self.database.read() as connection:
            return int(await connection.fetch_value(COUNT_LEFT, consumer=consumer))

    async def are_done(self, *consumers: str | None) -> bool:
        """Returns whether nothing is left for these consumers; None means all other work."""
        return not any([await self.count_left(consumer) for consumer in consumers])


@asynccontextmanager
async def telling(dsn: str, folder: Path) -> AsyncIterator[Telling]:
    profile = example_profile()
    authority = Authority(folder, profile.id)
    # They implement only RPCs that others call.
    of_contacts = ContactNotificationPeer(profile=profile)  # type: ignore[abstract]  # as above
    of_sync = AgencySyncPeer()  # type: ignore[abstract]  # as above
    peers: dict[str, ContactNotificationPeer | AgencySyncPeer] = {
        CONTACT_NOTIFICATION: of_contacts,
        AGENCY_SYNC: of_sync,
    }
    contact_service = contact_notification_pb2.DESCRIPTOR.services_by_name["ContactNotification"]
    sync_service = agency_sync_pb2.DESCRIPTOR.services_by_name["AgencySync"]
    services = {
        CONTACT_NOTIFICATION: {contact_service: partial(add_ContactNotificationServicer_to_server, of_contacts)},
        AGENCY_SYNC: {sync_service: partial(add_AgencySyncServicer_to_server, of_sync)},
    }
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(dsn, pool=8))
        listening = {name: await stack.enter_async_context(AsyncExitStack()) for name in services}
        addresses = {
            name.replace("-", "_"): await listening[name].enter_async_context(
                serving(authority, name, service, instance=profile.id)
            )
            for name, service in services.items()
        }
        called = await stack.enter_async_context(calling(authority.service("certificate-registry"), **addresses))
        contact_notification = ContactNotification(called.stub(CONTACT_NOTIFICATION, ContactNotificationStub))
        agency_sync = AgencySync(called.stub(AGENCY_SYNC, AgencySyncStub))
        chain = Chain(profile.id, SERVICE)
        trust_stores = TrustStoreCache(convert.read_card_authorities(profile))
        deliveries = Deliveries(
            database=database, consumers={CONTACT_NOTIFICATION: contact_notification, AGENCY_SYNC: agency_sync}
        )
        work = create_work(
            revocation_lists=RevocationListFetch(
                database=database, trust_stores=trust_stores, chain=chain, clock=read_time
            ),
            card_trust=CardTrust(database=database, trust_stores=trust_stores, chain=chain, clock=read_time),
            deliveries=deliveries,
            notices=Notices(database=database, sender=contact_notification),
            suspensions=CardSuspensions(
                database=database, profile=profile, chain=chain, deliveries=deliveries, clock=read_time
            ),
            officer_deliveries=OfficerDeliveries(database=database, consumers={}),
            officer_notices=OfficerNotices(database=database, sender=contact_notification, clock=read_time),
            expired_records=ExpiredRecords(database=database, chain=chain, clock=read_time),
        )
        stop = asyncio.Event()
        telemetry = Telemetry(TracerProvider(), 0)
        working = asyncio.create_task(
            job_run.run(work, dsn, telemetry=telemetry, concurrency=CONCURRENCY, stop=stop.wait())
        )
        try:
            yield Telling(database=database, peers=peers, stop=lambda name: listening[name].aclose())
        finally:
            for peer in peers.values():
                peer.before_answer = None
            stop.set()
            await working


async def keep_pace(running: Telling, healthy: str) -> None:
    """Asserts that the healthy consumer gets all of a busy minute, and everything else is done, in time."""
    await running.enqueue()
    began = time.monotonic()
    await wait_until(lambda: running.are_done(healthy, None))
    assert time.monotonic() - began < PACE


@pytest.mark.parametrize(
    ("failing", "healthy"), [(CONTACT_NOTIFICATION, AGENCY_SYNC), (AGENCY_SYNC, CONTACT_NOTIFICATION)]
)
async def test_one_failing_peer_holds_up_nothing_else(
    migrated_database: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
    healthy: str,
) -> None:
    monkeypatch.setattr(clients, "DEADLINE", DEADLINE)
    async with telling(migrated_database("certificate_registry"), tmp_path) as running:
        peer = running.peers[failing]
        released = asyncio.Event()

        async def hang() -> None:
            await released.wait()

        async def answer_slowly() -> None:
            await asyncio.sleep(DEADLINE / 10)

        peer.before_answer = hang
        await keep_pace(running, healthy)
        assert not await running.are_done(failing)
        released.set()
        peer.before_answer = answer_slowly
        await keep_pace(running, healthy)
        assert not await running.are_done(failing)
        peer.before_answer = None
        await wait_until(lambda: running.are_done(failing))
        peer.failing = True
        await keep_pace(running, healthy)
        assert not await running.are_done(failing)
        peer.failing = False
        await wait_until(lambda: running.are_done(failing))
        await running.stop(failing)
        await keep_pace(running, healthy)
        assert not await running.are_done(failing)
