"""contact-notification in this process with its callers, database, certificate-registry and mail server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from psycopg.rows import tuple_row
from sqlalchemy import text

from contact_notification.adapters.certificate_registry import CertificateRegistry
from contact_notification.commands.worker import describe_mail_server
from contact_notification.domain.mail import choose_sender, read_domain
from contact_notification.jobs import register_tasks
from contact_notification.metrics import ContactMetrics, MailMetrics
from contact_notification.operations.card_states import CardStates
from contact_notification.operations.contacts import ContactReading
from contact_notification.operations.expiry import ExpiredRecords
from contact_notification.operations.failed_mails import FailedMails
from contact_notification.operations.mails import MailSending
from contact_notification.operations.notices import Notices
from contact_notification.operations.settlement import Settlement
from contact_notification.operations.staging import Staging
from contact_notification.servicer import ContactNotification
from contact_notification.settings import Settings
from instance_profile.model import Profile
from servicekit.access import ListenerKind
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.database_metrics import Look
from servicekit.jobs import Work
from servicekit.messages import write_timestamp
from servicekit.metrics import Metrics
from servicekit.statements import Statement
from tests.support.contractor import contact_of
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, WORKS
from tests.support.in_process import Authority, calling, serving
from tests.support.infrastructure.mailbox import Mailbox, mailbox
from tests.support.peers.certificate_registry import CertificateRegistryPeer
from tests.support.scrape import Scrape, read_registry
from toroku.certificate.v1 import card_pb2, card_state_pb2, certificate_registry_pb2
from toroku.certificate.v1.certificate_registry_pb2_grpc import (
    CertificateRegistryStub,
    add_CertificateRegistryServicer_to_server,
)
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.contact.v1.contact_notification_pb2_grpc import (
    ContactNotificationStub,
    add_ContactNotificationServicer_to_server,
)
from toroku.event.v1.version_pb2 import Version
from toroku.qualification.v1 import bidder_pb2

if TYPE_CHECKING:
    from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationAsyncStub

SERVICE = contact_notification_pb2.DESCRIPTOR.services_by_name["ContactNotification"]
CARD_REGISTRY = certificate_registry_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]
# A Friday, 10 o'clock in Japan.
MORNING = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)


def card_sha256(number: int) -> bytes:
    """Returns the SHA-256 that identifies the card of this number."""
    return sha256(f"card {number}".encode()).digest()


def contact_form(person: str, **changes: str) -> contact_pb2.ContactForm:
    """Returns a contact as it is typed, valid but for `changes`."""
    return contact_pb2.ContactForm(contact=contact_of(person, **changes))


def staging_request(
    number: int = 1, request_id: str = "", *, representative: bool = True, **changes: Any
) -> contact_notification_pb2.StageContactsRequest:
    """Returns the request to stage the contacts of card `number`; without a request id, a new one."""
    request = contact_notification_pb2.StageContactsRequest(
        request_id=request_id or str(uuid4()),
        certificate_sha256=card_sha256(number),
        agency=PREFECTURE,
        category=WORKS,
        company=bidder_pb2.CompanyProfile(
            bidder_id=BIDDER,
            name="株式会社髙﨑建設",
            address="埼玉県",
            grades=[bidder_pb2.Grade(kind="土木", grade="A")],
        ),
        card_contact=contact_form("埼玉　太郎", mail_address=f"card{number}@contractor.example"),
        representative_contact=contact_form("代表　花子", mail_address="desk@contractor.example")
        if representative
        else None,
    )
    for key, value in changes.items():
        if isinstance(value, str | bytes | bool):
            setattr(request, key, value)
        else:
            getattr(request, key).CopyFrom(value)
    if not request.request_sha256 and not request.validate_only:
        request.request_sha256 = sha256(request.SerializeToString(deterministic=True)).digest()
    return request


def card_state(
    staged: contact_notification_pb2.StageContactsRequest,
    *,
    at: datetime = MORNING,
    number: int = 1,
    epoch: int = 1,
    before: card_state_pb2.CardState | None = None,
    **changes: Any,
) -> card_state_pb2.CardState:
    """Returns the card's state after the registration for which these contacts were staged, which comes last in it.

    `before` is the state that the registration is added to; `changes` are those of the registration.
    """
    state = card_state_pb2.CardState(
        certificate_sha256=staged.certificate_sha256,
        category=staged.category,
        bidder_id=staged.company.bidder_id,
        binding=card_state_pb2.BINDING_STATE_LIVE,
    )
    if before is not None:
        state.CopyFrom(before)
    state.version.CopyFrom(Version(epoch=epoch, number=number))
    registration = card_state_pb2.AgencyRegistration(
        registration_id=str(uuid4()),
        agency=staged.agency,
        state=card_state_pb2.REGISTRATION_STATE_GOOD,
        origin=card_pb2.REGISTRATION_ORIGIN_CONTRACTOR,
        registered_at=write_timestamp(at),
        request_id=staged.request_id,
        request_sha256=staged.request_sha256,
    )
    for key, value in changes.items():
        setattr(registration, key, value)
    state.registrations.append(registration)
    return state


def add_propagated(state: card_state_pb2.CardState, *agencies: str) -> None:
    """Adds registrations that propagation made, without a request of a contractor."""
    for agency in agencies:
        state.registrations.add(
            registration_id=str(uuid4()),
            agency=agency,
            state=card_state_pb2.REGISTRATION_STATE_GOOD,
            origin=card_pb2.REGISTRATION_ORIGIN_PROPAGATION,
            registered_at=state.registrations[0].registered_at,
        )


def facts_of(
    state: card_state_pb2.CardState, *, serial_decimal: str = "4711", holder_name: str = "登録 太郎"
) -> contact_pb2.RegistrationFacts:
    """Returns what a notice says of the last registration of a card's state."""
    registration = state.registrations[-1]
    return contact_pb2.RegistrationFacts(
        registration_id=registration.registration_id,
        request_id=registration.request_id,
        certificate_sha256=state.certificate_sha256,
        serial_decimal=serial_decimal,
        agency=registration.agency,
        category=state.category,
        bidder_id=state.bidder_id,
        registered_at=registration.registered_at,
        holder_name=holder_name,
    )


def card_owner(card: int | bytes, category: str = WORKS, request_id: str = "") -> contact_pb2.NoticeRecipient:
    """Returns the owner of a card contact as a recipient."""
    owner = contact_pb2.ContactOwner(
        purpose=contact_pb2.CONTACT_PURPOSE_CARD,
        category=category,
        certificate_sha256=card_sha256(card) if isinstance(card, int) else card,
        request_id=request_id,
    )
    return contact_pb2.NoticeRecipient(owner=owner)


def bidder_owner(bidder_id: str = BIDDER, category: str = WORKS, request_id: str = "") -> contact_pb2.NoticeRecipient:
    """Returns the owner of a representative contact as a recipient."""
    owner = contact_pb2.ContactOwner(
        purpose=contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE,
        category=category,
        bidder_id=bidder_id,
        request_id=request_id,
    )
    return contact_pb2.NoticeRecipient(owner=owner)


def registration_notice(facts: contact_pb2.RegistrationFacts, notice_id: str = "") -> contact_pb2.Notice:
    """Returns the notice of a registration to the card's own contact."""
    return contact_pb2.Notice(
        notice_id=notice_id or str(uuid4()),
        kind=contact_pb2.NOTICE_KIND_REGISTRATION,
        recipients=[card_owner(facts.certificate_sha256, facts.category, facts.request_id)],
        registration=facts,
    )


def notice_to_others(
    facts: contact_pb2.RegistrationFacts, *recipients: contact_pb2.NoticeRecipient, notice_id: str = ""
) -> contact_pb2.Notice:
    """Returns the notice of a registration to the representative contact and the recipients given."""
    return contact_pb2.Notice(
        notice_id=notice_id or str(uuid4()),
        kind=contact_pb2.NOTICE_KIND_REGISTRATION_NOTICE,
        recipients=[bidder_owner(facts.bidder_id, facts.category), *recipients],
        registration=facts,
    )


@dataclass(slots=True)
class RunningContactNotification:
    """The service, its worker's tasks, what it calls, and a stub for each kind of caller."""

    dsn: str
    database: Database
    profile: Profile
    settings: Settings
    certificate_registry: CertificateRegistryPeer
    mailbox: Mailbox
    # Stops the mail server: connections are refused afterwards.
    close_mailbox: Callable[[], Awaitable[None]]
    from_front_door: "ContactNotificationAsyncStub"
    from_certificate_registry: "ContactNotificationAsyncStub"
    from_agency: "ContactNotificationAsyncStub"
    from_other_agency: "ContactNotificationAsyncStub"
    work: Work
    metrics: Metrics
    # What the worker reads for its metrics.
    looks: tuple[Look, ...]
    now: list[datetime] = field(default_factory=lambda: [MORNING])
    # The states of the cards that `register` has registered, by card and category.
    states: dict[tuple[bytes, str], card_state_pb2.CardState] = field(default_factory=dict)

    def pass_time(self, duration: timedelta) -> None:
        """Advances the service's clock."""
        self.now[0] += duration

    async def run(self, task: str, **arguments: str) -> None:
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
        own = authority.service("contact-notification")
        peers = await stack.enter_async_context(calling(own, certificate_registry=registry_address))
        settings = Settings(
            profile=folder / "profile.yaml",
            certificate=own.certificate,
            private_key=own.private_key,
            services_ca=folder / "ca.pem",
            database=dsn,
            certificate_registry_endpoint=registry_address,
            smtp_host="127.0.0.1",
            smtp_port=box.port,
            mail_sender="no-reply@toroku.example.lg.jp",
        )
        metrics = Metrics("contact-notification")
        mail_metrics, contact_metrics = MailMetrics(metrics), ContactMetrics(metrics)

        async def read_time(_: Connection) -> datetime:
            return clock[0]

        sender = choose_sender(profile, settings.mail_sender)
        registry = CertificateRegistry(peers.stub("certificate-registry", CertificateRegistryStub))
        card_states = CardStates(database=database, clock=read_time, mail_domain=read_domain(sender))
        settlement = Settlement(
            database=database, clock=read_time, certificate_registry=registry, card_states=card_states
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
            card_states=card_states,
            notices=Notices(database=database, clock=read_time, mail_domain=read_domain(sender)),
        )
        tasks = register_tasks(
            mail_sending=MailSending(
                database=database,
                profile=profile,
                server=describe_mail_server(settings),
                sender=sender,
                give_up_after=timedelta(days=settings.mail_give_up_after_days),
                counts=mail_metrics,
            ),
            failed_mails=FailedMails(database=database),
            expired_records=ExpiredRecords(database=database, clock=read_time),
            settlement=settlement,
        )
        services = {SERVICE: partial(add_ContactNotificationServicer_to_server, servicer)}
        callers = {
            "from_front_door": authority.service("front-door"),
            "from_certificate_registry": authority.service("certificate-registry"),
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
            mailbox=box,
            close_mailbox=box_stack.aclose,
            work=tasks,
            metrics=metrics,
            looks=(mail_metrics.look, contact_metrics.look),
            now=clock,
            **stubs,
        )
