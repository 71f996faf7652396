"""agency-sync in this process with its callers, its database and the two registries that it asks."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import text

from agency_sync.jobs import work
from agency_sync.servicer import AgencySync
from instance_profile.model import Profile
from servicekit import jobs
from servicekit.access import ListenerKind
from servicekit.database import Database
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from tests.support.in_process import Authority, calling, serving
from tests.support.peers.certificate_registry import CertificateRegistryPeer
from tests.support.peers.qualification_registry import QualificationRegistryPeer
from toroku.agencysync.v1 import resources_pb2, service_pb2
from toroku.agencysync.v1.service_pb2_grpc import AgencySyncStub, add_AgencySyncServicer_to_server
from toroku.certificate.v1 import resources_pb2 as certificate_pb2
from toroku.certificate.v1 import service_pb2 as certificate_service_pb2
from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryStub, add_CertificateRegistryServicer_to_server
from toroku.event.v1.version_pb2 import Version
from toroku.qualification.v1 import service_pb2 as qualification_service_pb2
from toroku.qualification.v1.service_pb2_grpc import (
    QualificationRegistryStub,
    add_QualificationRegistryServicer_to_server,
)

if TYPE_CHECKING:
    from toroku.agencysync.v1.service_pb2_grpc import AgencySyncAsyncStub

SERVICE = service_pb2.DESCRIPTOR.services_by_name["AgencySync"]
CARD_REGISTRY = certificate_service_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]
BIDDER_REGISTRY = qualification_service_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"]
MORNING = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)


def registered(
    registration_id: UUID | None = None,
    *,
    agency: str = PREFECTURE,
    category: str = WORKS,
    bidder_id: str = BIDDER,
    epoch: int = 1,
    number: int = 1,
    origin: certificate_pb2.RegistrationOrigin.ValueType = certificate_pb2.REGISTRATION_ORIGIN_CONTRACTOR,
) -> certificate_pb2.RegistrationEvent:
    """The event of a registration; without an id it is a new one."""
    registered_at = Timestamp()
    registered_at.FromDatetime(MORNING)
    registration_id = registration_id or uuid4()
    return certificate_pb2.RegistrationEvent(
        registration=certificate_pb2.Registration(
            registration_id=str(registration_id),
            agency=agency,
            category=category,
            certificate_sha256=sha256(registration_id.bytes).digest(),
            bidder_id=bidder_id,
            registered_at=registered_at,
            origin=origin,
            version=Version(epoch=epoch, number=number),
        ),
        request_id=str(uuid4()),
    )


@dataclass(slots=True)
class SyncHouse:
    """The service and all that stands around it."""

    dsn: str
    database: Database
    cards: CertificateRegistryPeer
    bidders: QualificationRegistryPeer
    card_registry: "AgencySyncAsyncStub"
    front_door: "AgencySyncAsyncStub"
    officer: "AgencySyncAsyncStub"
    work: jobs.Work
    now: list[datetime]

    def pass_time(self, duration: timedelta) -> None:
        """Lets the service's clock go on."""
        self.now[0] += duration

    async def record(self, event: certificate_pb2.RegistrationEvent) -> UUID:
        """Delivers an event as the registry of cards does; gives the registration's id."""
        await self.card_registry.RecordRegistration(service_pb2.RecordRegistrationRequest(event=event))
        return UUID(event.registration.registration_id)

    async def propagate(self) -> None:
        """Runs the worker's task now."""
        await self.work.tasks["propagate"][0]({})

    async def propagations(self, registration_id: UUID) -> dict[str, tuple[str, str]]:
        """State and reason by agency, as the front door is told."""
        response = await self.front_door.ListPropagations(
            service_pb2.ListPropagationsRequest(registration_id=str(registration_id))
        )
        return {
            found.agency: (
                resources_pb2.PropagationState.Name(found.state).removeprefix("PROPAGATION_STATE_"),
                found.reason,
            )
            for found in response.propagations
        }

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database says."""
        async with self.database.read() as connection:
            return [tuple(row) for row in await connection.execute(text(query))]

    async def jobs_waiting(self) -> int:
        """How many jobs wait."""
        async with self.database.read() as connection:
            return sum((await jobs.waiting(connection)).values())


@asynccontextmanager
async def sync_house(dsn: str, folder: Path, profile: Profile) -> AsyncIterator[SyncHouse]:
    """Opens the house on an empty database."""
    authority = Authority(folder, profile.id)
    # The fakes answer what this service asks, and no more.
    cards = CertificateRegistryPeer()  # type: ignore[abstract]
    bidders = QualificationRegistryPeer()  # type: ignore[abstract]
    clock = [MORNING]
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(dsn, pool=4))
        peers = await stack.enter_async_context(
            calling(
                authority.service("agency-sync"),
                certificate_registry=await stack.enter_async_context(
                    serving(
                        authority,
                        "certificate-registry",
                        {CARD_REGISTRY: partial(add_CertificateRegistryServicer_to_server, cards)},
                        instance=profile.id,
                    )
                ),
                qualification_registry=await stack.enter_async_context(
                    serving(
                        authority,
                        "qualification-registry",
                        {BIDDER_REGISTRY: partial(add_QualificationRegistryServicer_to_server, bidders)},
                        instance=profile.id,
                    )
                ),
            )
        )
        servicer = AgencySync(database=database, profile=profile, clock=lambda: clock[0])
        services = {SERVICE: partial(add_AgencySyncServicer_to_server, servicer)}
        callers = {
            "front_door": authority.service("front-door"),
            "card_registry": authority.service("certificate-registry"),
            "officer": authority.officer(f"{PREFECTURE}/hanako", "registration"),
        }
        stubs = {}
        for listener in (ListenerKind.INTERNAL, ListenerKind.AGENCY):
            address = await stack.enter_async_context(
                serving(authority, "agency-sync", services, instance=profile.id, listener=listener)
            )
            for name, files in callers.items():
                if (name == "officer") == (listener is ListenerKind.AGENCY):
                    caller = await stack.enter_async_context(calling(files, agency_sync=address))
                    stubs[name] = caller.stub("agency-sync", AgencySyncStub)
        yield SyncHouse(
            dsn=dsn,
            database=database,
            cards=cards,
            bidders=bidders,
            work=work(
                database=database,
                profile=profile,
                qualifications=peers.stub("qualification-registry", QualificationRegistryStub),
                cards=peers.stub("certificate-registry", CertificateRegistryStub),
                clock=lambda: clock[0],
            ),
            now=clock,
            **stubs,
        )
