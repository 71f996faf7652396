"""certificate-registry in this process with its callers, its database, a CA, and the two services that it tells."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import text

from certificate_registry.convert import authorities
from certificate_registry.domain.proof import key_id, proof_keys
from certificate_registry.jobs import work
from certificate_registry.resolve import Resolver
from certificate_registry.servicer import CertificateRegistry
from certificate_registry.trusted import Trusted
from instance_profile.model import Profile
from servicekit import jobs
from servicekit.access import ListenerKind
from servicekit.database import Database
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from simulators.crl_server import crl_server
from simulators.instance_overlay import card_authority
from tests.support.contractor import signed
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS, example_profile
from tests.support.in_process import Authority, calling, serving
from tests.support.peers.agency_sync import AgencySyncPeer
from tests.support.peers.contact_notification import ContactNotificationPeer
from toroku.agencysync.v1 import service_pb2 as agency_sync_pb2
from toroku.agencysync.v1.service_pb2_grpc import AgencySyncStub, add_AgencySyncServicer_to_server
from toroku.certificate.v1 import resources_pb2, service_pb2
from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryStub, add_CertificateRegistryServicer_to_server
from toroku.contact.v1 import service_pb2 as contact_pb2
from toroku.contact.v1.service_pb2_grpc import (
    ContactNotificationStub,
    add_ContactNotificationServicer_to_server,
)
from toroku.qualification.v1 import resources_pb2 as qualification_pb2

if TYPE_CHECKING:
    from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryAsyncStub

CERTIFICATE_REGISTRY = service_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]
REGISTRATION = resources_pb2.OPERATION_REGISTRATION
REQUEST_SHA256 = b"r" * 32
LINES = ("利用者登録をします。",)
# Who may call over the internal listener; agencies come over their own.
CALLERS = ("front-door", "contact-notification", "agency-sync", "qualification-registry")


@dataclass(slots=True)
class Visit:
    """One card on its way through a registration: every value can be changed by a test before the next step."""

    card: IssuedCard
    agency: str = PREFECTURE
    category: str = WORKS
    bidder_id: str = BIDDER
    request_id: str = field(default_factory=lambda: str(uuid4()))
    request_sha256: bytes = REQUEST_SHA256
    token: str = ""
    proof: qualification_pb2.BidderProof = field(default_factory=qualification_pb2.BidderProof)
    act: resources_pb2.SignedPurpose = field(default_factory=resources_pb2.SignedPurpose)


@dataclass(slots=True)
class CardsHouse:
    """The service and all that stands around it."""

    dsn: str
    database: Database
    profile: Profile
    ca: CertificateAuthority
    # Where the CA's server has its list, and what it gives instead of the CA's newest one, where a test puts it there.
    list_url: str
    published: list[bytes]
    proof_key: Ed25519PrivateKey
    contacts: ContactNotificationPeer
    agency_sync: AgencySyncPeer
    work: jobs.Work
    now: list[datetime]
    callers: dict[str, "CertificateRegistryAsyncStub"]

    @property
    def registry(self) -> "CertificateRegistryAsyncStub":
        """As the front door sees it."""
        return self.callers["front-door"]

    def pass_time(self, duration: timedelta) -> None:
        """Lets the service's clock go on."""
        self.now[0] += duration

    def card(self, **changes: Any) -> IssuedCard:
        """A card of the instance's CA."""
        return self.ca.issue(**({"key": new_ec_key()} | changes))

    def new_proof(
        self, visit: Visit, key: Ed25519PrivateKey | None = None, **changes: Any
    ) -> qualification_pb2.BidderProof:
        """A bidder proof for this visit, with other values where a test says so, by the registry's key or another."""
        values: dict[str, Any] = {
            "instance": self.profile.id,
            "bidder_id": visit.bidder_id,
            "agency": visit.agency,
            "category": visit.category,
            "certificate_sha256": visit.card.sha256,
            "issued_at": _timestamp(self.now[0]),
            "expires_at": _timestamp(self.now[0] + timedelta(minutes=10)),
        }
        statement = qualification_pb2.BidderStatement(**(values | changes)).SerializeToString(deterministic=True)
        signature = (key or self.proof_key).sign(b"toroku bidder proof v1\x00" + statement)
        return qualification_pb2.BidderProof(
            statement=statement, key_id=key_id((key or self.proof_key).public_key()), signature=signature
        )

    async def challenge(self, visit: Visit) -> service_pb2.CreateChallengeResponse:
        """Step 1: the log-in to be signed."""
        return await self.registry.CreateChallenge(
            service_pb2.CreateChallengeRequest(
                operation=REGISTRATION, agency=visit.agency, category=visit.category, certificate=visit.card.der
            )
        )

    async def open(
        self, visit: Visit, log_in: resources_pb2.SignedPurpose, resume: str = ""
    ) -> service_pb2.OpenCardSessionResponse:
        """Step 2: the session."""
        return await self.registry.OpenCardSession(
            service_pb2.OpenCardSessionRequest(
                operation=REGISTRATION,
                agency=visit.agency,
                category=visit.category,
                certificate=visit.card.der,
                log_in=log_in,
                resume_request_id=resume,
            )
        )

    async def enter(self, visit: Visit, resume: str = "") -> service_pb2.OpenCardSessionResponse:
        """Steps 1 and 2."""
        challenge = await self.challenge(visit)
        opened = await self.open(visit, signed(visit.card, challenge.purpose), resume)
        visit.token = opened.session_token
        return opened

    async def check(self, visit: Visit, **changes: Any) -> service_pb2.CheckCardSessionResponse:
        """The session, as the front door asks for it."""
        asked: dict[str, Any] = {
            "session_token": visit.token,
            "operation": REGISTRATION,
            "agency": visit.agency,
            "category": visit.category,
        }
        return await self.registry.CheckCardSession(service_pb2.CheckCardSessionRequest(**(asked | changes)))

    async def create_act(self, visit: Visit, **changes: Any) -> service_pb2.CreateActChallengeResponse:
        """Step 3: the act to be signed; makes the proof where there is none yet."""
        if not visit.proof.statement:
            visit.proof = self.new_proof(visit)
        asked: dict[str, Any] = {
            "session_token": visit.token,
            "agency": visit.agency,
            "category": visit.category,
            "proof": visit.proof,
            "request_id": visit.request_id,
            "request_sha256": visit.request_sha256,
            "lines": LINES,
        }
        return await self.registry.CreateActChallenge(service_pb2.CreateActChallengeRequest(**(asked | changes)))

    async def sign_act(self, visit: Visit) -> None:
        """Step 3, signed."""
        visit.act = signed(visit.card, (await self.create_act(visit)).purpose)

    async def register(self, visit: Visit, **changes: Any) -> service_pb2.RegisterResponse:
        """Step 4: the commit."""
        asked: dict[str, Any] = {
            "session_token": visit.token,
            "agency": visit.agency,
            "category": visit.category,
            "proof": visit.proof,
            "request_id": visit.request_id,
            "act": visit.act,
        }
        return await self.registry.Register(service_pb2.RegisterRequest(**(asked | changes)))

    async def up_to_commit(self, visit: Visit) -> Visit:
        """Everything but the commit."""
        await self.enter(visit)
        await self.sign_act(visit)
        return visit

    async def registered(
        self, card: IssuedCard | None = None, **changes: Any
    ) -> tuple[Visit, resources_pb2.Registration]:
        """A whole registration."""
        visit = await self.up_to_commit(Visit(card or self.card(), **changes))
        return visit, (await self.register(visit)).registration

    async def resolve(self, visit: Visit, agency: str | None = None) -> service_pb2.ResolveUserResponse:
        """What an e-bidding system is told."""
        return await self.registry.ResolveUser(
            service_pb2.ResolveUserRequest(
                agency=agency or visit.agency,
                category=visit.category,
                certificate_sha256=visit.card.sha256,
                possession_verified=True,
            )
        )

    async def outcome(
        self, visit: Visit, *, abandon: bool = False, caller: str = "contact-notification"
    ) -> service_pb2.GetOutcomeResponse:
        """What became of the visit's request."""
        return await self.callers[caller].GetOutcome(
            service_pb2.GetOutcomeRequest(
                certificate_sha256=visit.card.sha256, request_id=visit.request_id, abandon=abandon
            )
        )

    async def tell_bidder(
        self, status: "qualification_pb2.BidderStatus.ValueType", number: int, bidder_id: str = BIDDER, epoch: int = 1
    ) -> None:
        """The qualification registry tells of a bidder."""
        bidder = qualification_pb2.Bidder(bidder_id=bidder_id, status=status)
        bidder.version.epoch, bidder.version.number = epoch, number
        await self.callers["qualification-registry"].RecordBidders(service_pb2.RecordBiddersRequest(bidders=[bidder]))

    async def fetch_lists(self) -> None:
        """Runs the worker's fetch, at the next moment at which it is due."""
        await self.execute("UPDATE crl_source SET next_fetch_at = '-infinity'")
        await self.run_task("fetch_crls")

    async def run_task(self, name: str, **arguments: Any) -> None:
        """Runs one task of the worker now."""
        await self.work.tasks[name][0](arguments)

    async def run_jobs(self) -> None:
        """Runs every job that waits, once, in the order in which they came."""
        for number, name, arguments in await self.rows(
            "SELECT id, task_name, args FROM jobs.procrastinate_jobs ORDER BY id"
        ):
            await self.run_task(name, **arguments["arguments"])
            async with self.database.transaction() as connection:
                # As a worker's session has it: the table's triggers name others without their schema.
                await connection.execute(text("SET LOCAL search_path = public, jobs"))
                await connection.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": number})

    async def jobs_waiting(self) -> list[str]:
        """The names of the jobs that wait, in the order in which they came."""
        return [row[0] for row in await self.rows("SELECT task_name FROM jobs.procrastinate_jobs ORDER BY id")]

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database says."""
        async with self.database.read() as connection:
            return [tuple(row) for row in await connection.execute(text(query))]

    async def execute(self, statement: str) -> None:
        """Changes something that no RPC changes yet."""
        async with self.database.transaction() as connection:
            await connection.execute(text(statement))


@asynccontextmanager
async def cards_house(
    dsn: str,
    folder: Path,
    *,
    authority_changes: dict[str, Any] | None = None,
    further_authorities: Sequence[dict[str, Any]] = (),
    pooled: bool = False,
) -> AsyncIterator[CardsHouse]:
    """Opens the house on an empty database, with the CA's list fetched.

    `authority_changes` are to its CA's entry in the profile, `further_authorities` are entries of their own; `pooled`
    says that the address leads through a transaction pooler.
    """
    async with AsyncExitStack() as stack:
        ca = CertificateAuthority.create(key=new_ec_key())
        published: list[bytes] = []
        url = stack.enter_context(
            crl_server(lambda: published[-1] if published else ca.crl(clock[0] - timedelta(minutes=1)))
        )
        own = card_authority(ca, (url,)) | (authority_changes or {})
        profile = example_profile(card_authorities=[own, *further_authorities])
        clock = [datetime.now(UTC)]
        authority = Authority(folder, profile.id)
        # They take what this service tells, and no more.
        contacts = ContactNotificationPeer(profile=profile)  # type: ignore[abstract]
        agency_sync = AgencySyncPeer()  # type: ignore[abstract]
        proof_key = Ed25519PrivateKey.generate()
        pem = proof_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        database = await stack.enter_async_context(Database.open(dsn, pool=6, pooled=pooled))
        resolver = await stack.enter_async_context(Resolver.open(dsn, pool=2, pooled=pooled))
        consumers = {
            "contact_notification": partial(add_ContactNotificationServicer_to_server, contacts),
            "agency_sync": partial(add_AgencySyncServicer_to_server, agency_sync),
        }
        descriptors = {
            "contact_notification": contact_pb2.DESCRIPTOR.services_by_name["ContactNotification"],
            "agency_sync": agency_sync_pb2.DESCRIPTOR.services_by_name["AgencySync"],
        }
        addresses = {
            name: await stack.enter_async_context(
                serving(authority, name.replace("_", "-"), {descriptors[name]: add}, instance=profile.id)
            )
            for name, add in consumers.items()
        }
        peers = await stack.enter_async_context(calling(authority.service("certificate-registry"), **addresses))
        servicer = CertificateRegistry(
            database=database,
            resolver=resolver,
            profile=profile,
            proof_keys=proof_keys(pem),
            clock=lambda: clock[0],
        )
        services = {CERTIFICATE_REGISTRY: partial(add_CertificateRegistryServicer_to_server, servicer)}
        stubs: dict[str, CertificateRegistryAsyncStub] = {}
        for listener in (ListenerKind.INTERNAL, ListenerKind.AGENCY):
            address = await stack.enter_async_context(
                serving(authority, "certificate-registry", services, instance=profile.id, listener=listener)
            )
            internal = listener is ListenerKind.INTERNAL
            for name in CALLERS if internal else (PREFECTURE,):
                files = authority.service(name) if internal else authority.agency(name)
                caller = await stack.enter_async_context(calling(files, certificate_registry=address))
                stubs[name] = caller.stub("certificate-registry", CertificateRegistryStub)
        house = CardsHouse(
            dsn=dsn,
            database=database,
            profile=profile,
            ca=ca,
            list_url=url,
            published=published,
            proof_key=proof_key,
            contacts=contacts,
            agency_sync=agency_sync,
            work=work(
                database=database,
                trusted=Trusted(authorities(profile)),
                contacts=peers.stub("contact-notification", ContactNotificationStub),
                agencies=peers.stub("agency-sync", AgencySyncStub),
                clock=lambda: clock[0],
            ),
            now=clock,
            callers=stubs,
        )
        await house.run_task("fetch_crls")
        yield house


def _timestamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made
