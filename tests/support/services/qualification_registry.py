"""Runs qualification-registry in this process: its real listeners and database, its callers and its one peer."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.descriptor import ServiceDescriptor

from history.entries import Chain
from history.servicer import offer_history
from instance_profile.model import Profile
from officers.directory import StoredOfficers
from officers.servicer import Officers, offer_directory
from qualification_registry.adapters.agency_sync import AgencySync
from qualification_registry.adapters.certificate_registry import CertificateRegistry
from qualification_registry.adapters.contact_notification import ContactNotification
from qualification_registry.adapters.password_hashing import PasswordHashing
from qualification_registry.domain.bidders import BidderStatus
from qualification_registry.domain.proof import STATEMENT_PREFIX
from qualification_registry.jobs import build_work
from qualification_registry.operations.act_facts import ACT_FACTS
from qualification_registry.operations.bidder_events import (
    AGENCY_SYNC,
    CERTIFICATE_REGISTRY,
    SEND_STATES,
    BidderEvents,
    Consumer,
)
from qualification_registry.operations.bidder_list import BidderList
from qualification_registry.operations.bidder_names import BidderNames
from qualification_registry.operations.bidder_notices import SEND_NOTICE, BidderNotices
from qualification_registry.operations.bidder_proof import BidderProofs
from qualification_registry.operations.bidder_renewal import BidderRenewal
from qualification_registry.operations.bidder_search import BidderSearch
from qualification_registry.operations.card_approval_decision import SEND_ANSWER, CardAnswers, CardApprovalDecision
from qualification_registry.operations.card_approval_queue import CardApprovalQueue
from qualification_registry.operations.expiry import Expiry
from qualification_registry.operations.password_issue import PasswordIssue
from qualification_registry.operations.preview_list import PreviewList
from qualification_registry.operations.review_end import ReviewEnds
from qualification_registry.operations.roster_commit import RosterCommit
from qualification_registry.operations.roster_preview import RosterPreview
from qualification_registry.operations.roster_versions import RosterVersions
from qualification_registry.operations.succession import BidderSuccession
from qualification_registry.operations.suspension import BidderSuspensions
from qualification_registry.servicer.bidder_proposals import LinkHandler, ResumptionHandler
from qualification_registry.servicer.bidders import BiddersServicer
from qualification_registry.servicer.card_approvals import CardApprovalsServicer
from qualification_registry.servicer.qualification_registry import QualificationRegistryServicer
from servicekit import database_clock, jobs
from servicekit.access import ListenerKind
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.identity import OPERATOR
from servicekit.signed_statement import SigningKey
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, WORKS
from tests.support.in_process import Authority, Services, calling, serving
from tests.support.officers import Office, office
from tests.support.peers.agency_sync import AgencySyncPeer
from tests.support.peers.certificate_registry import CertificateRegistryPeer
from tests.support.peers.contact_notification import ContactNotificationPeer
from tests.support.qualified_now import list_agencies_now
from tests.support.services.bidder_officer import BidderOfficer
from tests.support.services.example_rosters import roster_profile
from tests.support.services.roster_officer import Officer, roster_officer
from tests.support.stopped_bidders import set_status
from toroku.agencysync.v1 import agency_sync_pb2, agency_sync_pb2_grpc
from toroku.certificate.v1 import certificate_registry_pb2, certificate_registry_pb2_grpc
from toroku.contact.v1 import contact_notification_pb2, contact_notification_pb2_grpc
from toroku.history.v1.history_pb2_grpc import HistoryStub
from toroku.qualification.v1 import (
    bidder_pb2,
    bidders_pb2,
    card_approvals_pb2,
    qualification_registry_pb2,
)
from toroku.qualification.v1.bidders_pb2_grpc import add_BiddersServicer_to_server
from toroku.qualification.v1.card_approvals_pb2_grpc import CardApprovalsStub, add_CardApprovalsServicer_to_server
from toroku.qualification.v1.qualification_registry_pb2_grpc import (
    QualificationRegistryStub,
    add_QualificationRegistryServicer_to_server,
)

if TYPE_CHECKING:
    from toroku.history.v1.history_pb2_grpc import HistoryAsyncStub
    from toroku.qualification.v1.card_approvals_pb2_grpc import CardApprovalsAsyncStub
    from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryAsyncStub

SERVICE = qualification_registry_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"]
BIDDERS = bidders_pb2.DESCRIPTOR.services_by_name["Bidders"]
CARD_APPROVALS = card_approvals_pb2.DESCRIPTOR.services_by_name["CardApprovals"]
NAME = "qualification-registry"
MORNING = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
CARD = sha256(b"card").digest()
# Tests pass months of the service's clock.
OFFICER_CERTIFICATES = timedelta(days=3650)


@dataclass(slots=True)
class RunningQualificationRegistry:
    """The running service with its callers, its peer and its worker's tasks."""

    dsn: str
    profile: Profile
    database: Database
    proof_key: SigningKey
    front_door: "QualificationRegistryAsyncStub"
    front_door_approvals: "CardApprovalsAsyncStub"
    officer: Officer
    other_officer: Officer
    officer_without_role: Officer
    # Of another agency than the officers above, and of the operator, both with all roles.
    city_officer: Officer
    operators_officer: Officer
    # For the operator's officer.
    history: "HistoryAsyncStub"
    authority: Authority
    office: Office
    certificate_registry: CertificateRegistryPeer
    contact_notification: ContactNotificationPeer
    peer_agency_sync: AgencySyncPeer
    work: jobs.Work
    now: list[datetime] = field(default_factory=lambda: [MORNING])

    def pass_time(self, duration: timedelta) -> None:
        """Advances the service's clock."""
        self.now[0] += duration

    async def find(
        self,
        bidder_id: str = "1000000001",
        name: str = "株式会社見本建設",
        password: str = "",
        *,
        agency: str = PREFECTURE,
        category: str = WORKS,
        card: bytes = CARD,
        certificate_company_name: str | None = None,
        certificate_holder_name: str | None = None,
    ) -> qualification_registry_pb2.FindBidderResponse:
        """Searches as the front door does. Raises Refusal."""
        return await self.front_door.FindBidder(
            qualification_registry_pb2.FindBidderRequest(
                agency=agency,
                category=category,
                certificate_sha256=card,
                name=name,
                bidder_id=bidder_id,
                password=password,
                certificate_company_name=certificate_company_name,
                certificate_holder_name=certificate_holder_name,
            )
        )

    async def confirm(
        self,
        proof: bidder_pb2.BidderProof,
        certificate_company_name: str | None = None,
        certificate_holder_name: str | None = None,
    ) -> qualification_registry_pb2.ConfirmBidderResponse:
        """Confirms a proof as the front door does. Raises Refusal."""
        return await self.front_door.ConfirmBidder(
            qualification_registry_pb2.ConfirmBidderRequest(
                proof=proof,
                certificate_company_name=certificate_company_name,
                certificate_holder_name=certificate_holder_name,
            )
        )

    async def prove(
        self,
        bidder_id: str = BIDDER,
        *,
        agency: str = PREFECTURE,
        category: str = WORKS,
        card: bytes = CARD,
        certificate_company_name: str | None = None,
        certificate_holder_name: str | None = None,
    ) -> qualification_registry_pb2.ProveBidderResponse:
        """Proves the bidder of a renewal as the front door does. Raises Refusal."""
        return await self.front_door.ProveBidder(
            qualification_registry_pb2.ProveBidderRequest(
                agency=agency,
                category=category,
                bidder_id=bidder_id,
                certificate_sha256=card,
                certificate_company_name=certificate_company_name,
                certificate_holder_name=certificate_holder_name,
            )
        )

    async def list_agencies(self, *bidder_ids: str, category: str = WORKS) -> dict[str, list[str]]:
        """Returns where each bidder is qualified now, by the newest states that agency-sync was told of."""
        await self.send_events()
        newest = {
            state.bidder_id: state
            for state in sorted(self.peer_agency_sync.recorded_bidders, key=lambda state: state.version.number)
            if state.category == category
        }
        return {bidder_id: list_agencies_now(newest.get(bidder_id), self.now[0]) for bidder_id in bidder_ids}

    async def change_status(self, bidder_id: str, status: BidderStatus) -> None:
        """Changes a bidder's status in the whole instance, though no single officer could."""
        async with self.database.transaction() as connection:
            await set_status(connection, bidder_id, WORKS, status)

    async def end_bidder(self, bidder_id: str) -> None:
        """Ends a bidder, for which there is no RPC yet."""
        await self.change_status(bidder_id, BidderStatus.ENDED)

    async def appoint(self, name: str, *roles: str) -> BidderOfficer:
        """Returns an officer (`agency/person`) with these roles, or the one to suspend, and with a new certificate."""
        person = await self.office.connect(name, self.authority.person(name, OFFICER_CERTIFICATES))
        await self.office.change(person, *(roles or ("suspension",)))
        return BidderOfficer(person)

    async def lapse_suspensions(self) -> None:
        """Runs the periodic task that ends suspensions."""
        await self.work.tasks["lapse_suspensions"][0]({})

    async def send_events(self) -> None:
        """Runs the enqueued jobs that send bidders, as the worker would."""
        query = (
            "SELECT id, queue_name, args FROM jobs.procrastinate_jobs "
            "WHERE status = 'todo' AND task_name = 'send_bidder_states' ORDER BY id LIMIT 1"
        )
        while jobs_to_do := await self.query(query):
            ((number, queue, arguments),) = jobs_to_do
            replacements = await self.work.tasks[SEND_STATES][0](arguments["arguments"])
            assert not isinstance(replacements, jobs.Later)
            async with self.database.transaction() as connection:
                await jobs.enqueue_each(connection, SEND_STATES, queue=queue, arguments=replacements or ())
                # As in a worker's session: the table's triggers name other tables without their schema.
                await connection.execute("SET LOCAL search_path = public, jobs")
                await connection.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [number])

    async def send_answers(self) -> int:
        """Runs the enqueued jobs that hand over officers' answers, as the worker would; returns how many wait on."""
        query = "SELECT args FROM jobs.procrastinate_jobs WHERE task_name = 'send_card_answer' ORDER BY id"
        results = [
            await self.work.tasks[SEND_ANSWER][0](arguments["arguments"]) for (arguments,) in await self.query(query)
        ]
        return sum(isinstance(result, jobs.Later) for result in results)

    async def send_notices(self) -> list[jobs.Result]:
        """Runs the jobs that hand notices over, and returns their results."""
        query = "SELECT args FROM jobs.procrastinate_jobs WHERE task_name = 'send_bidder_notice' ORDER BY id"
        arguments = [arguments["arguments"] for (arguments,) in await self.query(query)]
        return [await self.work.tasks[SEND_NOTICE][0](each) for each in arguments]

    async def delete_expired(self) -> None:
        """Runs the periodic task that deletes what has expired."""
        await self.work.tasks["delete_expired"][0]({})

    async def void_proposals(self) -> None:
        """Runs the periodic task that voids expired proposals."""
        await self.work.tasks["void_proposals"][0]({})

    async def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        async with self.database.read() as connection:
            return [tuple(row) async for row in await connection.execute(statement.encode())]


@asynccontextmanager
async def running_qualification_registry(
    dsn: str,
    folder: Path,
    profile: Profile | None = None,
    *,
    pooled: bool = False,
    proof_key: SigningKey | None = None,
    former_keys: Sequence[SigningKey] = (),
    consumers: Mapping[str, Consumer] | None = None,
) -> AsyncIterator[RunningQualificationRegistry]:
    """Runs the service on a database; `pooled`: `dsn` is the address of a transaction pooler.

    It signs with `proof_key`, and verifies with this key and `former_keys`. The consumers of bidders' states are fakes
    unless others are given, by name.
    """
    profile = profile or roster_profile()
    authority = Authority(folder, profile.id)
    now = [MORNING]

    def clock() -> datetime:
        return now[0]

    async def read_time(connection: Connection) -> datetime:
        # What it costs is counted as in service.
        await database_clock.read_time(connection)
        return now[0]

    def find_time(_: Connection) -> datetime:
        return now[0]

    certificate_registry = CertificateRegistryPeer()
    agency_sync = AgencySyncPeer()  # type: ignore[abstract]  # It implements only RPCs that registries call.
    contacts = ContactNotificationPeer(profile=profile)  # type: ignore[abstract]  # as above
    proof_key = proof_key or SigningKey(Ed25519PrivateKey.generate(), STATEMENT_PREFIX)
    verifying_keys = {key.key_id: key.public_key for key in (proof_key, *former_keys)}
    hashing = PasswordHashing()
    own_chain = Chain(profile.id, NAME)
    async with AsyncExitStack() as stack:
        stack.callback(hashing.close)
        database = await stack.enter_async_context(Database.open(dsn, pool=8, pooled=pooled))
        proofs = BidderProofs(
            database=database, profile=profile, key=proof_key, verifying_keys=verifying_keys, clock=find_time
        )
        bidder_renewal = BidderRenewal(database=database, profile=profile, proofs=proofs, clock=find_time)
        bidder_search = BidderSearch(
            database=database, profile=profile, hashing=hashing, proofs=proofs, clock=find_time
        )
        peer_addresses = {}
        for peer_name, peer_services in _offer_peers(certificate_registry, agency_sync, contacts).items():
            peer_addresses[peer_name.replace("-", "_")] = await stack.enter_async_context(
                serving(authority, peer_name, peer_services, instance=profile.id)
            )
        peers = await stack.enter_async_context(calling(authority.service(NAME), **peer_addresses))
        events = BidderEvents(
            database=database,
            consumers=consumers
            or {
                CERTIFICATE_REGISTRY: CertificateRegistry(
                    peers.stub(CERTIFICATE_REGISTRY, certificate_registry_pb2_grpc.CertificateRegistryStub)
                ),
                AGENCY_SYNC: AgencySync(peers.stub(AGENCY_SYNC, agency_sync_pb2_grpc.AgencySyncStub)),
            },
            clock=read_time,
            patience=0.5,
        )
        contact_notification = ContactNotification(
            peers.stub("contact-notification", contact_notification_pb2_grpc.ContactNotificationStub)
        )
        suspensions = BidderSuspensions(
            database=database, profile=profile, chain=own_chain, events=events, clock=read_time
        )
        of_service = Officers(
            database=database,
            chain=own_chain,
            services=[SERVICE, BIDDERS, CARD_APPROVALS],
            handlers=[
                ResumptionHandler(suspensions=suspensions, events=events),
                LinkHandler(succession=BidderSuccession(database=database, profile=profile, chain=own_chain)),
            ],
            facts=ACT_FACTS,
            callers=authority.callers,
            clock=read_time,
        )
        servicer = QualificationRegistryServicer(
            acts=of_service.methods,
            bidder_search=bidder_search,
            bidder_proofs=proofs,
            bidder_renewal=bidder_renewal,
            roster_preview=RosterPreview(database=database, profile=profile, chain=own_chain, clock=read_time),
            preview_list=PreviewList(database=database, profile=profile, clock=read_time),
            roster_commit=RosterCommit(database=database, profile=profile, chain=own_chain, clock=read_time),
            roster_versions=RosterVersions(database=database, profile=profile, clock=read_time),
            bidder_names=BidderNames(database=database, profile=profile, clock=clock),
            bidder_list=BidderList(database=database, profile=profile, clock=clock),
            password_issue=PasswordIssue(
                database=database, profile=profile, hashing=hashing, chain=own_chain, clock=read_time
            ),
        )
        services: dict[ServiceDescriptor, Callable[[grpc.aio.Server], None]] = {
            SERVICE: partial(add_QualificationRegistryServicer_to_server, servicer),
            BIDDERS: partial(
                add_BiddersServicer_to_server,
                BiddersServicer(
                    suspensions=suspensions,
                    review_ends=ReviewEnds(
                        database=database, profile=profile, chain=own_chain, events=events, clock=read_time
                    ),
                    officers=of_service,
                ),
            ),
            CARD_APPROVALS: partial(
                add_CardApprovalsServicer_to_server,
                CardApprovalsServicer(
                    queue=CardApprovalQueue(
                        database=database,
                        profile=profile,
                        search=bidder_search,
                        renewal=bidder_renewal,
                        chain=own_chain,
                        clock=read_time,
                    ),
                    decision=CardApprovalDecision(database=database, chain=own_chain, clock=read_time),
                    acts=of_service.methods,
                ),
            ),
            **offer_history(database),
            **of_service.offer(),
            **offer_directory(database),
        }
        known = StoredOfficers(database)
        addresses = {
            listener: await stack.enter_async_context(
                serving(authority, NAME, services, instance=profile.id, listener=listener, officers=known)
            )
            for listener in (ListenerKind.INTERNAL, ListenerKind.AGENCY)
        }
        stubs, approval_stubs = {}, {}
        for name in ("front-door", "agency-sync"):
            caller = await stack.enter_async_context(
                calling(authority.service(name), qualification_registry=addresses[ListenerKind.INTERNAL])
            )
            stubs[name] = caller.stub(NAME, QualificationRegistryStub)
            approval_stubs[name] = caller.stub(NAME, CardApprovalsStub)
        enrolled = await stack.enter_async_context(
            office(
                authority,
                NAME,
                internal=addresses[ListenerKind.INTERNAL],
                agency=addresses[ListenerKind.AGENCY],
                # A second run on one database has other certificates.
                reported=time_ns(),
            )
        )
        officers = {}
        for name, roles in (
            (f"{PREFECTURE}/hanako", ("roster", "password")),
            (f"{PREFECTURE}/jiro", ("roster",)),
            (f"{PREFECTURE}/saburo", ()),
            (f"{CITY}/shiro", ("roster", "password")),
            (f"{OPERATOR}/goro", ("roster", "password", "history")),
        ):
            files = authority.person(name, OFFICER_CERTIFICATES)
            client = roster_officer(name, files, addresses[ListenerKind.AGENCY])
            officers[name] = await stack.enter_async_context(client)
            await enrolled.change(officers[name].person, *roles)
        yield RunningQualificationRegistry(
            dsn=dsn,
            profile=profile,
            database=database,
            proof_key=proof_key,
            front_door=stubs["front-door"],
            front_door_approvals=approval_stubs["front-door"],
            officer=officers[f"{PREFECTURE}/hanako"],
            other_officer=officers[f"{PREFECTURE}/jiro"],
            officer_without_role=officers[f"{PREFECTURE}/saburo"],
            city_officer=officers[f"{CITY}/shiro"],
            operators_officer=officers[f"{OPERATOR}/goro"],
            history=HistoryStub(officers[f"{OPERATOR}/goro"].person.channel),
            authority=authority,
            office=enrolled,
            certificate_registry=certificate_registry,
            contact_notification=contacts,
            peer_agency_sync=agency_sync,
            work=build_work(
                bidder_events=events,
                bidder_notices=BidderNotices(database=database, sender=contact_notification, clock=read_time),
                suspensions=suspensions,
                card_answers=CardAnswers(database=database, sender=contact_notification, clock=read_time),
                expiry=Expiry(database=database, chain=own_chain, clock=read_time),
            ),
            now=now,
        )


def _offer_peers(
    certificate_registry: CertificateRegistryPeer, agency_sync: AgencySyncPeer, contacts: ContactNotificationPeer
) -> dict[str, Services]:
    return {
        CERTIFICATE_REGISTRY: {
            certificate_registry_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]: partial(
                certificate_registry_pb2_grpc.add_CertificateRegistryServicer_to_server, certificate_registry
            )
        },
        AGENCY_SYNC: {
            agency_sync_pb2.DESCRIPTOR.services_by_name["AgencySync"]: partial(
                agency_sync_pb2_grpc.add_AgencySyncServicer_to_server, agency_sync
            )
        },
        "contact-notification": {
            contact_notification_pb2.DESCRIPTOR.services_by_name["ContactNotification"]: partial(
                contact_notification_pb2_grpc.add_ContactNotificationServicer_to_server, contacts
            )
        },
    }
