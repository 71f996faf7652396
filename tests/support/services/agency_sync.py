"""agency-sync in this process with its callers, its database and the two registries that it calls."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import text

from agency_sync.adapters.certificate_registry import CertificateRegistry
from agency_sync.adapters.qualification_registry import QualificationRegistry
from agency_sync.domain.offers import choose_timing, list_agencies_by_category
from agency_sync.jobs import register_tasks
from agency_sync.operations.listing import PropagationListing
from agency_sync.operations.propagate import PropagationRun
from agency_sync.operations.record import RegistrationRecord
from agency_sync.servicer import AgencySync
from instance_profile.model import Profile
from servicekit import jobs
from servicekit.access import ListenerKind
from servicekit.database import Database
from servicekit.messages import write_timestamp
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from tests.support.in_process import Authority, calling, serving
from tests.support.peers.certificate_registry import CertificateRegistryPeer
from tests.support.peers.qualification_registry import QualificationRegistryPeer
from toroku.agencysync.v1 import agency_sync_pb2, propagation_pb2
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub, add_AgencySyncServicer_to_server
from toroku.certificate.v1 import card_pb2, certificate_registry_pb2
from toroku.certificate.v1.certificate_registry_pb2_grpc import (
    CertificateRegistryStub,
    add_CertificateRegistryServicer_to_server,
)
from toroku.event.v1.version_pb2 import Version
from toroku.qualification.v1 import qualification_registry_pb2
from toroku.qualification.v1.qualification_registry_pb2_grpc import (
    QualificationRegistryStub,
    add_QualificationRegistryServicer_to_server,
)

if TYPE_CHECKING:
    from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncAsyncStub

SERVICE = agency_sync_pb2.DESCRIPTOR.services_by_name["AgencySync"]
CARD_REGISTRY = certificate_registry_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]
BIDDER_REGISTRY = qualification_registry_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"]
MORNING = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)


def registration_event(
    registration_id: UUID | None = None,
    *,
    agency: str = PREFECTURE,
    category: str = WORKS,
    bidder_id: str = BIDDER,
    epoch: int = 1,
    number: int = 1,
    origin: card_pb2.RegistrationOrigin.ValueType = card_pb2.REGISTRATION_ORIGIN_CONTRACTOR,
) -> card_pb2.RegistrationEvent:
    """The event of a registration; without an id, of a new one."""
    registration_id = registration_id or uuid4()
    return card_pb2.RegistrationEvent(
        registration=card_pb2.Registration(
            registration_id=str(registration_id),
            agency=agency,
            category=category,
            certificate_sha256=sha256(registration_id.bytes).digest(),
            bidder_id=bidder_id,
            registered_at=write_timestamp(MORNING),
            origin=origin,
            version=Version(epoch=epoch, number=number),
        ),
        request_id=str(uuid4()),
    )


@dataclass(slots=True)
class RunningAgencySync:
    """The service, its worker's tasks, the fakes that it calls, and a stub for each kind of caller."""

    dsn: str
    database: Database
    certificate_registry: CertificateRegistryPeer
    qualification_registry: QualificationRegistryPeer
    from_certificate_registry: "AgencySyncAsyncStub"
    from_front_door: "AgencySyncAsyncStub"
    from_officer: "AgencySyncAsyncStub"
    work: jobs.Work
    now: list[datetime]

    def pass_time(self, duration: timedelta) -> None:
        """Advances the service's clock."""
        self.now[0] += duration

    async def record(self, event: card_pb2.RegistrationEvent) -> UUID:
        """Delivers an event as certificate-registry does; returns the registration's id."""
        await self.from_certificate_registry.RecordRegistration(agency_sync_pb2.RecordRegistrationRequest(event=event))
        return UUID(event.registration.registration_id)

    async def propagate(self) -> None:
        """Runs the worker's task now."""
        await self.work.tasks["propagate"][0]({})

    async def propagations(self, registration_id: UUID) -> dict[str, tuple[str, str]]:
        """Returns state and reason by agency, as the front door reads them."""
        response = await self.from_front_door.ListPropagations(
            agency_sync_pb2.ListPropagationsRequest(registration_id=str(registration_id))
        )
        return {
            propagation.agency: (
                propagation_pb2.PropagationState.Name(propagation.state).removeprefix("PROPAGATION_STATE_"),
                propagation.reason,
            )
            for propagation in response.propagations
        }

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        async with self.database.read() as connection:
            return [tuple(row) for row in await connection.execute(text(query))]

    async def jobs_waiting(self) -> int:
        """Returns the number of jobs that wait."""
        async with self.database.read() as connection:
            return sum((await jobs.waiting(connection)).values())


@asynccontextmanager
async def running_agency_sync(dsn: str, folder: Path, profile: Profile) -> AsyncIterator[RunningAgencySync]:
    """Runs the service on an empty database."""
    authority = Authority(folder, profile.id)
    cards = CertificateRegistryPeer()  # type: ignore[abstract]  # The fakes implement only the RPCs that this service calls.
    bidders = QualificationRegistryPeer()  # type: ignore[abstract]  # As above.
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
        offering = list_agencies_by_category(profile)
        servicer = AgencySync(
            registration_record=RegistrationRecord(
                database=database, clock=lambda: clock[0], timing=choose_timing(profile)
            ),
            listing=PropagationListing(database=database, offering=offering),
        )
        propagation = PropagationRun(
            database=database,
            clock=lambda: clock[0],
            offering=offering,
            certificate_registry=CertificateRegistry(peers.stub("certificate-registry", CertificateRegistryStub)),
            qualification_registry=QualificationRegistry(
                peers.stub("qualification-registry", QualificationRegistryStub)
            ),
        )
        services = {SERVICE: partial(add_AgencySyncServicer_to_server, servicer)}
        callers = {
            "from_front_door": authority.service("front-door"),
            "from_certificate_registry": authority.service("certificate-registry"),
            "from_officer": authority.officer(f"{PREFECTURE}/hanako", "registration"),
        }
        stubs = {}
        for listener in (ListenerKind.INTERNAL, ListenerKind.AGENCY):
            address = await stack.enter_async_context(
                serving(authority, "agency-sync", services, instance=profile.id, listener=listener)
            )
            for name, files in callers.items():
                if (name == "from_officer") == (listener is ListenerKind.AGENCY):
                    caller = await stack.enter_async_context(calling(files, agency_sync=address))
                    stubs[name] = caller.stub("agency-sync", AgencySyncStub)
        yield RunningAgencySync(
            dsn=dsn,
            database=database,
            certificate_registry=cards,
            qualification_registry=bidders,
            work=register_tasks(propagation=propagation),
            now=clock,
            **stubs,
        )
