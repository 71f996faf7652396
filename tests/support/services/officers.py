"""certificate-registry's officers in this process, with the services that it tells, and the first day's two."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from psycopg.rows import tuple_row

from certificate_registry.adapters.contact_notification import ContactNotification
from certificate_registry.adapters.officer_directory import OfficerDirectory
from certificate_registry.commands.officers import OFFICERS, create_role_grant, offer_officers
from certificate_registry.operations.deliveries import CONTACT_NOTIFICATION
from certificate_registry.operations.expiry import ExpiredRecords
from certificate_registry.operations.officer_deliveries import CONSUMERS, OfficerDeliveries, adopt_epoch
from certificate_registry.operations.officer_notices import OfficerNotices
from history.entries import Chain
from officers.directory import StoredOfficers
from officers.servicer import Officers
from refusals import Refusal
from servicekit.access import ListenerKind
from servicekit.credentials import CertificateFiles, create_channel_credentials
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.mailed_secrets import MailedSecretKey
from servicekit.officer_proof import METADATA_KEY, STATEMENT_PREFIX
from servicekit.signed_statement import SigningKey
from tests.support.example_profile import example_profile
from tests.support.in_process import Authority, calling, serving
from tests.support.officers import SigningOfficer, call, sign_and_call
from tests.support.peers.contact_notification import ContactNotificationPeer
from tests.support.peers.officer_directory import OfficerDirectoryPeer
from toroku.certificate.v1 import officers_pb2
from toroku.certificate.v1.officers_pb2_grpc import OfficersStub
from toroku.contact.v1 import contact_notification_pb2
from toroku.contact.v1.contact_notification_pb2_grpc import (
    ContactNotificationStub,
    add_ContactNotificationServicer_to_server,
)
from toroku.officer.v1 import officer_directory_pb2, proposals_pb2
from toroku.officer.v1.officer_directory_pb2_grpc import (
    OfficerDirectoryStub,
    add_OfficerDirectoryServicer_to_server,
)
from toroku.officer.v1.proposals_pb2_grpc import ProposalsStub

if TYPE_CHECKING:
    from toroku.certificate.v1.officers_pb2_grpc import OfficersAsyncStub
    from toroku.officer.v1.proposals_pb2_grpc import ProposalsAsyncStub

NAME = "certificate-registry"
OPERATOR = "operator"
# Of a person's certificate.
LIFETIME = timedelta(days=400)
CONTACTS = contact_notification_pb2.DESCRIPTOR.services_by_name["ContactNotification"]
DIRECTORY = officer_directory_pb2.DESCRIPTOR.services_by_name["OfficerDirectory"]


@dataclass(slots=True)
class RunningOfficers:
    """The service, and persons who use it. `first` are the two administrators of the file of callers."""

    dsn: str
    instance: str
    database: Database
    authority: Authority
    addresses: Mapping[ListenerKind, str]
    now: list[datetime]
    mailed_secret_key: MailedSecretKey
    contact_notification: ContactNotificationPeer
    directories: Mapping[str, OfficerDirectoryPeer]
    deliveries: OfficerDeliveries
    notices: OfficerNotices
    expired_records: ExpiredRecords
    stack: AsyncExitStack
    first: list[SigningOfficer] = field(default_factory=list)
    portal: grpc.aio.Channel | None = None

    def pass_time(self, duration: timedelta) -> None:
        """Advances the service's clock."""
        self.now[0] += duration

    async def connect(self, name: str, files: CertificateFiles | None = None) -> SigningOfficer:
        """Returns a person with a certificate, a new one unless files are given, that connects as `toroku` does."""
        files = files or self.authority.person(name, LIFETIME)
        return SigningOfficer(name, files, await self._open(ListenerKind.AGENCY, files))

    async def connect_portal(self) -> grpc.aio.Channel:
        """Returns a channel of the portal to the internal listener."""
        if self.portal is None:
            self.portal = await self._open(ListenerKind.INTERNAL, self.authority.service("portal"))
        return self.portal

    async def _open(self, listener: ListenerKind, files: CertificateFiles) -> grpc.aio.Channel:
        options = [("grpc.ssl_target_name_override", NAME), ("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.aio.secure_channel(self.addresses[listener], create_channel_credentials(files), options)
        return await self.stack.enter_async_context(channel)

    async def act(self, officer: SigningOfficer, method: str, request: Any, request_id: str = "") -> Any:
        """Calls a method with the officer's signed act; returns the response. Raises Refusal."""
        return await sign_and_call(
            getattr(officers_of(officer.channel), method), request, officer, request_id=request_id
        )

    async def invite(
        self, administrator: SigningOfficer, person: str, request_id: str = "", **changes: Any
    ) -> officers_pb2.InviteOfficerResponse:
        """Invites a person (`agency/person`), by letter unless told otherwise. Raises Refusal."""
        agency, _, person_id = person.partition("/")
        values: dict[str, Any] = {"agency": agency, "person_id": person_id, "name": f"氏名 {person_id}", "letter": True}
        values |= changes
        if "mail_address" in changes:
            del values["letter"]
        request = officers_pb2.InviteOfficerRequest(**values)
        response: officers_pb2.InviteOfficerResponse = await self.act(
            administrator, "InviteOfficer", request, request_id
        )
        return response

    async def accept(self, person: SigningOfficer, code: str, request_id: str = "", **changes: str) -> bytes:
        """Accepts an invitation as the person; returns the fingerprint that it is shown. Raises Refusal."""
        agency, _, person_id = person.name.partition("/")
        named: dict[str, Any] = {"agency": agency, "person_id": person_id} | changes
        stub = officers_of(person.channel)
        challenge = await call(
            stub.CreateAcceptChallenge,
            officers_pb2.CreateAcceptChallengeRequest(**named, request_id=request_id or str(uuid4())),
        )
        act = person.sign(challenge.purpose)
        request = officers_pb2.AcceptInvitationRequest(**named, code=code, act=act)
        return bytes((await call(stub.AcceptInvitation, request)).certificate.certificate_sha256)

    async def confirm(
        self, administrator: SigningOfficer, person: SigningOfficer, certificate_sha256: bytes | None = None
    ) -> officers_pb2.Officer:
        """Confirms the person's certificate, or another one. Raises Refusal."""
        agency, _, person_id = person.name.partition("/")
        request = officers_pb2.ConfirmOfficerRequest(
            agency=agency, person_id=person_id, certificate_sha256=certificate_sha256 or fingerprint(person)
        )
        officer: officers_pb2.Officer = (await self.act(administrator, "ConfirmOfficer", request)).officer
        return officer

    async def propose_role(self, administrator: SigningOfficer, name: str, *roles: str) -> proposals_pb2.ProposalRecord:
        """Proposes roles for an officer. Raises Refusal."""
        agency, _, person_id = name.partition("/")
        request = officers_pb2.GrantRoleRequest(agency=agency, person_id=person_id, roles=roles, reason="人事異動")
        proposal: proposals_pb2.ProposalRecord = (await self.act(administrator, "GrantRole", request)).proposal
        return proposal

    async def approve(self, administrator: SigningOfficer, proposal: proposals_pb2.ProposalRecord) -> None:
        """Approves a proposal. Raises Refusal."""
        request = proposals_pb2.ApproveProposalRequest(
            proposal_id=proposal.proposal.proposal_id, proposal_sha256=proposal.proposal_sha256
        )
        proposals: ProposalsAsyncStub = ProposalsStub(administrator.channel)
        await sign_and_call(proposals.ApproveProposal, request, administrator)

    async def enrol(self, name: str, *roles: str, files: CertificateFiles | None = None) -> SigningOfficer:
        """Enrols an officer (`agency/person`) with these roles, by the two of the first day."""
        person = await self.connect(name, files)
        invited = await self.invite(self.first[0], name)
        await self.accept(person, invited.code)
        await self.confirm(self.first[1], person)
        for role in roles:
            await self.approve(self.first[1], await self.propose_role(self.first[0], name, role))
        return person

    async def withdraw(self, administrator: SigningOfficer, agency: str, *person_ids: str) -> Any:
        """Withdraws officers; returns the response. Raises Refusal."""
        request = officers_pb2.WithdrawOfficersRequest(agency=agency, person_ids=person_ids, reason="退職")
        return await self.act(administrator, "WithdrawOfficers", request)

    async def log_in(self, officer: SigningOfficer) -> officers_pb2.LogInResponse:
        """Logs an officer in, as the portal does with the signature that its browser brings. Raises Refusal."""
        stub = officers_of(await self.connect_portal())
        certificate = officer.certificate.public_bytes(Encoding.DER)
        challenge = await call(
            stub.CreateLogInChallenge, officers_pb2.CreateLogInChallengeRequest(certificate=certificate)
        )
        request = officers_pb2.LogInRequest(certificate=certificate, log_in=officer.sign(challenge.purpose))
        opened: officers_pb2.LogInResponse = await call(stub.LogIn, request)
        return opened

    async def prove(self, token: str) -> bytes:
        """Returns a new proof by a session. Raises Refusal."""
        stub = officers_of(await self.connect_portal())
        issued = await call(stub.GetOfficerProof, officers_pb2.GetOfficerProofRequest(session_token=token))
        return bytes(issued.proof)

    async def list_by_proof(self, proof: bytes, agency: str) -> Sequence[str]:
        """Returns the officers of an agency, as the portal reads them with a proof. Raises Refusal."""
        stub = officers_of(await self.connect_portal())
        listed = await call(
            stub.ListOfficers, officers_pb2.ListOfficersRequest(agency=agency), metadata=((METADATA_KEY, proof),)
        )
        return [officer.person_id for officer in listed.officers]

    async def run_jobs(self) -> None:
        """Runs the waiting jobs about officers; raises the first refusal after all of them."""
        refusals = []
        for number, task, arguments in await self.rows(
            "SELECT id, task_name, args FROM jobs.procrastinate_jobs ORDER BY id"
        ):
            try:
                await self._run(task, arguments["arguments"])
            except Refusal as refusal:
                refusals.append(refusal)
                continue
            async with self.database.transaction() as connection:
                await connection.execute("SET LOCAL search_path = public, jobs")
                await connection.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [number])
        if refusals:
            raise refusals[0]

    async def _run(self, task: str, arguments: dict[str, Any]) -> None:
        if "consumer" in arguments:
            await self.deliveries.deliver(arguments["consumer"], arguments["person_ids"])
        else:
            assert task == "send_officer_notices"
            await self.notices.send(arguments["notice_ids"])

    async def restart_worker(self) -> None:
        """Does what a worker does first."""
        async with self.database.transaction() as connection:
            await adopt_epoch(connection)

    def mailed_code(self) -> str:
        """Returns the code of the last invitation that contact-notification was handed."""
        notice = self.contact_notification.notices[-1]
        return self.mailed_secret_key.open(notice.sealed_secret, UUID(notice.notice_id))

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        async with self.database.read() as connection:
            return await (await connection.cursor(row_factory=tuple_row).execute(query.encode())).fetchall()

    async def execute(self, statement: str) -> None:
        """Changes the database behind the service's back."""
        async with self.database.transaction() as connection:
            await connection.execute(statement.encode())


def officers_of(channel: grpc.aio.Channel) -> "OfficersAsyncStub":
    """Returns the stub of a channel."""
    stub: OfficersAsyncStub = OfficersStub(channel)
    return stub


def fingerprint(person: SigningOfficer) -> bytes:
    """Returns the SHA-256 of a person's certificate."""
    return sha256(person.certificate.public_bytes(Encoding.DER)).digest()


@asynccontextmanager
async def running_officers(dsn: str, folder: Path) -> AsyncIterator[RunningOfficers]:
    """Runs the service on an empty database, with the two administrators of the file of callers."""
    async with AsyncExitStack() as stack:
        profile = example_profile()
        chain = Chain(profile.id, NAME)
        authority = Authority(folder, profile.id)
        clock = [datetime.now(UTC)]

        async def read_time(_: Connection) -> datetime:
            return clock[0]

        database = await stack.enter_async_context(Database.open(dsn, pool=6))
        contact_notification = ContactNotificationPeer(profile=profile)  # type: ignore[abstract]  # only SendNotices
        directories = {name: OfficerDirectoryPeer() for name in CONSUMERS}
        addresses: dict[str, str] = {}
        for name, directory in directories.items():
            served = {DIRECTORY: partial(add_OfficerDirectoryServicer_to_server, directory)}
            if name == CONTACT_NOTIFICATION:
                served[CONTACTS] = partial(add_ContactNotificationServicer_to_server, contact_notification)
            addresses[name.replace("-", "_")] = await stack.enter_async_context(
                serving(authority, name, served, instance=profile.id)
            )
        peers = await stack.enter_async_context(calling(authority.service(NAME), **addresses))
        consumers = {name: OfficerDirectory(peers.stub(name, OfficerDirectoryStub)) for name in CONSUMERS}
        proof_key = SigningKey(Ed25519PrivateKey.generate(), STATEMENT_PREFIX)
        mailed_secret_key = MailedSecretKey(Ed25519PrivateKey.generate())
        first = [
            authority.officer(f"{OPERATOR}/{name}", "administrator", lifetime=LIFETIME) for name in ("first", "second")
        ]
        of_service = Officers(
            database=database,
            chain=chain,
            services=[OFFICERS],
            handlers=[create_role_grant(chain)],
            callers=authority.callers,
            clock=read_time,
        )
        offered = {
            **of_service.offer(),
            **offer_officers(
                database=database,
                profile=profile,
                chain=chain,
                of_service=of_service,
                officers_ca=folder / "ca.pem",
                mailed_secret_key=mailed_secret_key,
                proof_key=proof_key,
                consumers=consumers,
                clock=read_time,
            ),
        }
        listening = {
            listener: await stack.enter_async_context(
                serving(
                    authority,
                    NAME,
                    offered,
                    instance=profile.id,
                    listener=listener,
                    officers=StoredOfficers(database),
                    proof_keys={proof_key.key_id: proof_key.public_key},
                    clock=lambda: clock[0],
                )
            )
            for listener in (ListenerKind.INTERNAL, ListenerKind.AGENCY)
        }
        sender = ContactNotification(peers.stub(CONTACT_NOTIFICATION, ContactNotificationStub))
        running = RunningOfficers(
            dsn=dsn,
            instance=profile.id,
            database=database,
            authority=authority,
            addresses=listening,
            now=clock,
            mailed_secret_key=mailed_secret_key,
            contact_notification=contact_notification,
            directories=directories,
            deliveries=OfficerDeliveries(database=database, consumers=consumers),
            notices=OfficerNotices(database=database, sender=sender, clock=read_time),
            expired_records=ExpiredRecords(database=database, chain=chain, clock=read_time),
            stack=stack,
        )
        for name, files in zip(("first", "second"), first, strict=True):
            running.first.append(await running.connect(f"{OPERATOR}/{name}", files))
        yield running
