"""agency-sync in this process with its callers, its database and the two registries that it calls."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from psycopg.rows import tuple_row
from sqlalchemy import text

from agency_sync.adapters.certificate_registry import CertificateRegistry
from agency_sync.adapters.contact_notification import ContactNotification
from agency_sync.convert.feed import write_delimited_change
from agency_sync.domain.contact_owner import ContactOwnerState
from agency_sync.domain.feed import list_feed_rules
from agency_sync.domain.offers import list_rules_by_category
from agency_sync.domain.schedule import Schedule
from agency_sync.domain.snapshot import SnapshotKey
from agency_sync.jobs import register_tasks
from agency_sync.operations.batches import Batches
from agency_sync.operations.bidder_record import BidderStateRecord
from agency_sync.operations.change_propagation import ChangePlanning, ChangeRun
from agency_sync.operations.contact_record import ContactOwnerRecord
from agency_sync.operations.feed_appending import FeedAppending
from agency_sync.operations.feed_expiry import FeedExpiry
from agency_sync.operations.feed_reading import FeedReading
from agency_sync.operations.feed_watch import FeedWatch
from agency_sync.operations.history_record import HistoryHeadRecord
from agency_sync.operations.listing import PropagationListing
from agency_sync.operations.propagate import PropagationRun
from agency_sync.operations.record import CardStateRecord
from agency_sync.operations.snapshot import SnapshotMaking, SnapshotReading
from agency_sync.servicer.agency_sync import AgencySync
from agency_sync.servicer.feed import Feed
from instance_profile.model import Profile
from servicekit import jobs
from servicekit.access import ListenerKind
from servicekit.credentials import CertificateFiles, create_channel_credentials
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.messages import write_timestamp
from servicekit.statements import Statement
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, TOWN, VILLAGE, WORKS
from tests.support.in_process import Authority, calling, serving
from tests.support.peers.certificate_registry import CertificateRegistryPeer
from tests.support.peers.propagated_changes import PropagatedChangesPeer
from toroku.agencysync.v1 import agency_sync_pb2, feed_pb2, propagation_pb2
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub, add_AgencySyncServicer_to_server
from toroku.agencysync.v1.feed_pb2_grpc import FeedStub, add_FeedServicer_to_server
from toroku.certificate.v1 import card_pb2, card_state_pb2, certificate_registry_pb2
from toroku.certificate.v1.certificate_registry_pb2_grpc import (
    CertificateRegistryStub,
    add_CertificateRegistryServicer_to_server,
)
from toroku.contact.v1 import contact_notification_pb2, contact_pb2, owner_state_pb2
from toroku.contact.v1.contact_notification_pb2_grpc import (
    ContactNotificationStub,
    add_ContactNotificationServicer_to_server,
)
from toroku.event.v1.version_pb2 import Version
from toroku.qualification.v1 import bidder_pb2, bidder_state_pb2

if TYPE_CHECKING:
    from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncAsyncStub
    from toroku.agencysync.v1.feed_pb2_grpc import FeedAsyncStub

SERVICE = agency_sync_pb2.DESCRIPTOR.services_by_name["AgencySync"]
FEED = feed_pb2.DESCRIPTOR.services_by_name["Feed"]
CARD_REGISTRY = certificate_registry_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]
CONTACTS = contact_notification_pb2.DESCRIPTOR.services_by_name["ContactNotification"]
MORNING = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
EVERYWHERE = (PREFECTURE, CITY, TOWN, VILLAGE)


def agency_registration(
    agency: str,
    registration_id: UUID | None = None,
    *,
    origin: card_pb2.RegistrationOrigin.ValueType = card_pb2.REGISTRATION_ORIGIN_CONTRACTOR,
    state: card_state_pb2.RegistrationState.ValueType = card_state_pb2.REGISTRATION_STATE_GOOD,
    replaced_by: bytes = b"",
    predecessor: bytes = b"",
    stays_here: bool = False,
) -> card_state_pb2.AgencyRegistration:
    """A registration in a card's state; without an id, a new one."""
    return card_state_pb2.AgencyRegistration(
        registration_id=str(registration_id or uuid4()),
        agency=agency,
        state=state,
        origin=origin,
        registered_at=write_timestamp(MORNING),
        replaced_by=replaced_by,
        predecessor=predecessor,
        stays_here=stays_here,
    )


def card_state(
    registration_id: UUID | None = None,
    *,
    agency: str = PREFECTURE,
    category: str = WORKS,
    bidder_id: str = BIDDER,
    epoch: int = 1,
    number: int = 1,
    origin: card_pb2.RegistrationOrigin.ValueType = card_pb2.REGISTRATION_ORIGIN_CONTRACTOR,
    state: card_state_pb2.RegistrationState.ValueType = card_state_pb2.REGISTRATION_STATE_GOOD,
    binding: card_state_pb2.BindingState.ValueType = card_state_pb2.BINDING_STATE_LIVE,
    suspended: bool = False,
    password: bool = True,
    company: bidder_pb2.CompanyComparison.ValueType = bidder_pb2.COMPANY_COMPARISON_SAME,
    holder: bidder_pb2.HolderComparison.ValueType = bidder_pb2.HOLDER_COMPARISON_CONTRACT_PARTY,
    more: Sequence[card_state_pb2.AgencyRegistration] = (),
    standing: card_state_pb2.CertificateStanding.State.ValueType = card_state_pb2.CertificateStanding.STATE_TRUSTED,
) -> card_state_pb2.CardState:
    """The state of a card with one registration, and `more`; the card belongs to that registration's id."""
    registration_id = registration_id or uuid4()
    return card_state_pb2.CardState(
        certificate_sha256=sha256(registration_id.bytes).digest(),
        category=category,
        version=Version(epoch=epoch, number=number),
        bidder_id=bidder_id,
        binding=binding,
        proven=bidder_pb2.Proven(password=password, company=company, holder=holder),
        suspended=suspended,
        registrations=[agency_registration(agency, registration_id, origin=origin, state=state), *more],
        certificate=card_state_pb2.CertificateStanding(
            state=standing,
            not_before=write_timestamp(MORNING - timedelta(days=1)),
            not_after=write_timestamp(MORNING + timedelta(days=700)),
        ),
    )


def bidder_state(
    number: int = 1,
    *,
    epoch: int = 1,
    bidder_id: str = BIDDER,
    category: str = WORKS,
    status: bidder_state_pb2.BidderStatus.ValueType = bidder_state_pb2.BIDDER_STATUS_ACTIVE,
    suspended_agencies: Sequence[str] = (),
    approved_cards: Sequence[bidder_state_pb2.ApprovedCard] = (),
    qualified_at: Sequence[str] = EVERYWHERE,
    qualified: Sequence[bidder_state_pb2.QualifiedPeriod] | None = None,
    reviews: Sequence[bidder_state_pb2.CompanyReview] = (),
) -> bidder_state_pb2.BidderState:
    """The state of a bidder at a version; it is qualified at `qualified_at` without an end, or in these periods."""
    return bidder_state_pb2.BidderState(
        bidder_id=bidder_id,
        category=category,
        version=Version(epoch=epoch, number=number),
        status=status,
        suspended_agencies=suspended_agencies,
        approved_cards=approved_cards,
        qualified=(
            [bidder_state_pb2.QualifiedPeriod(agencies=sorted(qualified_at))] if qualified is None else qualified
        ),
        reviews=reviews,
    )


def contact_owner(
    certificate_sha256: bytes | None,
    *,
    number: int = 1,
    newest: int = 1,
    pins: Mapping[str, int] = MappingProxyType({}),
    category: str = WORKS,
    bidder_id: str = BIDDER,
) -> owner_state_pb2.ContactOwnerState:
    """The state of a contact's owner: of a card, or of the bidder where it is None."""
    key = f"{certificate_sha256!r} {category} {bidder_id}"
    return owner_state_pb2.ContactOwnerState(
        owner_id=str(uuid5(NAMESPACE_OID, key)),
        purpose=contact_pb2.CONTACT_PURPOSE_CARD if certificate_sha256 else contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE,
        category=category,
        bidder_id=bidder_id,
        certificate_sha256=certificate_sha256 or b"",
        version=Version(epoch=1, number=number),
        contact_version=newest,
        pins=[owner_state_pb2.ContactPin(agency=agency, contact_version=pin) for agency, pin in sorted(pins.items())],
    )


@dataclass(slots=True)
class RunningAgencySync:
    """The service, its worker's tasks, the fakes that it calls, and a stub for each kind of caller."""

    dsn: str
    database: Database
    certificate_registry: CertificateRegistryPeer
    contact_notification: PropagatedChangesPeer
    from_certificate_registry: "AgencySyncAsyncStub"
    from_qualification_registry: "AgencySyncAsyncStub"
    from_front_door: "AgencySyncAsyncStub"
    from_contact_notification: "AgencySyncAsyncStub"
    from_officer: "AgencySyncAsyncStub"
    # The files of an officer of the prefecture.
    officer_files: CertificateFiles
    # By agency.
    officers: "Mapping[str, AgencySyncAsyncStub]"
    # The feeds, as the systems of these agencies call them.
    from_agency: "dict[str, FeedAsyncStub]"
    # The same, for streams; errors are gRPC's own.
    streams: "dict[str, FeedAsyncStub]"
    # The listener of agencies, for systems that are no part of this project, and the certificates of these.
    agency_address: str
    agency_files: dict[str, CertificateFiles]
    # By which snapshots of feeds are verified.
    feed_key: Ed25519PublicKey
    work: jobs.Work
    now: list[datetime]
    planning: ChangePlanning
    qualifications: int = 0

    async def end_claims(self) -> None:
        """Has all claims end now."""
        async with self.database.single_change() as connection:
            await connection.execute("UPDATE intentions SET taken_until = now()")

    def pass_time(self, duration: timedelta) -> None:
        """Advances the service's clock."""
        self.now[0] += duration

    async def record(self, *states: card_state_pb2.CardState) -> UUID:
        """Delivers states as certificate-registry does; returns the id of the first one's first registration."""
        await self.from_certificate_registry.RecordCardStates(
            agency_sync_pb2.RecordCardStatesRequest(card_states=states)
        )
        return UUID(states[0].registrations[0].registration_id)

    async def record_bidders(self, *states: bidder_state_pb2.BidderState) -> None:
        """Delivers states of bidders as qualification-registry does. Raises Refusal."""
        await self.from_qualification_registry.RecordBidderStates(
            agency_sync_pb2.RecordBidderStatesRequest(bidder_states=states)
        )

    async def qualify(self, *agencies: str, bidder_id: str = BIDDER, category: str = WORKS) -> None:
        """Has a bidder qualified at these agencies from now on, by a state lower than any of `bidder_state`."""
        self.qualifications += 1
        await self.record_bidders(
            bidder_state(self.qualifications, epoch=0, bidder_id=bidder_id, category=category, qualified_at=agencies)
        )

    async def plan_changes(self, *owners: ContactOwnerState) -> None:
        """Has the changes planned that states of contacts' owners name."""
        async with self.database.transaction() as connection:
            await self.planning.open_changes(connection, owners)

    async def record_contacts(self, *owners: owner_state_pb2.ContactOwnerState) -> None:
        """Delivers states of contacts' owners as contact-notification does. Raises Refusal."""
        await self.from_contact_notification.RecordContactOwners(
            agency_sync_pb2.RecordContactOwnersRequest(owners=owners)
        )

    async def append_pending(self) -> None:
        """Runs the worker's task now that appends to the feeds what one transaction could not."""
        await self.work.tasks["append_pending"][0]({})

    async def make_snapshot(self, agency: str, category: str = WORKS) -> None:
        """Runs the worker's job now that makes the snapshot of a feed."""
        await self.work.tasks["make_snapshot"][0]({"agency": agency, "category": category})

    async def propagate(self) -> None:
        """Runs the worker's task for registrations and renewals now."""
        await self.work.tasks["propagate"][0]({})

    async def propagate_changes(self) -> None:
        """Runs the worker's task for changes now."""
        await self.work.tasks["propagate_changes"][0]({})

    async def propagations(self, registration_id: UUID, agency: str = PREFECTURE) -> dict[str, tuple[str, str]]:
        """Returns state and reason by agency, as an officer of the agency reads them."""
        response = await self.officers[agency].ListPropagations(
            agency_sync_pb2.ListPropagationsRequest(registration_id=str(registration_id), agency=agency)
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
            cursor = await connection.cursor(row_factory=tuple_row).execute(query.encode())
            return await cursor.fetchall()

    async def execute(self, statement: str) -> None:
        """Makes a change for which there is no RPC."""
        async with self.database.transaction() as connection:
            await connection.change(Statement(text(statement)))

    async def jobs_waiting(self) -> int:
        """Returns the number of jobs that wait."""
        async with self.database.read() as connection:
            return sum((await jobs.waiting(connection)).values())


@asynccontextmanager
async def streaming(files: CertificateFiles, address: str) -> "AsyncIterator[FeedAsyncStub]":
    """A stub for streams, which `servicekit.clients` has not."""
    options = (("grpc.ssl_target_name_override", "agency-sync"), ("grpc.initial_reconnect_backoff_ms", 100))
    async with grpc.aio.secure_channel(address, create_channel_credentials(files), options) as channel:
        yield FeedStub(channel)


@asynccontextmanager
async def running_agency_sync(
    dsn: str, folder: Path, profile: Profile, *, heartbeat_interval: float = 15.0, longest_stream: float = 50.0
) -> AsyncIterator[RunningAgencySync]:
    """Runs the service on an empty database; the times of the feeds' streams are in seconds."""
    authority = Authority(folder, profile.id)
    cards = CertificateRegistryPeer()
    contacts = PropagatedChangesPeer()  # type: ignore[abstract]  # It implements only the RPC that this service calls.
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
                contact_notification=await stack.enter_async_context(
                    serving(
                        authority,
                        "contact-notification",
                        {CONTACTS: partial(add_ContactNotificationServicer_to_server, contacts)},
                        instance=profile.id,
                    )
                ),
            )
        )

        async def read_time(_: Connection) -> datetime:
            return clock[0]

        offering, schedule = list_rules_by_category(profile), Schedule.of(profile)
        feeds = FeedAppending(database=database, rules=list_feed_rules(profile))
        feed_key = Ed25519PrivateKey.generate()
        snapshots = SnapshotMaking(
            database=database,
            clock=read_time,
            instance=profile.id,
            key=SnapshotKey(feed_key),
            serialize=write_delimited_change,
        )
        reading = FeedReading(
            profile=profile,
            database=database,
            watch=FeedWatch(database, interval=0.05),
            heartbeat_interval=heartbeat_interval,
            longest_stream=longest_stream,
        )
        servicer = AgencySync(
            card_state_record=CardStateRecord(
                database=database,
                clock=read_time,
                schedule=schedule,
                offering=offering,
                feeds=feeds,
            ),
            bidder_state_record=BidderStateRecord(database=database, feeds=feeds),
            contact_owner_record=ContactOwnerRecord(
                database=database, feeds=feeds, planning=ChangePlanning(schedule=schedule)
            ),
            history_head_record=HistoryHeadRecord(database=database),
            listing=PropagationListing(database=database, clock=read_time, schedule=schedule, offering=offering),
        )
        of_registrations, of_changes = [
            Batches(database=database, clock=lambda _: clock[0], schedule=schedule, of_changes=are_changes)
            for are_changes in (False, True)
        ]
        propagation = PropagationRun(
            database=database,
            clock=read_time,
            batches=of_registrations,
            offering=offering,
            certificate_registry=CertificateRegistry(peers.stub("certificate-registry", CertificateRegistryStub)),
        )
        changes = ChangeRun(
            database=database,
            clock=read_time,
            batches=of_changes,
            contact_notification=ContactNotification(peers.stub("contact-notification", ContactNotificationStub)),
        )
        services = {
            SERVICE: partial(add_AgencySyncServicer_to_server, servicer),
            FEED: partial(
                add_FeedServicer_to_server,
                Feed(
                    reading=reading,
                    snapshots=SnapshotReading(profile=profile, database=database, clock=read_time),
                ),
            ),
        }
        callers = {
            "from_front_door": authority.service("front-door"),
            "from_certificate_registry": authority.service("certificate-registry"),
            "from_qualification_registry": authority.service("qualification-registry"),
            "from_contact_notification": authority.service("contact-notification"),
            "from_officer": authority.enrol(f"{PREFECTURE}/hanako", "registration"),
        }
        callers |= {agency: authority.enrol(f"{agency}/jiro", "registration") for agency in EVERYWHERE}
        stubs = {}
        feed_stubs = {}
        streams = {}
        addresses: dict[ListenerKind, str] = {}
        agency_files = {agency: authority.agency(agency) for agency in (PREFECTURE, CITY, VILLAGE, "nowhere")}
        for listener in (ListenerKind.INTERNAL, ListenerKind.AGENCY):
            address = await stack.enter_async_context(
                serving(authority, "agency-sync", services, instance=profile.id, listener=listener)
            )
            addresses[listener] = address
            if listener is ListenerKind.AGENCY:
                for agency, own in agency_files.items():
                    caller = await stack.enter_async_context(calling(own, agency_sync=address))
                    feed_stubs[agency] = caller.stub("agency-sync", FeedStub)
                    streams[agency] = await stack.enter_async_context(streaming(agency_files[agency], address))
            for name, files in callers.items():
                if (name == "from_officer" or name in EVERYWHERE) == (listener is ListenerKind.AGENCY):
                    caller = await stack.enter_async_context(calling(files, agency_sync=address))
                    stubs[name] = caller.stub("agency-sync", AgencySyncStub)
        yield RunningAgencySync(
            dsn=dsn,
            database=database,
            certificate_registry=cards,
            contact_notification=contacts,
            planning=ChangePlanning(schedule=schedule),
            from_agency=feed_stubs,
            streams=streams,
            agency_address=addresses[ListenerKind.AGENCY],
            agency_files=agency_files,
            feed_key=feed_key.public_key(),
            work=register_tasks(
                propagation=propagation,
                changes=changes,
                feeds=feeds,
                snapshots=snapshots,
                expiry=FeedExpiry(database=database, clock=read_time),
            ),
            now=clock,
            officer_files=callers["from_officer"],
            officers={agency: stubs.pop(agency) for agency in EVERYWHERE},
            **stubs,  # type: ignore[arg-type]  # All are stubs.
        )
