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

from front_door.input_limits import MOST_REQUEST_BYTES
from front_door.registries import Registries
from front_door.servicer import RegistrationServicer
from instance_profile.japan_time import JAPAN
from instance_profile.model import Profile
from servicekit.access import ListenerKind, access_table
from servicekit.call_counts import Counts
from servicekit.calls import CallInterceptor
from servicekit.credentials import server_credentials
from servicekit.identity import RegisteredCallers
from servicekit.telemetry import Telemetry
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from tests.support.contractor import Contractor
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from tests.support.in_process import Authority, calling, serving
from tests.support.peers.certificate_registry import CertificateRegistryPeer
from tests.support.peers.contact_notification import ContactNotificationPeer
from tests.support.peers.qualification_registry import QualificationRegistryPeer
from toroku.certificate.v1 import service_pb2 as certificate_service_pb2
from toroku.certificate.v1.service_pb2_grpc import add_CertificateRegistryServicer_to_server
from toroku.contact.v1 import service_pb2 as contact_service_pb2
from toroku.contact.v1.service_pb2_grpc import add_ContactNotificationServicer_to_server
from toroku.frontdoor.v1 import service_pb2
from toroku.frontdoor.v1.service_pb2_grpc import add_RegistrationServicer_to_server
from toroku.qualification.v1 import service_pb2 as qualification_service_pb2
from toroku.qualification.v1.service_pb2_grpc import add_QualificationRegistryServicer_to_server

_CARDS = certificate_service_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]
_BIDDERS = qualification_service_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"]
_CONTACTS = contact_service_pb2.DESCRIPTOR.services_by_name["ContactNotification"]
# A Friday, 10 o'clock in Japan; the example instance is open from 8:30 to 20:00.
MORNING = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
COMPANY = "登録建設株式会社"
PASSWORD = "Ab3dE6gH"


@dataclass(slots=True)
class Clock:
    """The time of the whole house; a test sets it."""

    now: datetime = MORNING

    def __call__(self) -> datetime:
        return self.now

    def japan(self, hour: int, minute: int) -> None:
        """Sets the time of that Friday, in Japan."""
        self.now = datetime(2026, 11, 27, hour, minute, tzinfo=JAPAN)


@dataclass(slots=True)
class FrontDoor:
    """What a test holds in its hands."""

    profile: Profile
    clock: Clock
    channel: grpc.aio.Channel
    cards: CertificateRegistryPeer
    bidders: QualificationRegistryPeer
    contacts: ContactNotificationPeer
    spans: InMemorySpanExporter
    ca: CertificateAuthority

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

    def kept(self) -> tuple[int, int, int]:
        """How much the peers keep: staged contacts, registrations, bindings."""
        return len(self.contacts.staged), len(self.cards.outcomes), len(self.cards.bindings)


@asynccontextmanager
async def front_door(profile: Profile, folder: Path) -> AsyncIterator[FrontDoor]:
    """The house until the block ends, with one bidder on the roster."""
    authority = Authority(folder, profile.id)
    clock = Clock()
    # They answer what the front door asks, and nothing else.
    cards = CertificateRegistryPeer(clock=clock)  # type: ignore[abstract]
    bidders = QualificationRegistryPeer(clock=clock)  # type: ignore[abstract]
    contacts = ContactNotificationPeer(profile=profile)  # type: ignore[abstract]
    bidders.add(BIDDER, COMPANY, PASSWORD)
    exporter = InMemorySpanExporter()
    async with AsyncExitStack() as stack:
        addresses = {
            name: await stack.enter_async_context(
                serving(authority, name.replace("_", "-"), {service: add}, instance=profile.id)
            )
            for name, service, add in (
                ("certificate_registry", _CARDS, partial(add_CertificateRegistryServicer_to_server, cards)),
                ("qualification_registry", _BIDDERS, partial(add_QualificationRegistryServicer_to_server, bidders)),
                ("contact_notification", _CONTACTS, partial(add_ContactNotificationServicer_to_server, contacts)),
            )
        }
        peers = await stack.enter_async_context(calling(authority.service("front-door"), **addresses))
        servicer = RegistrationServicer(profile, Registries.of(peers), clock)
        address, trusted = await stack.enter_async_context(_public(authority, profile, servicer, exporter))
        credentials = grpc.ssl_channel_credentials(trusted)
        channel = await stack.enter_async_context(grpc.aio.secure_channel(address, credentials))
        yield FrontDoor(
            profile, clock, channel, cards, bidders, contacts, exporter, CertificateAuthority.create(key=new_ec_key())
        )


@asynccontextmanager
async def _public(
    authority: Authority, profile: Profile, servicer: RegistrationServicer, exporter: InMemorySpanExporter
) -> AsyncIterator[tuple[str, bytes]]:
    service = service_pb2.DESCRIPTOR.services_by_name["Registration"]
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    interceptor = CallInterceptor(
        instance=profile.id,
        listener=ListenerKind.PUBLIC,
        access=access_table([service]),
        registered=RegisteredCallers(None),
        telemetry=Telemetry(provider, 1),
        counts=Counts(),
    )
    server = grpc.aio.server(
        interceptors=(interceptor,), options=(("grpc.max_receive_message_length", MOST_REQUEST_BYTES),)
    )
    add_RegistrationServicer_to_server(servicer, server)
    files = authority.service("public")
    assert files.trusted is not None
    port = server.add_secure_port("127.0.0.1:0", server_credentials(replace(files, trusted=None)))
    await server.start()
    try:
        yield f"127.0.0.1:{port}", files.trusted.read_bytes()
    finally:
        await server.stop(0)
