"""The front door in this process, behind its real public listener, with its peers as small fakes over mTLS."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from front_door.adapters.agency_sync import AgencySync
from front_door.adapters.card_renewals import CardRenewals
from front_door.adapters.certificate_registry import CertificateRegistry
from front_door.adapters.contact_notification import ContactNotification
from front_door.adapters.qualification_registry import QualificationRegistry
from front_door.convert.instance import InstanceDescription
from front_door.operations.advice import AdviceOperation
from front_door.operations.card_sessions import CardSessions
from front_door.operations.change import ChangeOperation
from front_door.operations.entry import EntryOperation
from front_door.operations.propagations import PropagationsOperation
from front_door.operations.registration import RegistrationOperation
from front_door.operations.renewal import RenewalOperation
from front_door.servicer.advice import AdviceServicer
from front_door.servicer.change import ChangeServicer
from front_door.servicer.entry import EntryServicer
from front_door.servicer.input_limits import compute_sizes
from front_door.servicer.propagations import PropagationsServicer
from front_door.servicer.registration import RegistrationServicer
from front_door.servicer.renewal import RenewalServicer
from instance_profile.japan_time import JAPAN
from instance_profile.model import Profile
from servicekit.access import ListenerKind, build_access_table
from servicekit.authorities import CallerAuthorities
from servicekit.awaited_requests import AwaitedRequests
from servicekit.call_counts import Counts
from servicekit.calls import CallInterceptor
from servicekit.clients import Peers
from servicekit.credentials import server_credentials
from servicekit.identity import RegisteredCallers
from servicekit.request_sizes import build_size_table
from servicekit.strangers import Strangers
from servicekit.telemetry import Telemetry
from servicekit.token_buckets import Rate, TokenBuckets
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from tests.support.changing_contractor import ChangingContractor
from tests.support.contractor import Contractor
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from tests.support.in_process import Authority, Services, calling, serving
from tests.support.peers.agency_sync import AgencySyncPeer
from tests.support.peers.certificate_registry import CertificateRegistryPeer
from tests.support.peers.contact_notification import ContactNotificationPeer
from tests.support.peers.qualification_registry import QualificationRegistryPeer
from tests.support.peers.qualification_registry.card_approvals import CardApprovalsPeer
from toroku.agencysync.v1 import agency_sync_pb2
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub, add_AgencySyncServicer_to_server
from toroku.certificate.v1 import certificate_registry_pb2
from toroku.certificate.v1.certificate_registry_pb2_grpc import (
    CertificateRegistryStub,
    add_CertificateRegistryServicer_to_server,
)
from toroku.contact.v1 import contact_notification_pb2
from toroku.contact.v1.contact_notification_pb2_grpc import (
    ContactNotificationStub,
    add_ContactNotificationServicer_to_server,
)
from toroku.frontdoor.v1 import advice_pb2, change_pb2, entry_pb2, propagations_pb2, registration_pb2, renewal_pb2
from toroku.frontdoor.v1.advice_pb2_grpc import add_AdviceServicer_to_server
from toroku.frontdoor.v1.change_pb2_grpc import add_ChangeServicer_to_server
from toroku.frontdoor.v1.entry_pb2_grpc import add_EntryServicer_to_server
from toroku.frontdoor.v1.propagations_pb2_grpc import add_PropagationsServicer_to_server
from toroku.frontdoor.v1.registration_pb2_grpc import add_RegistrationServicer_to_server
from toroku.frontdoor.v1.renewal_pb2_grpc import add_RenewalServicer_to_server
from toroku.qualification.v1 import card_approvals_pb2, qualification_registry_pb2
from toroku.qualification.v1.card_approvals_pb2_grpc import CardApprovalsStub, add_CardApprovalsServicer_to_server
from toroku.qualification.v1.qualification_registry_pb2_grpc import (
    QualificationRegistryStub,
    add_QualificationRegistryServicer_to_server,
)

_CARDS = certificate_registry_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]
_BIDDERS = qualification_registry_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"]
_APPROVALS = card_approvals_pb2.DESCRIPTOR.services_by_name["CardApprovals"]
_PROPAGATIONS = agency_sync_pb2.DESCRIPTOR.services_by_name["AgencySync"]
_CONTACTS = contact_notification_pb2.DESCRIPTOR.services_by_name["ContactNotification"]
# A Friday, 10 o'clock in Japan; the example instance is open from 8:30 to 20:00.
MORNING = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
COMPANY = "登録建設株式会社"
PASSWORD = "Ab3dE6gH"
# More than any test has that is not about them.
_LOG_INS = Rate(1000, 1000)


@dataclass(slots=True)
class Clock:
    """The clock of the front door and its peers; a test sets it."""

    now: datetime = MORNING

    def __call__(self) -> datetime:
        """Returns the time."""
        return self.now

    def japan(self, hour: int, minute: int) -> None:
        """Sets the time of that Friday, in Japan."""
        self.now = datetime(2026, 11, 27, hour, minute, tzinfo=JAPAN)


@dataclass(slots=True)
class RunningFrontDoor:
    """The front door with its peers, as a test uses it."""

    profile: Profile
    clock: Clock
    # Where a client finds it, and the CA in PEM by which it recognizes it.
    address: str
    authority: bytes
    channel: grpc.aio.Channel
    cards: CertificateRegistryPeer
    bidders: QualificationRegistryPeer
    approvals: CardApprovalsPeer
    contacts: ContactNotificationPeer
    propagations: AgencySyncPeer
    spans: InMemorySpanExporter
    ca: CertificateAuthority
    # Calls its internal listener as the portal does.
    for_portal: Peers

    def card(self, **changes: Any) -> IssuedCard:
        """A new card."""
        return self.ca.issue(key=new_ec_key(), **changes)

    def contractor(self, card: IssuedCard | None = None, **changes: Any) -> Contractor:
        """A contractor at the prefecture's works; its bidder is on the roster."""
        values = {
            "agency": PREFECTURE,
            "category": WORKS,
            "company_name": COMPANY,
            "bidder_id": BIDDER,
            "password": PASSWORD,
        }
        return Contractor(channel=self.channel, card=card or self.card(), **values | changes)

    async def register(self, contractor: Contractor) -> ChangingContractor:
        """Registers a contractor's card, with its contacts as contact-notification then has them."""
        receipt = await contractor.whole()
        card = receipt.card.certificate_sha256
        bidder_id, category = receipt.registration.bidder_id, receipt.registration.category
        self.contacts.add_version((card, category), receipt.card_contact, brought_by=card)
        if not self.contacts.versions.get((bidder_id, category)):
            self.contacts.add_version((bidder_id, category), receipt.representative_contact, brought_by=card)
            self.contacts.representatives[bidder_id, category] = receipt.representative_contact
        return ChangingContractor(
            channel=self.channel, card=contractor.card, agency=contractor.agency, category=contractor.category
        )

    def stored_counts(self) -> tuple[int, int, int]:
        """The numbers of staged contacts, registrations and bindings at the peers."""
        return len(self.contacts.staged), len(self.cards.outcomes), len(self.cards.bindings)


@asynccontextmanager
async def running_front_door(
    profile: Profile, folder: Path, *, log_ins: TokenBuckets | None = None
) -> AsyncIterator[RunningFrontDoor]:
    """Runs the front door until the block ends, with one bidder on the roster; `log_ins` counts by certificate."""
    authority = Authority(folder, profile.id)
    clock = Clock()
    # Each implements the methods that the front door calls.
    cards = CertificateRegistryPeer(clock=clock)
    bidders = QualificationRegistryPeer(clock=clock)  # type: ignore[abstract]  # the other methods are never called
    approvals = CardApprovalsPeer(bidders)  # type: ignore[abstract]  # the other methods are never called
    contacts = ContactNotificationPeer(profile=profile)  # type: ignore[abstract]  # the other methods are never called
    propagations = AgencySyncPeer()  # type: ignore[abstract]  # the other methods are never called
    bidders.add(BIDDER, COMPANY, PASSWORD)
    exporter = InMemorySpanExporter()
    async with AsyncExitStack() as stack:
        addresses = {
            name: await stack.enter_async_context(
                serving(authority, name.replace("_", "-"), services, instance=profile.id)
            )
            for name, services in (
                ("certificate_registry", {_CARDS: partial(add_CertificateRegistryServicer_to_server, cards)}),
                (
                    "qualification_registry",
                    {
                        _BIDDERS: partial(add_QualificationRegistryServicer_to_server, bidders),
                        _APPROVALS: partial(add_CardApprovalsServicer_to_server, approvals),
                    },
                ),
                ("contact_notification", {_CONTACTS: partial(add_ContactNotificationServicer_to_server, contacts)}),
                ("agency_sync", {_PROPAGATIONS: partial(add_AgencySyncServicer_to_server, propagations)}),
            )
        }
        peers = await stack.enter_async_context(calling(authority.service("front-door"), **addresses))
        services = _servicers(profile, peers, clock, TokenBuckets(_LOG_INS) if log_ins is None else log_ins)
        address, trusted = await stack.enter_async_context(_public(authority, profile, services, exporter))
        credentials = grpc.ssl_channel_credentials(trusted)
        channel = await stack.enter_async_context(grpc.aio.secure_channel(address, credentials))
        internal = await stack.enter_async_context(serving(authority, "front-door", services, instance=profile.id))
        for_portal = await stack.enter_async_context(calling(authority.service("portal"), front_door=internal))
        yield RunningFrontDoor(
            profile,
            clock,
            address,
            trusted,
            channel,
            cards,
            bidders,
            approvals,
            contacts,
            propagations,
            exporter,
            CertificateAuthority.create(key=new_ec_key()),
            for_portal,
        )


def _servicers(profile: Profile, peers: Peers, clock: Clock, log_ins: TokenBuckets) -> Services:
    """Returns what adds each service to a server."""
    stub = peers.stub("certificate-registry", CertificateRegistryStub)
    cards = CertificateRegistry(stub)
    bidders = QualificationRegistry(
        peers.stub("qualification-registry", QualificationRegistryStub),
        peers.stub("qualification-registry", CardApprovalsStub),
    )
    contacts = ContactNotification(peers.stub("contact-notification", ContactNotificationStub))
    sessions = CardSessions(profile=profile, clock=clock, certificate_registry=cards, log_ins=log_ins)
    entry = EntryServicer(EntryOperation(profile=profile, clock=clock, sessions=sessions), InstanceDescription(profile))
    registration = RegistrationServicer(
        RegistrationOperation(
            profile=profile,
            sessions=sessions,
            certificate_registry=cards,
            qualification_registry=bidders,
            contact_notification=contacts,
        )
    )
    change = ChangeServicer(
        ChangeOperation(
            profile=profile,
            sessions=sessions,
            certificate_registry=cards,
            qualification_registry=bidders,
            contact_notification=contacts,
        )
    )
    renewal = RenewalServicer(
        RenewalOperation(
            profile=profile, sessions=sessions, card_renewals=CardRenewals(stub), qualification_registry=bidders
        )
    )
    advice = AdviceServicer(
        AdviceOperation(profile=profile, clock=clock, sessions=sessions, qualification_registry=bidders)
    )
    propagations = PropagationsServicer(
        PropagationsOperation(sessions=sessions, agency_sync=AgencySync(peers.stub("agency-sync", AgencySyncStub)))
    )
    return {
        propagations_pb2.DESCRIPTOR.services_by_name["Propagations"]: partial(
            add_PropagationsServicer_to_server, propagations
        ),
        entry_pb2.DESCRIPTOR.services_by_name["Entry"]: partial(add_EntryServicer_to_server, entry),
        registration_pb2.DESCRIPTOR.services_by_name["Registration"]: partial(
            add_RegistrationServicer_to_server, registration
        ),
        advice_pb2.DESCRIPTOR.services_by_name["Advice"]: partial(add_AdviceServicer_to_server, advice),
        change_pb2.DESCRIPTOR.services_by_name["Change"]: partial(add_ChangeServicer_to_server, change),
        renewal_pb2.DESCRIPTOR.services_by_name["Renewal"]: partial(add_RenewalServicer_to_server, renewal),
    }


@asynccontextmanager
async def _public(
    authority: Authority,
    profile: Profile,
    services: Services,
    exporter: InMemorySpanExporter,
) -> AsyncIterator[tuple[str, bytes]]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    sizes = build_size_table(services, compute_sizes(services))
    interceptor = CallInterceptor(
        instance=profile.id,
        listener=ListenerKind.PUBLIC,
        access=build_access_table(services),
        registered=RegisteredCallers(None),
        authorities=CallerAuthorities(),
        telemetry=Telemetry(provider, 1),
        counts=Counts(),
        request_sizes=sizes,
        strangers=Strangers(AwaitedRequests(1000, 60), None),
    )
    server = grpc.aio.server(
        interceptors=(interceptor,), options=(("grpc.max_receive_message_length", max(sizes.values())),)
    )
    for add in services.values():
        add(server)
    files = authority.service("public")
    assert files.trusted is not None
    port = server.add_secure_port("127.0.0.1:0", server_credentials(replace(files, trusted=None)))
    await server.start()
    try:
        yield f"127.0.0.1:{port}", files.trusted.read_bytes()
    finally:
        await server.stop(0)
