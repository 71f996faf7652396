"""contact-notification in this process with its callers, database, certificate-registry and mail server."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.rows import tuple_row
from sqlalchemy import text

from contact_notification.adapters.agency_sync import AgencySync
from contact_notification.adapters.certificate_registry import CertificateRegistry
from contact_notification.adapters.smtp import MailConnections
from contact_notification.commands.worker import describe_mail_server
from contact_notification.domain.act_proof import STATEMENT_PREFIX
from contact_notification.domain.mail import choose_sender, read_domain
from contact_notification.jobs import register_tasks
from contact_notification.metrics import ContactMetrics, MailMetrics
from contact_notification.operations.card_states import CardStates
from contact_notification.operations.changes import ContactChanges
from contact_notification.operations.contacts import ContactReading
from contact_notification.operations.expiry import ExpiredRecords
from contact_notification.operations.failed_mails import FailedMails
from contact_notification.operations.mails import MailSending
from contact_notification.operations.notices import Notices
from contact_notification.operations.owner_events import OwnerEvents
from contact_notification.operations.propagation import ChangePropagation
from contact_notification.operations.settlement import Settlement
from contact_notification.operations.staging import Staging
from contact_notification.operations.takeovers import ContactTakeovers
from contact_notification.servicer import ContactNotification
from contact_notification.settings import Settings
from history.entries import Chain, StoredEntry
from history.findings import Finding
from history.reading import find_entries
from instance_profile.model import Profile
from servicekit.access import ListenerKind
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.database_metrics import Look
from servicekit.jobs import Work
from servicekit.mailed_secrets import MailedSecretKey
from servicekit.metrics import Metrics
from servicekit.signed_statement import SigningKey
from servicekit.statements import Statement
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, WORKS
from tests.support.history import make_key, seal_all, verify
from tests.support.in_process import Authority, calling, serving
from tests.support.infrastructure.mailbox import Mailbox, mailbox
from tests.support.peers.agency_sync import AgencySyncPeer
from tests.support.peers.certificate_registry import CertificateRegistryPeer
from tests.support.scrape import Scrape, read_registry
from tests.support.services.contact_messages import (
    MORNING,
    card_owner,
    card_state,
    facts_of,
    notice_to_others,
    registration_notice,
)
from toroku.agencysync.v1 import agency_sync_pb2
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub, add_AgencySyncServicer_to_server
from toroku.certificate.v1 import card_state_pb2, certificate_registry_pb2
from toroku.certificate.v1.certificate_registry_pb2_grpc import (
    CertificateRegistryStub,
    add_CertificateRegistryServicer_to_server,
)
from toroku.contact.v1 import contact_notification_pb2, contact_pb2, owner_state_pb2
from toroku.contact.v1.contact_notification_pb2_grpc import (
    ContactNotificationStub,
    add_ContactNotificationServicer_to_server,
)

if TYPE_CHECKING:
    from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncAsyncStub
    from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationAsyncStub

AGENCY_SYNC = agency_sync_pb2.DESCRIPTOR.services_by_name["AgencySync"]
SERVICE = contact_notification_pb2.DESCRIPTOR.services_by_name["ContactNotification"]
CARD_REGISTRY = certificate_registry_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]


@dataclass(slots=True)
class RunningContactNotification:
    """The service, its worker's tasks, what it calls, and a stub for each kind of caller."""

    dsn: str
    database: Database
    profile: Profile
    settings: Settings
    certificate_registry: CertificateRegistryPeer
    agency_sync: AgencySyncPeer
    # By which the service calls it.
    agency_sync_stub: "AgencySyncAsyncStub"
    mailbox: Mailbox
    # Stops the mail server: connections are refused afterwards.
    close_mailbox: Callable[[], Awaitable[None]]
    from_front_door: "ContactNotificationAsyncStub"
    from_certificate_registry: "ContactNotificationAsyncStub"
    from_qualification_registry: "ContactNotificationAsyncStub"
    from_agency_sync: "ContactNotificationAsyncStub"
    from_agency: "ContactNotificationAsyncStub"
    from_other_agency: "ContactNotificationAsyncStub"
    work: Work
    metrics: Metrics
    chain: Chain
    history_key: SigningKey
    # That of its worker and of those who seal secrets for it.
    mailed_secret_key: MailedSecretKey
    # That of certificate-registry, by which it proves acts.
    act_proof_key: SigningKey
    # What the worker reads for its metrics.
    looks: tuple[Look, ...]
    now: list[datetime] = field(default_factory=lambda: [MORNING])
    # The states of the cards that `register` has registered, by card and category.
    states: dict[tuple[bytes, str], card_state_pb2.CardState] = field(default_factory=dict)

    def pass_time(self, duration: timedelta) -> None:
        """Advances the service's clock."""
        self.now[0] += duration

    async def run(self, task: str, **arguments: Any) -> None:
        """Runs one task of the worker."""
        await self.work.tasks[task][0](dict(arguments))

    async def stage(
        self, request: contact_notification_pb2.StageContactsRequest
    ) -> contact_notification_pb2.StageContactsResponse:
        """Stages as the front door does."""
        return await self.from_front_door.StageContacts(request)

    def commit(self, state: card_state_pb2.CardState) -> None:
        """Commits the last registration of a card's state in certificate-registry."""
        key = (state.certificate_sha256, state.registrations[-1].request_id)
        assert key not in self.certificate_registry.tombstones
        self.certificate_registry.committed[key] = state

    async def record(self, *states: card_state_pb2.CardState) -> None:
        """Delivers states of cards as certificate-registry does."""
        await self.from_certificate_registry.RecordCardStates(
            contact_notification_pb2.RecordCardStatesRequest(card_states=states)
        )

    async def notify(self, *notices: contact_pb2.Notice) -> None:
        """Delivers notices one by one, as certificate-registry does after a refusal."""
        for notice in notices:
            await self.notify_together(notice)

    async def notify_together(self, *notices: contact_pb2.Notice) -> None:
        """Delivers notices in one call, as certificate-registry does."""
        await self.from_certificate_registry.SendNotices(contact_notification_pb2.SendNoticesRequest(notices=notices))

    async def register(
        self, request: contact_notification_pb2.StageContactsRequest, **changes: Any
    ) -> contact_pb2.RegistrationFacts:
        """Stages contacts, commits their registration, and delivers the card's state and the two notices."""
        await self.stage(request)
        before = self.states.get((request.certificate_sha256, request.category))
        changes.setdefault("number", before.version.number + 1 if before is not None else 1)
        state = card_state(request, before=before, **changes)
        others = [
            card_owner(known.certificate_sha256, known.category)
            for known in self.states.values()
            if known.bidder_id == state.bidder_id and known.certificate_sha256 != state.certificate_sha256
        ]
        self.states[state.certificate_sha256, state.category] = state
        self.commit(state)
        await self.record(state)
        facts = facts_of(state)
        await self.notify_together(registration_notice(facts), notice_to_others(facts, *others))
        return facts

    async def staged(
        self, request: contact_notification_pb2.StageContactsRequest
    ) -> contact_notification_pb2.GetStagedContactsResponse:
        """Returns what is staged under the request id."""
        return await self.from_front_door.GetStagedContacts(
            contact_notification_pb2.GetStagedContactsRequest(
                certificate_sha256=request.certificate_sha256, request_id=request.request_id
            )
        )

    async def representative(self, bidder_id: str = BIDDER, category: str = WORKS) -> contact_pb2.Contact | None:
        """Returns the active representative contact."""
        response = await self.from_front_door.GetRepresentativeContact(
            contact_notification_pb2.GetRepresentativeContactRequest(bidder_id=bidder_id, category=category)
        )
        return response.contact if response.HasField("contact") else None

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        async with self.database.read() as connection:
            cursor = await connection.cursor(row_factory=tuple_row).execute(query.encode())
            return await cursor.fetchall()

    async def execute(self, statement: str, **values: Any) -> None:
        """Changes the database."""
        async with self.database.transaction() as connection:
            await connection.change(Statement(text(statement)), **values)

    async def run_command(self, *words: str) -> tuple[int | None, str, str]:
        """Runs the service's program as an operator does; returns exit status, standard output and error."""
        settings = {
            f"TOROKU_{name.upper()}": str(getattr(self.settings, name))
            for name in (
                *("profile", "database", "certificate", "private_key", "services_ca"),
                *("certificate_registry_endpoint", "agency_sync_endpoint", "smtp_host", "smtp_port"),
            )
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "contact_notification", *words),
            env={**os.environ, **settings},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    async def find_history(self, request_id: str) -> list[StoredEntry]:
        """Returns the entries of a request, oldest first."""
        async with self.database.read() as connection:
            return [*reversed(await find_entries(connection, "request_id", UUID(request_id)))]

    async def verify_history(self) -> list[Finding]:
        """Seals what there is, and returns what a verification finds."""
        await seal_all(self.database, self.history_key, self.chain)
        return await verify(self.database, self.history_key, chain=self.chain)

    async def tell_owners(self) -> dict[tuple[int, bytes], owner_state_pb2.ContactOwnerState]:
        """Runs the jobs about contacts' owners; returns what agency-sync has, by purpose and card (b"" for none)."""
        told = await self.rows(
            "DELETE FROM jobs.procrastinate_jobs WHERE task_name = 'send_contact_owners' "
            "RETURNING args->'arguments'->'owners'"
        )
        for (owners,) in told:
            await self.run("send_contact_owners", owners=owners)
        return {
            (state.purpose, state.certificate_sha256): state
            for states in self.agency_sync.contact_owners
            for state in states
        }

    async def look(self) -> Scrape:
        """Reads the metrics of the worker from the database, and returns all of them."""
        async with self.database.read() as connection:
            for look in self.looks:
                await look(connection)
        return read_registry(self.metrics.registry)

    async def send_all(self) -> None:
        """Sends every unsent mail of the outbox, in the order of the recipients' addresses."""
        waiting = await self.rows(
            "SELECT mail_id FROM mails LEFT JOIN contacts USING (contact_id) WHERE state = 'written' "
            "ORDER BY coalesce(contacts.mail_address, mails.mail_address)"
        )
        for (mail_id,) in waiting:
            await self.run("send_mail", mail_id=str(UUID(str(mail_id))))


@asynccontextmanager
async def running_contact_notification(
    dsn: str, folder: Path, profile: Profile
) -> AsyncIterator[RunningContactNotification]:
    """Runs the service on an empty database."""
    authority = Authority(folder, profile.id)
    cards = CertificateRegistryPeer()
    agency_sync = AgencySyncPeer()  # type: ignore[abstract]  # It implements only RPCs that registries call.
    clock = [MORNING]
    async with AsyncExitStack() as stack:
        box_stack = await stack.enter_async_context(AsyncExitStack())
        box = await box_stack.enter_async_context(mailbox())
        database = await stack.enter_async_context(Database.open(dsn, pool=4))
        registry_address = await stack.enter_async_context(
            serving(
                authority,
                "certificate-registry",
                {CARD_REGISTRY: partial(add_CertificateRegistryServicer_to_server, cards)},
                instance=profile.id,
            )
        )
        sync_address = await stack.enter_async_context(
            serving(
                authority,
                "agency-sync",
                {AGENCY_SYNC: partial(add_AgencySyncServicer_to_server, agency_sync)},
                instance=profile.id,
            )
        )
        own = authority.service("contact-notification")
        peers = await stack.enter_async_context(
            calling(own, certificate_registry=registry_address, agency_sync=sync_address)
        )
        settings = Settings(
            profile=folder / "profile.yaml",
            certificate=own.certificate,
            private_key=own.private_key,
            services_ca=folder / "ca.pem",
            database=dsn,
            certificate_registry_endpoint=registry_address,
            agency_sync_endpoint=sync_address,
            smtp_host="127.0.0.1",
            smtp_port=box.port,
            mail_sender="no-reply@toroku.example.lg.jp",
        )
        connections = await stack.enter_async_context(MailConnections.open(describe_mail_server(settings)))
        metrics = Metrics("contact-notification")
        mail_metrics, contact_metrics = MailMetrics(metrics), ContactMetrics(metrics)

        async def read_time(_: Connection) -> datetime:
            return clock[0]

        sender = choose_sender(profile, settings.mail_sender)
        registry = CertificateRegistry(peers.stub("certificate-registry", CertificateRegistryStub))
        chain = Chain(profile.id, "contact-notification")
        mailed_secret_key = MailedSecretKey(Ed25519PrivateKey.generate())
        act_proof_key = SigningKey(Ed25519PrivateKey.generate(), STATEMENT_PREFIX)
        mail_domain = read_domain(sender)
        takeovers = ContactTakeovers(database=database, clock=read_time, chain=chain, mail_domain=mail_domain)
        card_states = CardStates(
            database=database, clock=read_time, chain=chain, mail_domain=mail_domain, takeovers=takeovers
        )
        settlement = Settlement(
            database=database, clock=read_time, chain=chain, certificate_registry=registry, card_states=card_states
        )
        servicer = ContactNotification(
            staging=Staging(
                database=database,
                clock=read_time,
                profile=profile,
                certificate_registry=registry,
                settlement=settlement,
            ),
            contacts=ContactReading(database=database, profile=profile),
            changes=ContactChanges(
                database=database,
                clock=read_time,
                profile=profile,
                chain=chain,
                act_proof_keys={act_proof_key.key_id: act_proof_key.public_key},
                mail_domain=mail_domain,
            ),
            propagation=ChangePropagation(database=database, clock=read_time, chain=chain),
            card_states=card_states,
            notices=Notices(database=database, clock=read_time, mail_domain=mail_domain),
        )
        tasks = register_tasks(
            mail_sending=MailSending(
                database=database,
                profile=profile,
                connections=connections,
                sender=sender,
                mailed_secret_key=mailed_secret_key,
                give_up_after=timedelta(days=settings.mail_give_up_after_days),
                counts=mail_metrics,
                registry=chain.registry,
            ),
            owner_events=OwnerEvents(
                database=database, agency_sync=AgencySync(peers.stub("agency-sync", AgencySyncStub))
            ),
            failed_mails=FailedMails(database=database),
            expired_records=ExpiredRecords(database=database, clock=read_time),
            settlement=settlement,
        )
        services = {SERVICE: partial(add_ContactNotificationServicer_to_server, servicer)}
        callers = {
            "from_front_door": authority.service("front-door"),
            "from_certificate_registry": authority.service("certificate-registry"),
            "from_qualification_registry": authority.service("qualification-registry"),
            "from_agency_sync": authority.service("agency-sync"),
            "from_agency": authority.agency(PREFECTURE),
            "from_other_agency": authority.agency(CITY),
        }
        stubs: dict[str, Any] = {}
        for listener in (ListenerKind.INTERNAL, ListenerKind.AGENCY):
            address = await stack.enter_async_context(
                serving(authority, "contact-notification", services, instance=profile.id, listener=listener)
            )
            for name, files in callers.items():
                if name.endswith("agency") == (listener is ListenerKind.AGENCY):
                    caller = await stack.enter_async_context(calling(files, contact_notification=address))
                    stubs[name] = caller.stub("contact-notification", ContactNotificationStub)
        yield RunningContactNotification(
            dsn=dsn,
            database=database,
            profile=profile,
            settings=settings,
            certificate_registry=cards,
            agency_sync=agency_sync,
            agency_sync_stub=peers.stub("agency-sync", AgencySyncStub),
            mailbox=box,
            close_mailbox=box_stack.aclose,
            work=tasks,
            metrics=metrics,
            chain=chain,
            history_key=make_key(),
            mailed_secret_key=mailed_secret_key,
            act_proof_key=act_proof_key,
            looks=(mail_metrics.look, contact_metrics.look),
            now=clock,
            **stubs,
        )
