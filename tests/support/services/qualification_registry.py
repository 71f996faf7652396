"""Runs qualification-registry in this process: its real listeners and database, its callers and its one peer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from instance_profile.model import Profile
from operator_command.instance_certificates import InstanceCertificates
from qualification_registry.adapters.certificate_registry import CertificateRegistry
from qualification_registry.adapters.password_hashing import PasswordHashing
from qualification_registry.domain.proof import STATEMENT_PREFIX
from qualification_registry.jobs import build_work
from qualification_registry.operations.bidder_events import SEND_BIDDERS, BidderEvents
from qualification_registry.operations.bidder_list import BidderList
from qualification_registry.operations.bidder_names import BidderNames
from qualification_registry.operations.bidder_proof import BidderProofs
from qualification_registry.operations.bidder_search import BidderSearch
from qualification_registry.operations.bidder_status import BidderStatusChange
from qualification_registry.operations.expiry import Expiry
from qualification_registry.operations.password_issue import PasswordIssue
from qualification_registry.operations.preview_list import PreviewList
from qualification_registry.operations.qualified_agencies import QualifiedAgencyList
from qualification_registry.operations.roster_commit import RosterCommit
from qualification_registry.operations.roster_preview import RosterPreview
from qualification_registry.operations.roster_versions import RosterVersions
from qualification_registry.servicer import QualificationRegistryServicer
from refusals.status import from_rpc_error
from servicekit import jobs
from servicekit.access import ListenerKind
from servicekit.credentials import create_channel_credentials
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.identity import OPERATOR
from servicekit.signed_statement import SigningKey
from tests.support.example_profile import CITY, PREFECTURE, WORKS, example_profile
from tests.support.in_process import Authority, calling, serving
from tests.support.peers.certificate_registry import CertificateRegistryPeer
from tests.support.scrape import free_address
from toroku.certificate.v1 import certificate_registry_pb2, certificate_registry_pb2_grpc
from toroku.qualification.v1 import bidder_pb2, qualification_registry_pb2
from toroku.qualification.v1.qualification_registry_pb2_grpc import (
    QualificationRegistryStub,
    add_QualificationRegistryServicer_to_server,
)

if TYPE_CHECKING:
    from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryAsyncStub

SERVICE = qualification_registry_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"]
NAME = "qualification-registry"
MORNING = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
CARD = sha256(b"card").digest()
PIECE = 512 * 1024
OPTIONS = (("grpc.ssl_target_name_override", NAME), ("grpc.max_receive_message_length", 64 * 1024 * 1024))

# The columns of the example mappings.
HEADER = "業者番号,法人番号,商号,所在地,代表者,電話番号,等級,調達機関,期間開始,期間終了"
WITH_IDS = "with-ids"
# The same file in another encoding.
WITH_IDS_CP932 = "with-ids-cp932"
# Has no bidder ids: the registry assigns them, by 法人番号.
WITHOUT_IDS = "without-ids"
# Another roster without bidder ids.
OTHER_WITHOUT_IDS = "other-without-ids"


def mapping(name: str, **changes: Any) -> dict[str, Any]:
    """Returns a roster mapping of the example columns in the form of a profile."""
    return {
        "name": name,
        "roster": name,
        "title": {"ja": name, "en": name},
        "responsible_agency": PREFECTURE,
        "category": WORKS,
        "encoding": "utf-8",
        "corporate_number": "法人番号",
        "company_name": "商号",
        "address": "所在地",
        "representative_name": "代表者",
        "telephone": "電話番号",
        "grades": [{"kind": "土木", "column": "等級"}],
        **changes,
    }


def roster_profile(**changes: Any) -> Profile:
    """Returns the example profile with rosters that have bidder ids and agencies in each line, and without either."""
    listed = {
        "bidder_id": "業者番号",
        "agencies_column": "調達機関",
        "valid_from": "期間開始",
        "valid_until": "期間終了",
    }
    mappings = [
        mapping(WITH_IDS, **listed, most_bytes=4 * 1024 * 1024),
        mapping(WITH_IDS_CP932, **listed, roster=WITH_IDS, encoding="cp932"),
        mapping(WITHOUT_IDS, agencies=[PREFECTURE, CITY]),
        mapping(OTHER_WITHOUT_IDS, agencies=[CITY]),
    ]
    label = {"ja": "業者番号", "en": "bidder number"}
    bidder_id = {"label": label, "pattern": "[0-9]{10}", "assigned_prefix": "90", "assigned_length": 10}
    return example_profile(**({"bidder_id": bidder_id, "roster_mappings": mappings} | changes))


def row(
    bidder_id: str = "1000000001",
    name: str = "株式会社見本建設",
    *,
    corporate_number: str = "",
    address: str = "例示県例示市一丁目",
    representative: str = "見本　太郎",
    telephone: str = "03-0000-0000",
    grade: str = "A",
    agencies: str = "例示県、例示市",
    valid_from: str = "2025-04-01",
    valid_until: str = "2027-03-31",
) -> str:
    """Returns a line of the example file."""
    cells = (bidder_id, corporate_number, name, address, representative, telephone, grade, agencies)
    return ",".join((*cells, valid_from, valid_until))


def roster(*rows: str, header: str = HEADER, encoding: str = "utf-8") -> bytes:
    """Returns a complete example file."""
    return "".join(f"{line}\r\n" for line in (header, *rows)).encode(encoding)


def list_questions(preview: bidder_pb2.RosterPreview) -> list[str]:
    """Returns the reasons that the commit of a preview has to confirm."""
    return [question.reason for question in preview.questions]


class Officer:
    """An officer's client: streams in both directions; refusals are raised.

    A synchronous client, like the officer's command: while it still sends, an asynchronous one of grpcio 1.85 reports
    an internal error instead of the server's refusal.
    """

    def __init__(self, stub: QualificationRegistryStub, asynchronous: "QualificationRegistryAsyncStub") -> None:
        self._stub = stub
        self.asynchronous = asynchronous

    async def preview(
        self,
        content: bytes,
        mapping_name: str = WITH_IDS,
        *,
        file_name: str = "roster.csv",
        term: tuple[str, str] = ("", ""),
    ) -> bidder_pb2.RosterPreview:
        """Sends a file, perhaps for a term, and returns the preview. Raises Refusal."""
        header = qualification_registry_pb2.RosterHeader(
            mapping=mapping_name, file_name=file_name, term_from=term[0], term_until=term[1]
        )
        requests = (
            qualification_registry_pb2.PreviewRosterRequest(content=content[start : start + PIECE])
            for start in range(0, len(content), PIECE)
        )
        *progress, last = await self.preview_messages(
            chain([qualification_registry_pb2.PreviewRosterRequest(header=header)], requests)
        )
        assert all(message.HasField("progress") for message in progress)
        return last.preview

    async def preview_messages(
        self, requests: Iterable[qualification_registry_pb2.PreviewRosterRequest]
    ) -> list[qualification_registry_pb2.PreviewRosterResponse]:
        """Returns all answers to a stream of requests."""
        return await self._collect(lambda: self._stub.PreviewRoster(iter(requests)))

    async def list_lines(
        self, import_id: str, *kinds: bidder_pb2.LineKind.ValueType, page: str = "", most: int = 0
    ) -> qualification_registry_pb2.ListPreviewLinesResponse:
        """Returns a page of a preview's lines. Raises Refusal."""
        request = qualification_registry_pb2.ListPreviewLinesRequest(
            import_id=import_id, kinds=kinds, page=page, most=most
        )
        (answer,) = await self._collect(lambda: [self._stub.ListPreviewLines(request)])
        response: qualification_registry_pb2.ListPreviewLinesResponse = answer
        return response

    async def list_undecided(self, import_id: str, *, after: int = 0, most: int = 0) -> list[bidder_pb2.UndecidedRow]:
        """Returns a page of a preview's undecided rows. Raises Refusal."""
        request = qualification_registry_pb2.ListUndecidedRowsRequest(import_id=import_id, after=after, most=most)
        (answer,) = await self._collect(lambda: [self._stub.ListUndecidedRows(request)])
        return list(answer.rows)

    async def commit(
        self,
        import_id: str,
        *,
        decisions: Iterable[tuple[int, str]] = (),
        accept_suggestions: bool = False,
        confirmed: Iterable[str] = (),
    ) -> qualification_registry_pb2.RosterCommit:
        """Commits a preview. Raises Refusal."""
        request = qualification_registry_pb2.CommitRosterRequest(
            import_id=import_id,
            decisions=[bidder_pb2.RowDecision(row=number, bidder_id=bidder_id) for number, bidder_id in decisions],
            accept_suggestions=accept_suggestions,
            confirmed=confirmed,
        )
        *_, last = await self._collect(lambda: self._stub.CommitRoster(request))
        commit: qualification_registry_pb2.RosterCommit = last.commit
        return commit

    async def import_roster(
        self, content: bytes, mapping_name: str = WITH_IDS, *, term: tuple[str, str] = ("", "")
    ) -> qualification_registry_pb2.RosterCommit:
        """Previews a file and commits it with all suggestions, and whatever has to be confirmed."""
        preview = await self.preview(content, mapping_name, term=term)
        assert not preview.error_count, preview.errors
        return await self.commit(preview.import_id, accept_suggestions=True, confirmed=list_questions(preview))

    async def cancel(self, import_id: str) -> None:
        """Cancels a preview. Raises Refusal."""
        request = qualification_registry_pb2.CancelRosterPreviewRequest(import_id=import_id)
        await self._collect(lambda: [self._stub.CancelRosterPreview(request)])

    async def list_versions(self, name: str, *, before: int = 0, most: int = 0) -> list[bidder_pb2.RosterVersion]:
        """Returns a page of a roster's versions. Raises Refusal."""
        request = qualification_registry_pb2.ListRosterVersionsRequest(roster=name, before=before, most=most)
        (answer,) = await self._collect(lambda: [self._stub.ListRosterVersions(request)])
        return list(answer.versions)

    async def list_version_lines(
        self, name: str, version: int, *, page: str = "", most: int = 0
    ) -> qualification_registry_pb2.ListVersionLinesResponse:
        """Returns a page of a version's lines. Raises Refusal."""
        request = qualification_registry_pb2.ListVersionLinesRequest(roster=name, version=version, page=page, most=most)
        (answer,) = await self._collect(lambda: [self._stub.ListVersionLines(request)])
        response: qualification_registry_pb2.ListVersionLinesResponse = answer
        return response

    async def read_file(self, name: str, version: int) -> bytes:
        """Returns the file of a version. Raises Refusal."""
        request = qualification_registry_pb2.ReadRosterFileRequest(roster=name, version=version)
        return b"".join(answer.content for answer in await self._collect(lambda: self._stub.ReadRosterFile(request)))

    async def issue(
        self, *bidder_ids: str, reissue: bool = False, agency: str = PREFECTURE, category: str = WORKS
    ) -> dict[str, bidder_pb2.PasswordLetter]:
        """Issues passwords and returns the letters by bidder id. Raises Refusal."""
        request = qualification_registry_pb2.IssuePasswordsRequest(
            agency=agency, category=category, bidder_ids=bidder_ids, reissue=reissue
        )
        answers = await self._collect(lambda: self._stub.IssuePasswords(request))
        letters = [answer.letter for answer in answers if answer.HasField("letter")]
        return {letter.company.bidder_id: letter for letter in letters}

    @staticmethod
    async def _collect(call: Callable[[], Iterable[Any]]) -> list[Any]:
        try:
            return await asyncio.to_thread(lambda: list(call()))
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None


@dataclass(slots=True)
class RunningQualificationRegistry:
    """The running service with its callers, its peer and its worker's tasks."""

    dsn: str
    profile: Profile
    database: Database
    proof_key: SigningKey
    front_door: "QualificationRegistryAsyncStub"
    agency_sync: "QualificationRegistryAsyncStub"
    officer: Officer
    other_officer: Officer
    officer_without_role: Officer
    # Of another agency than the officers above, and of the operator, both with all roles.
    city_officer: Officer
    operators_officer: Officer
    certificate_registry: CertificateRegistryPeer
    bidder_status: BidderStatusChange
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
            )
        )

    async def confirm(
        self, proof: bidder_pb2.BidderProof, certificate_company_name: str | None = None
    ) -> qualification_registry_pb2.ConfirmBidderResponse:
        """Confirms a proof as the front door does. Raises Refusal."""
        return await self.front_door.ConfirmBidder(
            qualification_registry_pb2.ConfirmBidderRequest(
                proof=proof, certificate_company_name=certificate_company_name
            )
        )

    async def list_agencies(self, *bidder_ids: str, category: str = WORKS) -> dict[str, list[str]]:
        """Returns the agencies of each bidder, as agency-sync receives them. Raises Refusal."""
        response = await self.agency_sync.ListQualifiedAgencies(
            qualification_registry_pb2.ListQualifiedAgenciesRequest(category=category, bidder_ids=bidder_ids)
        )
        return {bidder.bidder_id: list(bidder.agencies) for bidder in response.bidders}

    async def send_events(self) -> None:
        """Runs the enqueued jobs that send bidders, as the worker would."""
        query = "SELECT id, queue_name, args FROM jobs.procrastinate_jobs WHERE status = 'todo' ORDER BY id LIMIT 1"
        while jobs_to_do := await self.query(query):
            ((number, queue, arguments),) = jobs_to_do
            replacements = await self.work.tasks[SEND_BIDDERS][0](arguments["arguments"])
            async with self.database.transaction() as connection:
                await jobs.enqueue_each(connection, SEND_BIDDERS, queue=queue, arguments=replacements or ())
                # As in a worker's session: the table's triggers name other tables without their schema.
                await connection.execute("SET LOCAL search_path = public, jobs")
                await connection.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [number])

    async def delete_expired(self) -> None:
        """Runs the periodic task that deletes what has expired."""
        await self.work.tasks["delete_expired"][0]({})

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
) -> AsyncIterator[RunningQualificationRegistry]:
    """Runs the service on a database; `pooled`: `dsn` is the address of a transaction pooler.

    It signs with `proof_key`, and verifies with this key and `former_keys`.
    """
    profile = profile or roster_profile()
    authority = Authority(folder, profile.id)
    now = [MORNING]

    def clock() -> datetime:
        return now[0]

    async def read_time(_: Connection) -> datetime:
        return now[0]

    certificate_registry = CertificateRegistryPeer()
    proof_key = proof_key or SigningKey(Ed25519PrivateKey.generate(), STATEMENT_PREFIX)
    verifying_keys = {key.key_id: key.public_key for key in (proof_key, *former_keys)}
    hashing = PasswordHashing()
    async with AsyncExitStack() as stack:
        stack.callback(hashing.close)
        database = await stack.enter_async_context(Database.open(dsn, pool=8, pooled=pooled))
        proofs = BidderProofs(
            database=database, profile=profile, key=proof_key, verifying_keys=verifying_keys, clock=read_time
        )
        servicer = QualificationRegistryServicer(
            bidder_search=BidderSearch(
                database=database, profile=profile, hashing=hashing, proofs=proofs, clock=read_time
            ),
            bidder_proofs=proofs,
            qualified_agencies=QualifiedAgencyList(database=database, profile=profile, clock=clock),
            roster_preview=RosterPreview(database=database, profile=profile, clock=read_time),
            preview_list=PreviewList(database=database, profile=profile, clock=read_time),
            roster_commit=RosterCommit(database=database, profile=profile, clock=read_time),
            roster_versions=RosterVersions(database=database, profile=profile, clock=read_time),
            bidder_names=BidderNames(database=database, profile=profile, clock=clock),
            bidder_list=BidderList(database=database, profile=profile, clock=clock),
            password_issue=PasswordIssue(database=database, profile=profile, hashing=hashing, clock=read_time),
        )
        services = {SERVICE: partial(add_QualificationRegistryServicer_to_server, servicer)}
        addresses = {
            listener: await stack.enter_async_context(
                serving(authority, NAME, services, instance=profile.id, listener=listener)
            )
            for listener in (ListenerKind.INTERNAL, ListenerKind.AGENCY)
        }
        peer_services = {
            certificate_registry_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]: partial(
                certificate_registry_pb2_grpc.add_CertificateRegistryServicer_to_server, certificate_registry
            )
        }
        peer_address = await stack.enter_async_context(
            serving(authority, "certificate-registry", peer_services, instance=profile.id)
        )
        peers = await stack.enter_async_context(calling(authority.service(NAME), certificate_registry=peer_address))
        peer_stub = peers.stub("certificate-registry", certificate_registry_pb2_grpc.CertificateRegistryStub)
        stubs = {}
        for name in ("front-door", "agency-sync"):
            caller = await stack.enter_async_context(
                calling(authority.service(name), qualification_registry=addresses[ListenerKind.INTERNAL])
            )
            stubs[name] = caller.stub(NAME, QualificationRegistryStub)
        officers = {}
        for name, roles in (
            (f"{PREFECTURE}/hanako", ("roster", "password")),
            (f"{PREFECTURE}/jiro", ("roster",)),
            (f"{PREFECTURE}/saburo", ()),
            (f"{CITY}/shiro", ("roster", "password")),
            (f"{OPERATOR}/goro", ("roster", "password")),
        ):
            files = authority.officer(name, *roles)
            target = (addresses[ListenerKind.AGENCY], create_channel_credentials(files), OPTIONS)
            channel = stack.enter_context(grpc.secure_channel(*target))
            asynchronous = await stack.enter_async_context(grpc.aio.secure_channel(*target))
            officers[name] = Officer(QualificationRegistryStub(channel), QualificationRegistryStub(asynchronous))
        yield RunningQualificationRegistry(
            dsn=dsn,
            profile=profile,
            database=database,
            proof_key=proof_key,
            front_door=stubs["front-door"],
            agency_sync=stubs["agency-sync"],
            officer=officers[f"{PREFECTURE}/hanako"],
            other_officer=officers[f"{PREFECTURE}/jiro"],
            officer_without_role=officers[f"{PREFECTURE}/saburo"],
            city_officer=officers[f"{CITY}/shiro"],
            operators_officer=officers[f"{OPERATOR}/goro"],
            certificate_registry=certificate_registry,
            bidder_status=BidderStatusChange(database=database),
            work=build_work(
                bidder_events=BidderEvents(database=database, certificate_registry=CertificateRegistry(peer_stub)),
                expiry=Expiry(database=database, clock=read_time),
            ),
            now=now,
        )


def process_settings(
    folder: Path, certificates: InstanceCertificates, dsn: str, *, listeners: Sequence[str]
) -> dict[str, str]:
    """Returns the environment of a process of the service; its listeners and its peer have free addresses."""
    profile = folder / "example.yaml"
    profile.write_text(yaml.safe_dump(roster_profile().model_dump(mode="json"), allow_unicode=True), "utf-8")
    own = certificates.services[NAME]
    values = {
        "PROFILE": profile,
        "DATABASE": dsn,
        "CERTIFICATE": own.certificate,
        "PRIVATE_KEY": own.private_key,
        "SERVICES_CA": own.authority,
        "AGENCY_CLIENTS_CA": certificates.agency_clients_authorities,
        "CALLERS": certificates.callers,
        "BIDDER_PROOF_KEY": certificates.bidder_proof_private,
        "BIDDER_PROOF_PUBLIC_KEYS": certificates.bidder_proof_public,
        "CERTIFICATE_REGISTRY_ENDPOINT": free_address(),
    } | {f"{listener}_LISTEN": free_address() for listener in listeners}
    return {f"TOROKU_{name}": str(value) for name, value in values.items()}
