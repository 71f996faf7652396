"""certificate-registry in this process, with its callers, its database, a CA and the two services that it calls."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from psycopg.rows import tuple_row

from certificate_registry.adapters.judgement_pool import JudgementPool
from history.entries import Chain
from instance_profile.model import Profile
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.messages import write_timestamp
from servicekit.signed_statement import SigningKey, compute_key_id
from servicekit.telemetry import Telemetry
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from tests.support.contractor import signed
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, TOWN, VILLAGE, WORKS, example_profile
from tests.support.history import seal_all
from tests.support.officers import Office
from tests.support.peers.agency_sync import AgencySyncPeer
from tests.support.peers.contact_notification import ContactNotificationPeer
from tests.support.services.card_officer import CardOfficer, appoint_officer
from tests.support.services.card_visit import Visit
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import card_pb2, certificate_registry_pb2, user_lookup_pb2
from toroku.event.v1 import version_pb2
from toroku.qualification.v1 import bidder_pb2, bidder_state_pb2

if TYPE_CHECKING:
    from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryAsyncStub
    from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupAsyncStub

USER_LOOKUP = user_lookup_pb2.DESCRIPTOR.services_by_name["UserLookup"]
REGISTRATION = card_pb2.OPERATION_REGISTRATION
LINES = ("利用者登録をします。",)
QUALIFIED_EVERYWHERE = (bidder_state_pb2.QualifiedPeriod(agencies=[CITY, PREFECTURE, TOWN, VILLAGE]),)


@dataclass(slots=True)
class RunningCertificateRegistry:
    """The service, its peers and its callers, with the steps of a registration."""

    dsn: str
    database: Database
    profile: Profile
    ca: CertificateAuthority
    # The address of the CA's CRL, and CRLs that a test publishes there instead of the CA's newest one.
    list_url: str
    published: list[bytes]
    proof_key: Ed25519PrivateKey
    # By which act proofs are verified.
    act_proof_key: Ed25519PublicKey
    contact_notification: ContactNotificationPeer
    agency_sync: AgencySyncPeer
    work: jobs.Work
    build_worker: Callable[[Profile], Awaitable[jobs.Work]]
    judgements: JudgementPool
    office: Office
    now: list[datetime]
    chain: Chain
    history_key: SigningKey
    spans: InMemorySpanExporter
    callers: dict[str, "CertificateRegistryAsyncStub"]
    lookups: dict[str, "UserLookupAsyncStub"]

    @property
    def stub(self) -> "CertificateRegistryAsyncStub":
        """The stub of the front door."""
        return self.callers["front-door"]

    def pass_time(self, duration: timedelta) -> None:
        """Advances the service's clock."""
        self.now[0] += duration

    @contextmanager
    def counted_spans(self) -> Iterator[Counter[str]]:
        """Counts the spans of the calls in the block, by name, once it has ended."""
        counts: Counter[str] = Counter()
        self.spans.clear()
        with Telemetry(TracerProvider(), 1).server_span("test", ""):
            yield counts
        counts.update(span.name for span in self.spans.get_finished_spans())

    def card(self, **changes: Any) -> IssuedCard:
        """Issues a card of the instance's CA."""
        return self.ca.issue(**({"key": new_ec_key()} | changes))

    def new_proof(self, visit: Visit, key: Ed25519PrivateKey | None = None, **changes: Any) -> bidder_pb2.BidderProof:
        """Returns a bidder proof for this visit, with changes, by the qualification registry's key or another."""
        values: dict[str, Any] = {
            "instance": self.profile.id,
            "bidder_id": visit.bidder_id,
            "agency": visit.agency,
            "category": visit.category,
            "certificate_sha256": visit.card.sha256,
            "issued_at": write_timestamp(self.now[0]),
            "expires_at": write_timestamp(self.now[0] + timedelta(minutes=60)),
            "proven": visit.proven,
            "for_renewal": visit.operation == card_pb2.OPERATION_RENEWAL,
        }
        statement = bidder_pb2.BidderStatement(**(values | changes)).SerializeToString(deterministic=True)
        signature = (key or self.proof_key).sign(b"toroku bidder proof v1\x00" + statement)
        return bidder_pb2.BidderProof(
            statement=statement, key_id=compute_key_id((key or self.proof_key).public_key()), signature=signature
        )

    async def challenge(self, visit: Visit) -> certificate_registry_pb2.CreateChallengeResponse:
        """Step 1: returns the log-in to be signed."""
        return await self.stub.CreateChallenge(
            certificate_registry_pb2.CreateChallengeRequest(
                operation=visit.operation,
                role=visit.role,
                agency=visit.agency,
                category=visit.category,
                certificate=visit.card.der,
                other_certificates=visit.other_certificates,
            )
        )

    async def open(
        self, visit: Visit, log_in: signed_purpose_pb2.SignedPurpose, resume: str = ""
    ) -> certificate_registry_pb2.OpenCardSessionResponse:
        """Step 2: opens the session."""
        return await self.stub.OpenCardSession(
            certificate_registry_pb2.OpenCardSessionRequest(
                operation=visit.operation,
                role=visit.role,
                agency=visit.agency,
                category=visit.category,
                certificate=visit.card.der,
                log_in=log_in,
                resume_request_id=resume,
            )
        )

    async def log_in(self, visit: Visit, resume: str = "") -> certificate_registry_pb2.OpenCardSessionResponse:
        """Does steps 1 and 2."""
        challenge = await self.challenge(visit)
        opened = await self.open(visit, signed(visit.card, challenge.purpose), resume)
        visit.token = opened.session_token
        return opened

    async def check(self, visit: Visit, **changes: Any) -> certificate_registry_pb2.CheckCardSessionResponse:
        """Checks the session, as the front door does."""
        values: dict[str, Any] = {
            "session_token": visit.token,
            "operation": visit.operation,
            "agency": visit.agency,
            "category": visit.category,
        }
        return await self.stub.CheckCardSession(certificate_registry_pb2.CheckCardSessionRequest(**(values | changes)))

    async def create_act(self, visit: Visit, **changes: Any) -> certificate_registry_pb2.CreateActChallengeResponse:
        """Step 3: returns the act to be signed; makes the proof if there is none yet."""
        values = self._describe_request(visit) | {"lines": LINES} | changes
        return await self.stub.CreateActChallenge(certificate_registry_pb2.CreateActChallengeRequest(**values))

    async def check_registrable(self, visit: Visit, **changes: Any) -> None:
        """Checks whether the visit's card could be registered; makes a proof for it unless there is one."""
        values = self._describe_request(visit) | changes
        await self.stub.CheckRegistrable(certificate_registry_pb2.CheckRegistrableRequest(**values))

    def _describe_request(self, visit: Visit) -> dict[str, Any]:
        if not visit.proof.statement:
            visit.proof = self.new_proof(visit)
        return {
            "session_token": visit.token,
            "agency": visit.agency,
            "category": visit.category,
            "proof": visit.proof,
            "request_id": visit.request_id,
            "request_sha256": visit.request_sha256,
        }

    async def sign_act(self, visit: Visit, **changes: Any) -> None:
        """Step 3: signs the act."""
        visit.act = signed(visit.card, (await self.create_act(visit, **changes)).purpose)

    async def register(self, visit: Visit, **changes: Any) -> certificate_registry_pb2.RegisterResponse:
        """Step 4: commits, with a proof that has just been confirmed where the visit has one."""
        values: dict[str, Any] = {
            "session_token": visit.token,
            "agency": visit.agency,
            "category": visit.category,
            "proof": self.new_proof(visit) if visit.proof.statement else visit.proof,
            "request_id": visit.request_id,
            "act": visit.act,
        }
        return await self.stub.Register(certificate_registry_pb2.RegisterRequest(**(values | changes)))

    async def prepare(self, visit: Visit) -> Visit:
        """Does steps 1 to 3: everything but the commit."""
        await self.log_in(visit)
        await self.sign_act(visit)
        return visit

    async def register_new(self, card: IssuedCard | None = None, **changes: Any) -> tuple[Visit, card_pb2.Registration]:
        """Does a whole registration, of a new card unless one is given."""
        visit = await self.prepare(Visit(card or self.card(), **changes))
        return visit, (await self.register(visit)).registration

    async def resolve(self, visit: Visit, agency: str | None = None) -> user_lookup_pb2.ResolveUserResponse:
        """Resolves the visit's card, as an e-bidding system does."""
        return await self.lookups["front-door"].ResolveUser(
            user_lookup_pb2.ResolveUserRequest(
                agency=agency or visit.agency,
                category=visit.category,
                certificate_sha256=visit.card.sha256,
                possession_verified=True,
            )
        )

    async def outcome(
        self, visit: Visit, *, abandon: bool = False, caller: str = "contact-notification"
    ) -> certificate_registry_pb2.GetOutcomeResponse:
        """Returns the outcome of the visit's request."""
        return await self.callers[caller].GetOutcome(
            certificate_registry_pb2.GetOutcomeRequest(
                certificate_sha256=visit.card.sha256, request_id=visit.request_id, abandon=abandon
            )
        )

    async def propagate(
        self, requests: Mapping[str, Sequence[str]], *, taking_over: Sequence[str] = ()
    ) -> dict[tuple[str, str], certificate_registry_pb2.PropagatedRegistration]:
        """Propagates registrations to agencies, as agency-sync does; returns the results by agency and source."""
        request = certificate_registry_pb2.PropagateRegistrationsRequest(
            agencies=[
                certificate_registry_pb2.AgencyPropagation(agency=agency, registration_ids=ids)
                for agency, ids in requests.items()
            ],
            taking_over_ids=taking_over,
        )
        response = await self.callers["agency-sync"].PropagateRegistrations(request)
        return {(found.agency, found.source_registration_id): found for found in response.results}

    async def end_binding(self, how: str, because: str) -> None:
        """Ends all live bindings, for which there is no RPC yet: `how` is released or closed."""
        await self.execute(
            f"UPDATE binding SET ended_at = now(), ended_as = '{how}', ended_because = '{because}' "  # noqa: S608
            "WHERE ended_at IS NULL"
        )

    async def appoint(self, name: str, *roles: str) -> CardOfficer:
        """Returns the client of an officer (`agency/person`) with these roles."""
        return await appoint_officer(self.office, name, *roles)

    async def record_bidder(
        self,
        status: "bidder_state_pb2.BidderStatus.ValueType",
        number: int,
        bidder_id: str = BIDDER,
        epoch: int = 1,
        *,
        category: str = WORKS,
        suspended_agencies: Sequence[str] = (),
        qualified: Sequence[bidder_state_pb2.QualifiedPeriod] = QUALIFIED_EVERYWHERE,
        reviews: Sequence[bidder_state_pb2.CompanyReview] = (),
    ) -> None:
        """Reports a bidder's state, as the qualification registry does."""
        state = bidder_state_pb2.BidderState(
            bidder_id=bidder_id,
            category=category,
            version=version_pb2.Version(epoch=epoch, number=number),
            status=status,
            suspended_agencies=suspended_agencies,
            qualified=qualified,
            reviews=reviews,
        )
        await self.callers["qualification-registry"].RecordBidderStates(
            certificate_registry_pb2.RecordBidderStatesRequest(bidder_states=[state])
        )

    async def fetch_lists(self) -> None:
        """Makes all CRLs due, and runs the worker's fetch and the judging that follows."""
        await self.execute("UPDATE crl_source SET next_fetch_at = '-infinity'")
        await self.run_task("fetch_crls")
        await self.judge_cards()

    async def restart_worker(self, card_authorities: Sequence[dict[str, Any]] | None = None) -> jobs.Work:
        """Starts a worker with these CAs in its profile instead of the instance's; returns it."""
        profile = self.profile if card_authorities is None else example_profile(card_authorities=list(card_authorities))
        self.work = await self.build_worker(profile)
        return self.work

    async def judge_cards(self) -> None:
        """Runs the worker's jobs about trust until none is left, and its periodic one once."""
        await self.run_task("refresh_trust")
        while waiting := await self.rows(
            "SELECT id, task_name, queue_name, args FROM jobs.procrastinate_jobs "
            "WHERE task_name IN ('refresh_trust', 'copy_limits', 'judge_cards') ORDER BY id LIMIT 1"
        ):
            await self._run_job(*waiting[0])

    async def run_task(self, name: str, **arguments: Any) -> None:
        """Runs one task of the worker."""
        await self.work.tasks[name][0](arguments)

    async def seal(self) -> None:
        """Seals the history, as a worker does beside its jobs."""
        await seal_all(self.database, self.history_key, self.chain)

    async def run_jobs(self) -> None:
        """Runs every waiting job once, in the order of enqueueing; raises the first refusal after all of them.

        What was written before is sealed.
        """
        await self.seal()
        refusals: list[Refusal] = []
        for waiting in await self.rows(
            "SELECT id, task_name, queue_name, args FROM jobs.procrastinate_jobs ORDER BY id"
        ):
            try:
                await self._run_job(*waiting)
            except Refusal as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]

    async def _run_job(self, number: int, name: str, queue: str, arguments: dict[str, Any]) -> None:
        result = await self.work.tasks[name][0](arguments["arguments"])
        if isinstance(result, jobs.Later):
            return
        async with self.database.transaction() as connection:
            await jobs.enqueue_each(connection, name, queue=queue, arguments=result or ())
            # As in a worker's session: the table's triggers name other tables without their schema.
            await connection.execute("SET LOCAL search_path = public, jobs")
            await connection.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [number])

    async def jobs_waiting(self) -> list[str]:
        """Returns the names of the waiting jobs, in the order of enqueueing."""
        return [row[0] for row in await self.rows("SELECT task_name FROM jobs.procrastinate_jobs ORDER BY id")]

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        async with self.database.read() as connection:
            cursor = await connection.cursor(row_factory=tuple_row).execute(query.encode())
            return await cursor.fetchall()

    async def execute(self, statement: str) -> None:
        """Makes a change for which there is no RPC yet."""
        async with self.database.transaction() as connection:
            await connection.execute(statement.encode())
